import type { Pod } from '@infra-offload/infra-api';
import type { ObjectKey } from '../sync/wanted-state.js';

/** A pod as far as policies ask. */
export type AttachedPod = Pick<Pod, 'attachmentId' | 'namespace' | 'name' | 'addresses'>;

/** Sees to it that no pod is open before its policies hold. */
export interface PodPolicies {
  /** A pod of an earlier run, which is in the data plane already. */
  expect(pod: AttachedPod): void;

  /**
   * Wants the isolation of a pod that is about to be attached.
   *
   * @returns the wanted object that the manager must have applied before the pod may be open; undefined if nothing
   * isolates the pod.
   * @throws CniError 11 if it cannot be told which policies hold for the pod; nothing is wanted for it then.
   */
  admit(pod: AttachedPod): Promise<ObjectKey | undefined>;

  /** The pod is in the data plane no more. */
  release(attachmentId: string): void;
}
