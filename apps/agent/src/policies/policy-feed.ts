import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import {
  type PolicyChange,
  type PolicyResult,
  PolicyTracker,
  type PolicyTrackerOptions,
} from '@infra-offload/k8s-watch';
import type { Logger } from 'pino';
import { keyOf, type ObjectKey, referenceOf, type WantedState } from '../sync/wanted-state.js';
import { awaitPodObject } from './pod-object.js';
import type { AttachedPod, PodPolicies } from './pod-policies.js';
import { referenceOfResult, toWanted } from './wanted-policies.js';

export interface PolicyFeedOptions {
  readonly source: PolicyTrackerOptions['source'];
  readonly nodeName: string;
  /** The source is the Kubernetes API: what it does not have is unknown, and kept isolated. */
  readonly isComplete: boolean;
  readonly wanted: WantedState;
  readonly logger: Logger;
  /** How long ADD waits for a pod's object; milliseconds. */
  readonly podTimeoutMs?: number;
}

/** Keeps the wanted policies, their address sets and the isolation of this node's pods equal to what a source says. */
export class PolicyFeed implements PodPolicies {
  readonly #options: PolicyFeedOptions;
  readonly #podTimeoutMs: number;
  readonly #attached = new Map<string, AttachedPod>();
  #tracker: PolicyTracker | undefined;

  constructor(options: PolicyFeedOptions) {
    this.#options = options;
    this.#podTimeoutMs = options.podTimeoutMs ?? 5_000;
  }

  /** To be called once the source has synced. All that follows from it is wanted when this returns. */
  start(): void {
    const { source, nodeName, isComplete, logger } = this.#options;
    const tracker = new PolicyTracker({ source, nodeName, isComplete });
    this.#tracker = tracker;
    for (const pod of this.#attached.values()) tracker.attach(pod.attachmentId, pod);
    tracker.flush();
    const counts = { AddressSet: 0, NetworkPolicy: 0, PodIsolation: 0 };
    for (const result of tracker.results()) {
      counts[result.kind] += 1;
      this.#upsert(result);
    }
    tracker.subscribe((changes) => {
      for (const change of changes) this.#apply(change);
    });
    const { AddressSet: sets, NetworkPolicy: policies, PodIsolation: isolated } = counts;
    logger.info({ policies, sets, isolated }, 'network policies are known');
  }

  stop(): void {
    this.#tracker?.close();
  }

  expect(pod: AttachedPod): void {
    this.#attached.set(pod.attachmentId, pod);
    this.#tracker?.attach(pod.attachmentId, pod);
  }

  async admit(pod: AttachedPod): Promise<ObjectKey | undefined> {
    const { source, nodeName, isComplete, wanted } = this.#options;
    const tracker = this.#tracker;
    if (tracker === undefined) {
      throw new CniError(CniErrorCode.tryAgainLater, 'network policies are not known yet');
    }
    const { namespace, name } = pod;
    const isOfKubernetes = namespace !== '' && name !== '';
    if (isComplete && isOfKubernetes) {
      const problem = await awaitPodObject(source.pods, { namespace, name, nodeName }, this.#podTimeoutMs);
      if (problem !== undefined) {
        const message = `${problem}, so it is not known which network policies apply to it`;
        throw new CniError(CniErrorCode.tryAgainLater, message);
      }
    }
    this.expect(pod);
    tracker.flush();
    const key = keyOf(referenceOfResult('PodIsolation', `${namespace}/${name}`));
    return wanted.get(key) === undefined ? undefined : key;
  }

  release(attachmentId: string): void {
    this.#attached.delete(attachmentId);
    this.#tracker?.detach(attachmentId);
  }

  #apply(change: PolicyChange): void {
    switch (change.type) {
      case 'upsert':
        this.#upsert(change.result);
        break;
      case 'remove':
        this.#options.wanted.remove(referenceOfResult(change.kind, change.name));
        break;
      default:
        change satisfies never;
    }
  }

  /** The tracker tells what differs only, so there is nothing to compare. */
  #upsert(result: PolicyResult): void {
    const object = toWanted(result);
    this.#options.wanted.upsertQuietly(object);
    this.#options.wanted.announce(referenceOf(object));
  }
}
