import { MultiMap } from '@infra-offload/base';
import type { IPv4 } from '@infra-offload/net';
import type { Direction } from '@infra-offload/policy-compiler';
import { isolationKey, type ObjectKey, type PodObject } from '../model/objects.js';
import type { AddressSetObject, IsolationObject, PolicyObject, PolicyTier } from '../model/policy-objects.js';
import { dependenciesOf, type Names, portsOf } from './resolve.js';
import { NO_DEPENDENCIES, Stack, Subject } from './stack.js';

const DIRECTIONS = ['ingress', 'egress'] as const;
/** What is in force while an isolation makes no sense and there is no version before it: nothing is allowed. */
const CLOSED: Pick<IsolationObject, Direction> = { ingress: [], egress: [] };

/**
 * Who is under which policies: sets, policies, isolations and pods by name, and what a change of one of them touches.
 * It compiles nothing. Changing an object costs as much as what names it.
 */
export class PolicyBook<Row> implements Names {
  readonly #policies = new Map<string, PolicyObject>();
  readonly #sets = new Map<string, AddressSetObject>();
  readonly #broken = new Set<string>();
  readonly #isolations = new Map<ObjectKey, Pick<IsolationObject, Direction>>();
  readonly #subjects = new Map<ObjectKey, Subject<Row>>();
  readonly #subjectsOf = new MultiMap<ObjectKey, Subject<Row>>();
  readonly #stacks = new Map<string, Stack<Row>>();
  readonly #byPolicy = new MultiMap<string, Stack<Row>>();
  readonly #bySet = new MultiMap<string, Stack<Row>>();
  /** Stacks to look at, and pods that came under others or left them. */
  #dirty = new Set<Stack<Row>>();
  #moved = new Set<Subject<Row>>();
  /** Isolations, policies and sets of which something else is to be said, since pods or stacks left them. */
  #left = new Set<ObjectKey>();
  /** Addresses of the node itself, ascending. */
  nodeAddresses: readonly IPv4[] = [];

  get isDirty(): boolean {
    return this.#dirty.size + this.#moved.size + this.#left.size > 0;
  }

  policy(name: string): PolicyObject | undefined {
    return this.#policies.get(name);
  }

  set(name: string): AddressSetObject | undefined {
    return this.#sets.get(name);
  }

  isBroken(set: string): boolean {
    return this.#broken.has(set);
  }

  isolation(key: ObjectKey): Pick<IsolationObject, Direction> | undefined {
    return this.#isolations.get(key);
  }

  subject(pod: ObjectKey): Subject<Row> | undefined {
    return this.#subjects.get(pod);
  }

  subjects(): Iterable<Subject<Row>> {
    return this.#subjects.values();
  }

  /** The pods that an isolation is for. */
  subjectsOf(isolation: ObjectKey): ReadonlySet<Subject<Row>> {
    return this.#subjectsOf.get(isolation);
  }

  /** Stacks in which a policy is. */
  stacksOfPolicy(name: string): ReadonlySet<Stack<Row>> {
    return this.#byPolicy.get(name);
  }

  /** Stacks of which a rule names a set. */
  stacksOfSet(name: string): ReadonlySet<Stack<Row>> {
    return this.#bySet.get(name);
  }

  putPolicy(name: string, policy: PolicyObject | undefined): void {
    if (policy === undefined) this.#policies.delete(name);
    else this.#policies.set(name, policy);
    this.#touch(this.stacksOfPolicy(name));
  }

  /** `isBroken`: there is a newer version, and it makes no sense. */
  putSet(name: string, set: AddressSetObject | undefined, isBroken: boolean): void {
    if (set === undefined) this.#sets.delete(name);
    else this.#sets.set(name, set);
    if (isBroken && set === undefined) this.#broken.add(name);
    else this.#broken.delete(name);
    this.#touch(this.stacksOfSet(name));
  }

  /** `isBroken` as for {@link putSet}. */
  putIsolation(key: ObjectKey, isolation: IsolationObject | undefined, isBroken: boolean): void {
    const known = isolation ?? (isBroken ? CLOSED : undefined);
    if (known === undefined) this.#isolations.delete(key);
    else this.#isolations.set(key, known);
    const keys = this.#stackKeys(known);
    for (const subject of this.subjectsOf(key)) this.#place(subject, known, keys);
  }

  putPod(key: ObjectKey, pod: PodObject | undefined): void {
    const before = this.#subjects.get(key);
    if (before?.pod === pod) return;
    if (before !== undefined) {
      const its = isolationKey(before.pod);
      this.#subjectsOf.delete(its, before);
      this.#left.add(its);
      this.#place(before, undefined, NO_STACKS);
    }
    if (pod === undefined) {
      this.#subjects.delete(key);
      return;
    }
    const subject = before ?? new Subject<Row>(key, pod);
    subject.pod = pod;
    this.#subjects.set(key, subject);
    const its = isolationKey(pod);
    this.#subjectsOf.add(its, subject);
    const isolation = this.#isolations.get(its);
    this.#place(subject, isolation, this.#stackKeys(isolation));
  }

  putNodeAddresses(addresses: readonly IPv4[]): void {
    if (sameNumbers(addresses, this.nodeAddresses)) return;
    this.nodeAddresses = addresses;
    for (const stack of this.#stacks.values()) if (stack.direction === 'ingress') this.#touch([stack]);
  }

  /** Stacks to look at since the last call, their dependencies up to date. Those without pods are forgotten. */
  takeDirty(): readonly Stack<Row>[] {
    const dirty = [...this.#dirty];
    this.#dirty = new Set();
    for (const stack of dirty) {
      if (stack.subjects.size === 0) {
        this.#link(stack, NO_DEPENDENCIES);
        this.#stacks.delete(stack.key);
      } else if (stack.isStale) this.#link(stack, dependenciesOf(stack.direction, stack.tiers, this));
    }
    return dirty;
  }

  /** Pods that came under other stacks since the last call, or left some. */
  takeMoved(): Iterable<Subject<Row>> {
    const moved = this.#moved;
    this.#moved = new Set();
    return moved;
  }

  /** Isolations, policies and sets that pods or stacks have left since the last call, to be made after {@link takeDirty}. */
  takeLeft(): Set<ObjectKey> {
    const left = this.#left;
    this.#left = new Set();
    return left;
  }

  /** Has everything looked at anew. */
  touchAll(): void {
    this.#touch(this.#stacks.values());
  }

  /** Tells apart the pods for which a stack comes to something else. */
  variantKey({ dependencies }: Stack<Row>, { pod }: Subject<Row>): string {
    if (dependencies.ownPortSets.length === 0) return '';
    return dependencies.ownPortSets
      .map((name) =>
        portsOf(this.#sets.get(name), pod.ip)
          .map(({ protocol, port }) => `${protocol}/${port}`)
          .join(),
      )
      .join(';');
  }

  #stackKeys(isolation: Pick<IsolationObject, Direction> | undefined): StackKeys {
    const keyOf = (direction: Direction, tiers: readonly PolicyTier[] | undefined) =>
      tiers && `${direction} ${JSON.stringify(tiers)}`;
    return {
      ingress: keyOf('ingress', isolation?.ingress),
      egress: keyOf('egress', isolation?.egress),
    };
  }

  /** Puts a pod under the stacks of its isolation, and under no others. */
  #place(
    subject: Subject<Row>,
    isolation: Pick<IsolationObject, Direction> | undefined,
    keys: StackKeys,
  ): void {
    for (const direction of DIRECTIONS) {
      const before = subject[direction];
      const key = keys[direction];
      const tiers = isolation?.[direction];
      if (before === undefined && tiers === undefined) continue;
      this.#moved.add(subject);
      if (before !== undefined) {
        // Also if it stays there: its address may be another one.
        before.stack.subjects.delete(subject);
        this.#dirty.add(before.stack);
      }
      subject[direction] = undefined;
      if (key === undefined || tiers === undefined) continue;
      let stack = this.#stacks.get(key);
      if (stack === undefined) {
        stack = new Stack(key, direction, tiers);
        this.#stacks.set(key, stack);
      }
      stack.subjects.add(subject);
      subject[direction] = { stack, variant: undefined };
      this.#dirty.add(stack);
    }
  }

  #touch(stacks: Iterable<Stack<Row>>): void {
    for (const stack of stacks) {
      stack.isStale = true;
      this.#dirty.add(stack);
    }
  }

  #link(stack: Stack<Row>, next: Stack<Row>['dependencies']): void {
    for (const name of stack.dependencies.policies)
      if (!next.policies.has(name)) this.#left.add(`policy/${name}`);
    for (const name of stack.dependencies.sets) if (!next.sets.has(name)) this.#left.add(`set/${name}`);
    this.#byPolicy.move(stack, stack.dependencies.policies, next.policies);
    this.#bySet.move(stack, stack.dependencies.sets, next.sets);
    stack.dependencies = next;
  }
}

type StackKeys = Readonly<Record<Direction, string | undefined>>;

const NO_STACKS: StackKeys = { ingress: undefined, egress: undefined };

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
