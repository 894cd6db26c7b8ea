import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import { closedIsolation, type FelixChange, type FelixState } from '@infra-offload/felix';
import { ObjectKind, type ObjectReference, type WantedObject } from '@infra-offload/infra-api';
import type { AttachedPod, PodPolicies } from '../policies/pod-policies.js';
import { keyOf, type ObjectKey, referenceOf, type WantedState } from '../sync/wanted-state.js';

/**
 * Keeps the wanted policies equal to what Felix says: of the last connection that has said everything. Pods of this node that
 * Felix has not told an endpoint of are closed.
 */
export class FelixFeed implements PodPolicies {
  readonly #wanted: WantedState;
  #state: FelixState | undefined;
  /** What is wanted because of Felix. */
  readonly #ours = new Map<ObjectKey, ObjectReference>();
  /** Attachments of the pods of this node, by the keys of their isolation. */
  readonly #attached = new Map<ObjectKey, Map<string, AttachedPod>>();

  constructor(wanted: WantedState) {
    this.#wanted = wanted;
  }

  /** Whether Felix has ever said everything. */
  get isKnown(): boolean {
    return this.#state !== undefined;
  }

  /** Puts `state`, which is in sync, in the place of what was wanted. */
  adopt(state: FelixState): void {
    this.#state = state;
    state.takeChanges();
    const objects = state.objects();
    const kept = new Set(objects.map((object) => keyOf(referenceOf(object))));
    for (const object of objects) this.#upsert(object);
    for (const [key, reference] of [...this.#ours]) if (!kept.has(key)) this.#remove(reference);
    for (const [key, pods] of this.#attached) if (!kept.has(key)) this.#shut(pods);
  }

  /** Takes over what has changed in the state that is in force. */
  update(): void {
    for (const change of this.#state?.takeChanges() ?? []) this.#apply(change);
  }

  /** Whether a pod has an interface in the data plane, or is about to get one. */
  isAttached(isolation: ObjectReference): boolean {
    return this.#attached.has(keyOf(isolation));
  }

  expect(pod: AttachedPod): void {
    if (!isNamed(pod)) return;
    const key = keyOf(isolationReference(pod));
    const pods = this.#attached.get(key) ?? new Map<string, AttachedPod>();
    this.#attached.set(key, pods.set(pod.attachmentId, pod));
    if (!this.#ours.has(key)) this.#shut(pods);
  }

  /**
   * A pod that Felix does not know yet is attached nevertheless, but closed: Felix hears of pods only once they have their
   * address, and of what has no name never.
   */
  async admit(pod: AttachedPod): Promise<ObjectKey> {
    if (!isNamed(pod)) {
      throw new CniError(
        CniErrorCode.invalidEnvironment,
        'CNI_ARGS names no pod (K8S_POD_NAMESPACE, K8S_POD_NAME), but Felix has policies only for Kubernetes pods',
      );
    }
    this.expect(pod);
    return keyOf(isolationReference(pod));
  }

  release(attachmentId: string): void {
    for (const [key, pods] of this.#attached) {
      const pod = pods.get(attachmentId);
      if (pod === undefined) continue;
      pods.delete(attachmentId);
      if (pods.size > 0) return;
      this.#attached.delete(key);
      if (this.#state?.knows(pod) !== true) this.#remove(isolationReference(pod));
      return;
    }
  }

  #apply(change: FelixChange): void {
    if (change.type === 'upsert') this.#upsert(change.object);
    else this.#remove(change.reference);
  }

  #upsert(object: WantedObject): void {
    const reference = referenceOf(object);
    this.#ours.set(keyOf(reference), reference);
    this.#wanted.upsert(object);
  }

  /** An endpoint may go before its pod does: the pod is closed then, not open. */
  #remove(reference: ObjectReference): void {
    const key = keyOf(reference);
    const pods = this.#attached.get(key);
    if (pods !== undefined) {
      this.#shut(pods);
      return;
    }
    this.#ours.delete(key);
    this.#wanted.remove(reference);
  }

  #shut(pods: ReadonlyMap<string, AttachedPod>): void {
    const [pod] = pods.values();
    if (pod !== undefined) this.#upsert({ object: { $case: 'podIsolation', value: closedIsolation(pod) } });
  }
}

function isNamed({ namespace, name }: AttachedPod): boolean {
  return namespace !== '' && name !== '';
}

/** The isolation of a pod, which all its interfaces share. */
export function isolationReference({
  namespace,
  name,
}: Pick<AttachedPod, 'namespace' | 'name'>): ObjectReference {
  return { kind: ObjectKind.OBJECT_KIND_POD_ISOLATION, name: `${namespace}/${name}` };
}
