import { Listeners, MultiMap, type Unsubscribe } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { type Namespace, type NetworkPolicy, objectName } from '../objects/types.js';
import { plainEquals } from '../plain-values.js';
import type { ObjectSource } from '../source.js';
import type { StoreEvent } from '../store.js';
import { type AttachedPod, PodBook, type TrackedPod } from './pod-book.js';
import { resolvePolicy } from './resolve.js';
import { subjectsOf } from './selection.js';
import { SelectionIndex, type SelectionListener } from './selection-index.js';
import { SetBook, type SetDefinition } from './set-book.js';
import type {
  DirectionIsolation,
  PodIsolation,
  PolicyResult,
  PolicyResultKind,
  ResolvedPolicy,
} from './types.js';
import { NAMESPACE_NAME_LABEL } from './well-known.js';

export type PolicyChange =
  | { readonly type: 'upsert'; readonly result: PolicyResult }
  | { readonly type: 'remove'; readonly kind: PolicyResultKind; readonly name: string };

export interface PolicyTrackerOptions {
  readonly source: Pick<ObjectSource, 'networkPolicies' | 'pods' | 'namespaces'>;
  /** Of which node the pods are isolated. */
  readonly nodeName: string;
  /**
   * Whether the source has every pod and namespace that there is, as the API server has. An attached pod that it does not have is
   * denied everything then, and no namespace that it does not have is selected by its labels. Otherwise, as in a
   * directory of manifests, such a pod has no labels, and such a namespace only the one with its name.
   */
  readonly isComplete: boolean;
}

/** One NetworkPolicy, with the pods of this node that it isolates. */
interface PolicyEntry extends SelectionListener<TrackedPod> {
  readonly object: NetworkPolicy;
  readonly pods: Set<TrackedPod>;
}

/** What listeners know of a policy. */
interface ToldPolicy {
  readonly policy: ResolvedPolicy;
  readonly sets: readonly SetDefinition[];
}

const DENIED: DirectionIsolation = { policies: [] };

/**
 * Keeps what NetworkPolicies mean for the pods of a node up to date: the isolation of each, the policies that hold for any of
 * them, and the address sets of those; nothing of policies that isolate no pod here. A change of a pod costs what
 * the selections cost that ask for its labels, whatever else there is. Changes are collected until the current
 * run of synchronous code ends, and told only if a result really is another one.
 */
export class PolicyTracker {
  readonly #source: PolicyTrackerOptions['source'];
  readonly #isComplete: boolean;
  readonly #book: PodBook;
  /** All pods that peers may be. */
  readonly #peers: SelectionIndex<TrackedPod>;
  /** The pods of this node. */
  readonly #subjects: SelectionIndex<TrackedPod>;
  readonly #sets: SetBook;
  readonly #policies = new Map<string, PolicyEntry>();
  readonly #isolating = new MultiMap<TrackedPod, PolicyEntry>();
  readonly #toldPolicies = new Map<string, ToldPolicy>();
  readonly #toldIsolations = new Map<string, PodIsolation>();
  readonly #dirtyPolicies = new Set<string>();
  readonly #dirtyPods = new Map<string, TrackedPod>();
  readonly #listeners = new Listeners<[changes: readonly PolicyChange[]]>();
  readonly #subscriptions: readonly Unsubscribe[];
  readonly #flushSoon = new Guard().soon(() => this.flush());

  constructor({ source, nodeName, isComplete }: PolicyTrackerOptions) {
    this.#source = source;
    this.#isComplete = isComplete;
    const labelsOf = (name: string) => this.#labelsOfNamespace(name);
    this.#peers = new SelectionIndex(labelsOf);
    this.#subjects = new SelectionIndex(labelsOf);
    this.#sets = new SetBook(this.#peers, this.#flushSoon);
    this.#book = new PodBook({ nodeName, isComplete, onChange: (pod) => this.#onPod(pod) });
    this.#subscriptions = [
      source.namespaces.subscribe((event) => this.#onNamespace(event)),
      source.pods.subscribe(({ type, object }) => {
        if (type === 'removed') this.#book.deleteObject(object);
        else this.#book.setObject(object);
      }),
      source.networkPolicies.subscribe((event) => this.#onPolicy(event)),
    ];
    for (const pod of source.pods.values()) this.#book.setObject(pod);
    for (const object of source.networkPolicies.values()) this.#onPolicy({ type: 'added', object });
    this.flush();
  }

  /** All results as of the last flush, each after those that it names. */
  *results(): IterableIterator<PolicyResult> {
    yield* this.#sets.values();
    for (const { policy } of this.#toldPolicies.values()) yield policy;
    yield* this.#toldIsolations.values();
  }

  /**
   * Calls the listener with later changes: first what is new or different, sets before policies before isolations, then what
   * is gone, the other way round. What is there already is in `results()`.
   */
  subscribe(listener: (changes: readonly PolicyChange[]) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  /**
   * This node attaches a pod, whose addresses its object does not have yet. One without namespace and name is none of
   * Kubernetes, and not isolated.
   *
   * @param id names the attachment; an earlier one of that name is replaced. A pod may have several.
   */
  attach(id: string, pod: AttachedPod): void {
    this.#book.attach(id, pod);
  }

  /** The attachment is no more. */
  detach(id: string): void {
    this.#book.detach(id);
  }

  /** Computes and tells what is due now, rather than at the end of the current run of code. */
  flush(): void {
    const policies = this.#flushPolicies();
    const sets = this.#sets.flush();
    const isolations = this.#flushIsolations();
    const changes: PolicyChange[] = [
      ...[...sets.upserts, ...policies.upserts, ...isolations.upserts].map(upsert),
      ...isolations.removals.map((name) => removal('PodIsolation', name)),
      ...policies.removals.map((name) => removal('NetworkPolicy', name)),
      ...sets.removals.map((name) => removal('AddressSet', name)),
    ];
    if (changes.length === 0) return;
    this.#listeners.emit(changes);
  }

  /** Stops following the source. */
  close(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#listeners.clear();
  }

  #labelsOfNamespace(name: string): Readonly<Record<string, string>> | undefined {
    const object = this.#source.namespaces.get('', name);
    if (object === undefined && this.#isComplete) return undefined;
    return { ...object?.labels, [NAMESPACE_NAME_LABEL]: name };
  }

  #onNamespace({ object: { name } }: StoreEvent<Namespace>): void {
    this.#peers.namespaceChanged(name);
  }

  #onPod(pod: TrackedPod): void {
    if (pod.isPeer) this.#peers.set(pod);
    else this.#peers.delete(pod);
    if (pod.subject === 'known') this.#subjects.set(pod);
    else this.#subjects.delete(pod);
    if (pod.subject !== 'elsewhere' || this.#toldIsolations.has(pod.name)) this.#touchPod(pod);
  }

  #onPolicy({ type, object }: StoreEvent<NetworkPolicy>): void {
    const name = objectName(object);
    const before = this.#policies.get(name);
    if (before !== undefined) {
      this.#policies.delete(name);
      this.#subjects.unwatch(subjectsOf(before.object), before);
    }
    this.#touchPolicy(name);
    if (type === 'removed') return;
    const entry: PolicyEntry = {
      object,
      pods: new Set(),
      joined: (pod) => this.#joined(name, entry, pod),
      left: (pod) => this.#left(name, entry, pod),
    };
    this.#policies.set(name, entry);
    this.#subjects.watch(subjectsOf(object), entry);
  }

  #joined(name: string, entry: PolicyEntry, pod: TrackedPod): void {
    if (entry.pods.size === 0) this.#touchPolicy(name);
    entry.pods.add(pod);
    this.#isolating.add(pod, entry);
    this.#touchPod(pod);
  }

  #left(name: string, entry: PolicyEntry, pod: TrackedPod): void {
    entry.pods.delete(pod);
    if (entry.pods.size === 0) this.#touchPolicy(name);
    this.#isolating.delete(pod, entry);
    this.#touchPod(pod);
  }

  #touchPolicy(name: string): void {
    this.#dirtyPolicies.add(name);
    this.#flushSoon();
  }

  #touchPod(pod: TrackedPod): void {
    this.#dirtyPods.set(pod.name, pod);
    this.#flushSoon();
  }

  #flushPolicies() {
    const upserts: ResolvedPolicy[] = [];
    const removals: string[] = [];
    const released: SetDefinition[] = [];
    for (const name of this.#dirtyPolicies) {
      const entry = this.#policies.get(name);
      const before = this.#toldPolicies.get(name);
      released.push(...(before?.sets ?? []));
      if (entry === undefined || entry.pods.size === 0) {
        if (this.#toldPolicies.delete(name)) removals.push(name);
        continue;
      }
      const { policy, sets } = resolvePolicy(entry.object);
      for (const set of sets) this.#sets.retain(set);
      const isSame = before !== undefined && plainEquals(before.policy, policy);
      this.#toldPolicies.set(name, { policy: isSame ? before.policy : policy, sets });
      if (!isSame) upserts.push(policy);
    }
    // Last, so that a set which goes from one policy to another stays what it is.
    for (const set of released) this.#sets.release(set);
    this.#dirtyPolicies.clear();
    return { upserts, removals };
  }

  #flushIsolations() {
    const upserts: PodIsolation[] = [];
    const removals: string[] = [];
    for (const [name, pod] of this.#dirtyPods) {
      const isolation = this.#isolationOf(pod);
      if (isolation === undefined) {
        if (this.#toldIsolations.delete(name)) removals.push(name);
      } else if (!plainEquals(this.#toldIsolations.get(name), isolation)) {
        this.#toldIsolations.set(name, isolation);
        upserts.push(isolation);
      }
    }
    this.#dirtyPods.clear();
    return { upserts, removals };
  }

  #isolationOf(pod: TrackedPod): PodIsolation | undefined {
    const { name, subject } = pod;
    switch (subject) {
      case 'elsewhere':
        return undefined;
      case 'unknown':
        return { kind: 'PodIsolation', name, ingress: DENIED, egress: DENIED };
      case 'known': {
        const objects = [...this.#isolating.get(pod)].map(({ object }) => object);
        const ingress = namesOf(objects.filter(({ policyTypes }) => policyTypes.includes('Ingress')));
        const egress = namesOf(objects.filter(({ policyTypes }) => policyTypes.includes('Egress')));
        if (objects.length === 0) return undefined;
        return {
          kind: 'PodIsolation',
          name,
          ...(ingress.length > 0 ? { ingress: { policies: ingress } } : {}),
          ...(egress.length > 0 ? { egress: { policies: egress } } : {}),
        };
      }
      default:
        return subject satisfies never;
    }
  }
}

function namesOf(policies: readonly NetworkPolicy[]): string[] {
  return policies.map(objectName).sort();
}

function upsert(result: PolicyResult): PolicyChange {
  return { type: 'upsert', result };
}

function removal(kind: PolicyResultKind, name: string): PolicyChange {
  return { type: 'remove', kind, name };
}
