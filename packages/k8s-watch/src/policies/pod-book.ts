import { isIPv4, isIPv6 } from 'node:net';
import { type NamespacedObject, objectName, type Pod, type PodPort } from '../objects/types.js';
import { AddressClaims, type Claim, ClaimRank } from './address-claims.js';

/** A pod that the agent of this node has given an interface, or is about to. */
export interface AttachedPod {
  readonly namespace: string;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Everything that policies ask of one pod. The object stays the same as long as the pod is there. */
export interface TrackedPod {
  readonly namespace: string;
  /** "namespace/name". */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
  /** Those that are its own, as far as can be told. */
  readonly addresses: readonly string[];
  /** Whether selectors of peers select it. */
  readonly isPeer: boolean;
  /** How it is to be isolated here. `unknown`: nothing is known of it, so it must not be open. */
  readonly subject: 'known' | 'unknown' | 'elsewhere';
}

/** What was learned of a pod, and what follows from it. */
interface Entry extends TrackedPod {
  object: Pod | undefined;
  readonly attachments: Map<string, AttachedPod>;
  claims: readonly Claim[];
  labels: TrackedPod['labels'];
  ports: readonly PodPort[];
  addresses: readonly string[];
  isPeer: boolean;
  subject: TrackedPod['subject'];
}

export interface PodBookOptions {
  readonly nodeName: string;
  /** Whether a pod that has no object is unknown, rather than without labels. */
  readonly isComplete: boolean;
  /** The pod is new, other than before, or neither peer nor subject any more. */
  readonly onChange: (pod: TrackedPod) => void;
}

/** Pods by their objects, and by what this node has attached. */
export class PodBook {
  readonly #options: PodBookOptions;
  readonly #entries = new Map<string, Entry>();
  /** By attachment. */
  readonly #attached = new Map<string, Entry>();
  readonly #claims = new AddressClaims<Entry>();

  constructor(options: PodBookOptions) {
    this.#options = options;
  }

  setObject(pod: Pod): void {
    const entry = this.#entry(pod);
    entry.object = pod;
    this.#derive(entry);
  }

  deleteObject(pod: Pod): void {
    const entry = this.#entry(pod);
    entry.object = undefined;
    this.#derive(entry);
  }

  attach(id: string, pod: AttachedPod): void {
    this.detach(id);
    // Not of Kubernetes, so no policy is about it.
    if (pod.namespace === '' || pod.name === '') return;
    const entry = this.#entry(pod);
    entry.attachments.set(id, pod);
    this.#attached.set(id, entry);
    this.#derive(entry);
  }

  detach(id: string): void {
    const entry = this.#attached.get(id);
    if (entry === undefined) return;
    entry.attachments.delete(id);
    this.#attached.delete(id);
    this.#derive(entry);
  }

  #entry(pod: Pick<NamespacedObject, 'namespace' | 'name'>): Entry {
    const name = objectName(pod);
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry: Entry = {
      namespace: pod.namespace,
      name,
      labels: {},
      ports: [],
      addresses: [],
      isPeer: false,
      subject: 'elsewhere',
      object: undefined,
      attachments: new Map(),
      claims: [],
    };
    this.#entries.set(name, entry);
    return entry;
  }

  #derive(entry: Entry): void {
    const { isComplete } = this.#options;
    const { object } = entry;
    const attached = this.#isElsewhere(entry) ? [] : [...entry.attachments.values()];
    const isAttached = attached.length > 0;
    entry.labels = object?.labels ?? {};
    entry.ports = object?.ports ?? [];
    // What this node has attached has an address of its own, whatever the object says of hostNetwork.
    if (object === undefined) entry.isPeer = isAttached && !isComplete;
    else entry.isPeer = !object.finished && (isAttached || !object.hostNetwork);
    entry.subject = this.#subjectOf(entry);
    const before = entry.claims;
    entry.claims = claimsOf(entry, attached);
    const others = this.#claims.replace(entry, before, entry.claims);
    this.#own(entry);
    if (object === undefined && !isAttached && entry.attachments.size === 0) this.#entries.delete(entry.name);
    this.#options.onChange(entry);
    for (const other of others) if (this.#own(other)) this.#options.onChange(other);
  }

  /** An attachment of an earlier pod of that name, which has not been detached yet. */
  #isElsewhere({ object }: Entry): boolean {
    const { isComplete, nodeName } = this.#options;
    return isComplete && object?.nodeName !== undefined && object.nodeName !== nodeName;
  }

  #subjectOf(entry: Entry): TrackedPod['subject'] {
    const { isComplete, nodeName } = this.#options;
    const { object, attachments } = entry;
    if (attachments.size > 0) {
      const isKnown = object === undefined ? !isComplete : !this.#isElsewhere(entry);
      return isKnown ? 'known' : 'unknown';
    }
    const isHere = object?.nodeName === nodeName && !object.finished && !object.hostNetwork;
    return isHere ? 'known' : 'elsewhere';
  }

  /** @returns whether the pod has other addresses than before. */
  #own(entry: Entry): boolean {
    const addresses = entry.isPeer
      ? entry.claims.flatMap(({ address }) => (this.#claims.has(entry, address) ? address : []))
      : [];
    if (addresses.join() === entry.addresses.join()) return false;
    entry.addresses = addresses;
    return true;
  }
}

/** Attachments are newer than the status, which comes to have their addresses, too. */
function claimsOf({ object, isPeer }: Entry, attached: readonly AttachedPod[]): readonly Claim[] {
  const claims = new Map<string, ClaimRank>();
  for (const { addresses } of attached) {
    for (const address of addresses) claims.set(address, ClaimRank.attached);
  }
  const given = [...claims.keys()];
  const isSuperseded = (address: string) => (isIPv4(address) ? given.some(isIPv4) : given.some(isIPv6));
  if (object !== undefined && isPeer) {
    const rank = object.terminating ? ClaimRank.terminating : ClaimRank.status;
    for (const address of object.ips) if (!isSuperseded(address)) claims.set(address, rank);
  }
  return [...claims].map(([address, rank]) => ({ address, rank }));
}
