import { MultiMap } from '@infra-offload/base';
import type { WantedObject } from '@infra-offload/infra-api';
import type { IPv4 } from '@infra-offload/net';
import type { FelixMessage, Policy, WorkloadEndpoint, WorkloadEndpointId } from '../messages.js';
import { IpSet } from './ip-set.js';
import { addressOf, closedIsolation, isolationOf, policiesOf } from './isolation.js';
import { endpointKey, objectName, type PodName, podKey, podOf, policyName, profileName } from './names.js';
import { CompiledPolicy, type PolicyVariant, setIdsOf } from './policy.js';
import { conditionsOf, type Problem } from './problems.js';
import { evaluateSet, type SetExpression, setsOf } from './set-expression.js';
import { type FelixChange, kinds, WantedBodies } from './wire-object.js';

/** A workload endpoint that Felix has told. */
export interface KnownEndpoint {
  readonly id: WorkloadEndpointId;
  /** undefined if it is no pod of Kubernetes. */
  readonly pod: PodName | undefined;
  readonly endpoint: WorkloadEndpoint;
}

interface StoredPolicy {
  readonly policy: Policy;
  readonly isProfile: boolean;
  readonly setIds: ReadonlySet<string>;
  /** As of the last look. */
  compiled: CompiledPolicy | undefined;
}

/** A variant of a policy that the isolation of some pod names. */
interface UsedVariant {
  readonly policy: string;
  readonly variant: PolicyVariant;
  sets: readonly string[];
}

/**
 * What Felix wants of the pods of a node, as wanted objects: address sets, policies, isolation of pods. Messages go in by
 * {@link apply}; {@link takeChanges} tells what has become of them. Nothing in here does I/O.
 */
export class FelixState {
  readonly #ipSets = new Map<string, IpSet>();
  readonly #policies = new Map<string, StoredPolicy>();
  readonly #endpoints = new Map<string, KnownEndpoint>();
  readonly #hosts = new Map<string, string>();
  #config: Readonly<Record<string, string>> = {};
  #isInSync = false;

  /** Keys of the endpoints of each pod. */
  readonly #podEndpoints = new MultiMap<string, string>();
  /** Policies by the ids of IP sets that they depend on. */
  readonly #policiesBySet = new MultiMap<string, string>();
  /** Pods by the policies of their endpoints, be they known or not. */
  readonly #podsByPolicy = new MultiMap<string, string>();
  /** Pods by the variants that their isolation names. */
  readonly #podsByVariant = new MultiMap<string, string>();
  /** Variants by the address sets that they name. */
  readonly #variantsBySet = new MultiMap<string, string>();
  /** Address sets by the IP sets that they are made of. */
  readonly #namesByIpSet = new MultiMap<string, string>();

  /** For each pod, what it was last counted under. */
  readonly #podUses = new Map<string, { policies: ReadonlySet<string>; variants: ReadonlySet<string> }>();
  readonly #variants = new Map<string, UsedVariant>();
  readonly #variantsByPolicy = new MultiMap<string, string>();
  readonly #expressions = new Map<string, SetExpression>();

  readonly #wantedSets = new WantedBodies<'addressSet'>(kinds.addressSet);
  readonly #wantedPolicies = new WantedBodies<'networkPolicy'>(kinds.networkPolicy);
  readonly #wantedIsolations = new WantedBodies<'podIsolation'>(kinds.podIsolation);

  readonly #changedIpSets = new Set<string>();
  readonly #changedPolicies = new Set<string>();
  readonly #changedPods = new Set<string>();
  /** Whether the members of each IP set are known for certain, as of the last look. */
  readonly #usability = new Map<string, string | undefined>();
  readonly #changedVariants = new Set<string>();
  readonly #changedSets = new Set<string>();

  /** Whether Felix has said everything that it knows. */
  get isInSync(): boolean {
    return this.#isInSync;
  }

  /** Felix's own configuration, as it has told it. */
  get config(): Readonly<Record<string, string>> {
    return this.#config;
  }

  /** IPv4 addresses of the cluster's nodes, by name. */
  get hosts(): ReadonlyMap<string, string> {
    return this.#hosts;
  }

  endpoints(): Iterable<KnownEndpoint> {
    return this.#endpoints.values();
  }

  /** Whether Felix has told an endpoint of this pod. */
  knows(pod: PodName): boolean {
    return this.#podEndpoints.has(podKey(pod));
  }

  /**
   * Takes a message over.
   *
   * @returns why it has no effect, if it should have one: it is not known, or is about something that was never told.
   */
  apply(message: FelixMessage): string | undefined {
    switch (message.type) {
      case 'inSync':
        this.#isInSync = true;
        return undefined;
      case 'config':
        this.#config = message.config;
        return undefined;
      case 'ipSetUpdate':
        this.#ipSets.set(message.id, new IpSet(message.id, message.kind, message.members));
        this.#changedIpSets.add(message.id);
        return undefined;
      case 'ipSetDelta': {
        const { id, added, removed } = message;
        const ipSet = this.#ipSets.get(id);
        if (ipSet === undefined) return `a change to the unknown IP set ${id}: ignored`;
        ipSet.change(added, removed);
        this.#changedIpSets.add(id);
        return undefined;
      }
      case 'ipSetRemove':
        this.#changedIpSets.add(message.id);
        return this.#ipSets.delete(message.id) ? undefined : unknown('IP set', message.id);
      case 'policyUpdate':
        return this.#setPolicy(policyName(message.id), message.policy, false);
      case 'policyRemove':
        return this.#removePolicy(policyName(message.id)) ? undefined : unknown('policy', message.id.name);
      case 'profileUpdate':
        return this.#setPolicy(profileName(message.name), message.policy, true);
      case 'profileRemove':
        return this.#removePolicy(profileName(message.name)) ? undefined : unknown('profile', message.name);
      case 'workloadEndpointUpdate':
        return this.#setEndpoint(message.id, message.endpoint);
      case 'workloadEndpointRemove':
        return this.#removeEndpoint(message.id);
      case 'hostEndpointUpdate':
        return this.#setHostEndpoint(message.id, message.name, message.hasPolicy);
      case 'hostEndpointRemove':
        this.#wantedPolicies.delete(hostEndpointName(message.id));
        return undefined;
      case 'hostMetadataUpdate':
        this.#hosts.set(message.hostname, message.ipv4Address);
        return undefined;
      case 'hostMetadataRemove':
        return this.#hosts.delete(message.hostname) ? undefined : unknown('host', message.hostname);
      case 'unused':
        return undefined;
      case 'unknown':
        return `a message of an unknown kind (${message.field}): ignored`;
      default:
        return message satisfies never;
    }
  }

  /**
   * What has changed since the last call, in an order in which no step widens what is allowed: sets before the policies that
   * name them, policies before isolations, and removals the other way round.
   */
  takeChanges(): FelixChange[] {
    this.#settle();
    return [
      ...this.#wantedSets.takeUpserts(),
      ...this.#wantedPolicies.takeUpserts(),
      ...this.#wantedIsolations.takeUpserts(),
      ...this.#wantedIsolations.takeRemovals(),
      ...this.#wantedPolicies.takeRemovals(),
      ...this.#wantedSets.takeRemovals(),
    ];
  }

  /** Everything that is wanted, in the order of {@link takeChanges}. */
  objects(): WantedObject[] {
    this.#settle();
    return [this.#wantedSets, this.#wantedPolicies, this.#wantedIsolations].flatMap((bodies) =>
      bodies.objects(),
    );
  }

  #setPolicy(name: string, policy: Policy, isProfile: boolean): undefined {
    const setIds = setIdsOf(policy);
    this.#policiesBySet.move(name, this.#policies.get(name)?.setIds ?? [], setIds);
    const compiled = this.#policies.get(name)?.compiled;
    this.#policies.set(name, { policy, isProfile, setIds, compiled });
    this.#changedPolicies.add(name);
  }

  #removePolicy(name: string): boolean {
    const known = this.#policies.get(name);
    if (known === undefined) return false;
    this.#policiesBySet.move(name, known.setIds, []);
    this.#policies.delete(name);
    this.#changedPolicies.add(name);
    return true;
  }

  #setEndpoint(id: WorkloadEndpointId, endpoint: WorkloadEndpoint): undefined {
    const key = endpointKey(id);
    const pod = podOf(id);
    this.#endpoints.set(key, { id, pod, endpoint });
    if (pod === undefined) {
      const what = `${id.orchestrator}/${id.workload} is not a Kubernetes pod: none of its policies are in force`;
      this.#report(workloadName(id), { reason: 'WorkloadNotSupported', message: what });
      return;
    }
    this.#podEndpoints.add(podKey(pod), key);
    this.#changedPods.add(podKey(pod));
  }

  #removeEndpoint(id: WorkloadEndpointId): string | undefined {
    const key = endpointKey(id);
    const known = this.#endpoints.get(key);
    if (known === undefined) return unknown('workload endpoint', `${id.workload} ${id.endpoint}`);
    this.#endpoints.delete(key);
    if (known.pod === undefined) {
      this.#wantedPolicies.delete(workloadName(id));
    } else {
      this.#podEndpoints.delete(podKey(known.pod), key);
      this.#changedPods.add(podKey(known.pod));
    }
    return undefined;
  }

  #setHostEndpoint(id: string, interfaceName: string, hasPolicy: boolean): undefined {
    const name = hostEndpointName(id);
    if (!hasPolicy) {
      this.#wantedPolicies.delete(name);
      return;
    }
    const message = `policies of host endpoint ${id} (${interfaceName || 'all interfaces'}) are not enforced by the data plane`;
    this.#report(name, { reason: 'HostEndpointsNotSupported', message });
  }

  /** Wants a policy that does nothing but say what cannot be done. */
  #report(name: string, problem: Problem): void {
    const value = { name, ingress: [], egress: [], conditions: conditionsOf([problem]) };
    this.#wantedPolicies.set(name, { $case: 'networkPolicy', value });
  }

  readonly #lookup = (id: string): IpSet | undefined => this.#ipSets.get(id);

  /** Brings the wanted objects up to date with what was told: only those that may have changed. */
  #settle(): void {
    this.#settleIpSets();
    for (const name of this.#changedPolicies) this.#compile(name);
    this.#changedPolicies.clear();
    for (const pod of this.#changedPods) this.#isolate(pod);
    this.#changedPods.clear();
    for (const name of this.#changedVariants) this.#writeVariant(name);
    this.#changedVariants.clear();
    for (const name of this.#changedSets) this.#writeSet(name);
    this.#changedSets.clear();
  }

  #settleIpSets(): void {
    for (const id of this.#changedIpSets) {
      const ipSet = this.#ipSets.get(id);
      const problem = ipSet === undefined ? 'not told' : ipSet.problem;
      const isOther = !this.#usability.has(id) || this.#usability.get(id) !== problem;
      if (ipSet === undefined) this.#usability.delete(id);
      else this.#usability.set(id, problem);
      for (const policy of this.#policiesBySet.get(id)) {
        if (isOther) this.#changedPolicies.add(policy);
        if (this.#policies.get(policy)?.compiled?.dependsOnAddress) this.#addPodsOf(policy);
      }
      for (const name of this.#namesByIpSet.get(id)) this.#changedSets.add(name);
    }
    this.#changedIpSets.clear();
  }

  #addPodsOf(policy: string): void {
    for (const pod of this.#podsByPolicy.get(policy)) this.#changedPods.add(pod);
  }

  #compile(name: string): void {
    const stored = this.#policies.get(name);
    const before = stored?.compiled;
    if (stored !== undefined) {
      stored.compiled = new CompiledPolicy(name, stored.policy, stored.isProfile, this.#lookup);
    }
    const depends = stored?.compiled?.dependsOnAddress || before?.dependsOnAddress;
    // Pods name a variant of it; if it is new, gone, or has others now, they name another.
    if (depends || before === undefined) this.#addPodsOf(name);
    for (const variant of this.#variantsByPolicy.get(name)) this.#changedVariants.add(variant);
  }

  #isolate(pod: string): void {
    const known = [...this.#podEndpoints.get(pod)].flatMap((key) => this.#endpoints.get(key) ?? []);
    const [first] = known;
    const policies = new Set<string>();
    const variants = new Set<string>();
    if (first?.pod === undefined) {
      this.#wantedIsolations.delete(pod);
    } else if (known.length > 1) {
      const names = known.map(({ id }) => id.endpoint || 'one without name').join(', ');
      const message = `the pod has ${known.length} endpoints (${names}), but can have one: nothing passes`;
      const value = closedIsolation(first.pod, [{ reason: 'SeveralEndpoints', message }]);
      this.#wantedIsolations.set(pod, { $case: 'podIsolation', value });
    } else {
      const { endpoint } = first;
      for (const policy of policiesOf(endpoint)) policies.add(policy);
      const address = addressOf(endpoint);
      const value = isolationOf(first.pod, endpoint, (policy) => {
        const variant = this.#useVariant(policy, address);
        variants.add(variant);
        return variant;
      });
      this.#wantedIsolations.set(pod, { $case: 'podIsolation', value });
    }
    const before = this.#podUses.get(pod);
    this.#podsByPolicy.move(pod, before?.policies ?? [], policies);
    this.#podsByVariant.move(pod, before?.variants ?? [], variants);
    for (const variant of before?.variants ?? []) this.#changedVariants.add(variant);
    if (policies.size > 0) this.#podUses.set(pod, { policies, variants });
    else this.#podUses.delete(pod);
  }

  /** @returns the name of the variant; a policy that was not told has one name only, under which nothing is wanted. */
  #useVariant(policy: string, address: IPv4 | undefined): string {
    const compiled = this.#policies.get(policy)?.compiled;
    if (compiled === undefined) return policy;
    const variant = compiled.variantFor(address, this.#lookup);
    if (!this.#variants.has(variant.name)) {
      this.#variants.set(variant.name, { policy, variant, sets: [] });
      this.#variantsByPolicy.add(policy, variant.name);
      this.#changedVariants.add(variant.name);
    }
    return variant.name;
  }

  #writeVariant(name: string): void {
    const used = this.#variants.get(name);
    if (used === undefined) return;
    const compiled = this.#policies.get(used.policy)?.compiled;
    if (compiled === undefined || !this.#podsByVariant.has(name)) {
      this.#moveSets(name, used, []);
      this.#variants.delete(name);
      this.#variantsByPolicy.delete(used.policy, name);
      this.#wantedPolicies.delete(name);
      return;
    }
    for (const [set, expression] of compiled.sets) this.#expressions.set(set, expression);
    this.#moveSets(name, used, [...compiled.sets.keys()]);
    this.#wantedPolicies.set(name, { $case: 'networkPolicy', value: compiled.toWire(used.variant) });
  }

  #moveSets(variant: string, used: UsedVariant, sets: readonly string[]): void {
    for (const set of [...used.sets, ...sets]) this.#changedSets.add(set);
    this.#variantsBySet.move(variant, used.sets, sets);
    used.sets = sets;
  }

  #writeSet(name: string): void {
    const expression = this.#expressions.get(name);
    if (expression === undefined) return;
    if (this.#variantsBySet.has(name)) {
      for (const id of setsOf(expression)) this.#namesByIpSet.add(id, name);
      this.#wantedSets.set(name, { $case: 'addressSet', value: evaluateSet(expression, this.#lookup) });
      return;
    }
    for (const id of setsOf(expression)) this.#namesByIpSet.delete(id, name);
    this.#expressions.delete(name);
    this.#wantedSets.delete(name);
  }
}

function unknown(what: string, name: string): string {
  return `${what} ${name} is removed, but was never sent`;
}

function hostEndpointName(id: string): string {
  return objectName('host-endpoint', id);
}

function workloadName({ orchestrator, workload, endpoint }: WorkloadEndpointId): string {
  return objectName('workload', orchestrator, workload, endpoint);
}
