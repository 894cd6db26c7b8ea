import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import {
  ObjectKind,
  type ObjectReference,
  type ObjectStatus,
  type OffloadClient,
  type Pod,
  type StatusResponse,
} from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import type { PodPolicies } from '../policies/pod-policies.js';
import type { StatusBook } from '../sync/status-book.js';
import type { SyncClient } from '../sync/sync-client.js';
import { keyOf, type ObjectKey, type WantedState } from '../sync/wanted-state.js';

export interface PodProgrammerOptions {
  readonly client: OffloadClient;
  readonly sync: SyncClient;
  readonly wanted: WantedState;
  readonly statuses: StatusBook;
  /** Absent if no policies are enforced. */
  readonly policies?: PodPolicies | undefined;
  readonly logger: Logger;
  /** For AddPod, and for the wait for the snapshot before it; milliseconds. */
  readonly addTimeoutMs?: number;
  readonly deleteTimeoutMs?: number;
}

const STATUS_TIMEOUT_MS = 2_000;

/**
 * Brings pods into the data plane and out of it, one call each, beside the Sync stream. A pod is wanted from before
 * AddPod on, so that a snapshot which is made meanwhile does not drop it; it is announced on the stream only where the
 * outcome of a call is not known.
 */
export class PodProgrammer {
  readonly #options: PodProgrammerOptions;
  readonly #addTimeoutMs: number;
  readonly #deleteTimeoutMs: number;

  constructor(options: PodProgrammerOptions) {
    this.#options = options;
    this.#addTimeoutMs = options.addTimeoutMs ?? 10_000;
    this.#deleteTimeoutMs = options.deleteTimeoutMs ?? 5_000;
  }

  /**
   * Fails if a pod cannot be added now, as far as the agent knows.
   *
   * @throws CniError 11
   */
  assertReady(): void {
    const { state } = this.#options.sync;
    switch (state.kind) {
      case 'synchronised':
      case 'synchronising':
        return;
      case 'disconnected':
        throw new CniError(CniErrorCode.tryAgainLater, `infra-manager is not connected: ${state.reason}`);
      case 'stopped':
        throw new CniError(CniErrorCode.tryAgainLater, 'infra-agent is not connected to infra-manager yet');
      default:
        state satisfies never;
    }
  }

  /**
   * Returns when the data plane forwards for the pod, which its policies have isolated by then. If it fails, the pod is not
   * wanted any more.
   *
   * @throws CniError 11 if the manager or its target is away or the pod's policies are not known, 101 if another pod holds the
   * address, 102 otherwise.
   */
  async add(pod: Pod): Promise<void> {
    const { client, wanted, policies } = this.#options;
    const reference = podReference(pod.attachmentId);
    // A removal of the same name that is still on its way would undo what AddPod does.
    await this.#settled(keyOf(reference), 'infra-manager has not taken over the state of the node yet');
    const isolation = await policies?.admit(pod);
    try {
      if (isolation !== undefined) {
        await this.#settled(isolation, 'infra-manager has not taken over the policies of the pod yet');
      }
      wanted.upsertQuietly({ object: { $case: 'pod', value: pod } });
      await unary((callback) =>
        client.addPod({ pod }, new Metadata(), { deadline: Date.now() + this.#addTimeoutMs }, callback),
      );
    } catch (error) {
      wanted.removeQuietly(reference);
      wanted.announce(reference);
      policies?.release(pod.attachmentId);
      throw CniError.is(error) ? error : asCniError(error, pod);
    }
  }

  /** @throws CniError 11 with `reason`, or why there is no manager. */
  async #settled(key: ObjectKey, reason: string): Promise<void> {
    if (await this.#options.sync.settled(key, this.#addTimeoutMs)) return;
    this.assertReady();
    throw new CniError(CniErrorCode.tryAgainLater, reason);
  }

  /**
   * Returns when the data plane has nothing of the pod left, or when the manager is away: then the next snapshot will do
   * without the pod. It never fails.
   */
  async remove(attachmentId: string): Promise<void> {
    await this.#delete(attachmentId);
    this.#options.policies?.release(attachmentId);
  }

  async #delete(attachmentId: string): Promise<void> {
    const { client, sync, wanted, statuses, logger } = this.#options;
    const reference = podReference(attachmentId);
    wanted.removeQuietly(reference);
    statuses.forget(keyOf(reference));
    if (sync.state.kind === 'disconnected' || sync.state.kind === 'stopped') return;
    try {
      await unary((callback) =>
        client.deletePod(
          { attachmentId },
          new Metadata(),
          { deadline: Date.now() + this.#deleteTimeoutMs },
          callback,
        ),
      );
    } catch (error) {
      wanted.announce(podReference(attachmentId));
      logger.warn(
        { attachmentId, reason: messageOf(error) },
        'pod not confirmed removed from the data plane',
      );
    }
  }

  /** Wants a pod of an earlier run: it goes out with the first snapshot, or at once if that has gone out. */
  expect(pod: Pod): void {
    const { policies, wanted, sync } = this.#options;
    policies?.expect(pod);
    wanted.upsertQuietly({ object: { $case: 'pod', value: pod } });
    if (sync.state.kind !== 'stopped') wanted.announce(podReference(pod.attachmentId));
  }

  /** What the manager has last said of the pod. */
  status(attachmentId: string): ObjectStatus | undefined {
    return this.#options.statuses.get(podReference(attachmentId));
  }

  /**
   * Asks the manager whether its target can be programmed.
   *
   * @returns what is wrong, undefined if nothing.
   */
  async problem(): Promise<string | undefined> {
    const { client, sync } = this.#options;
    if (sync.state.kind !== 'synchronised') {
      return sync.state.kind === 'disconnected'
        ? `infra-manager is not connected: ${sync.state.reason}`
        : 'infra-manager has not taken over the state of the node yet';
    }
    try {
      const { target } = await unary<StatusResponse>((callback) =>
        client.status(
          { allObjects: false },
          new Metadata(),
          { deadline: Date.now() + STATUS_TIMEOUT_MS },
          callback,
        ),
      );
      if (target === undefined || !target.connected) {
        return `infra-manager has no connection to its target${target?.lastError ? `: ${target.lastError}` : ''}`;
      }
      return target.primary
        ? undefined
        : 'infra-manager may not write to its target: another one is the primary';
    } catch (error) {
      return `infra-manager does not answer: ${messageOf(error)}`;
    }
  }
}

function podReference(attachmentId: string): ObjectReference {
  return { kind: ObjectKind.OBJECT_KIND_POD, name: attachmentId };
}

function unary<T>(
  call: (callback: (error: ServiceError | null, response: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

/** Whether `add` has failed because the target has no such interface. */
export function isUnknownInterface(error: unknown): boolean {
  const cause = CniError.is(error) ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === status.NOT_FOUND;
}

function asCniError(error: unknown, pod: Pod): CniError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reason =
    error instanceof Error && 'details' in error && typeof error.details === 'string' && error.details !== ''
      ? error.details
      : messageOf(error);
  const what = `${pod.interfaceName} with address ${pod.addresses.join(', ')}`;
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.ABORTED:
    case status.CANCELLED:
    case status.RESOURCE_EXHAUSTED:
      return new CniError(CniErrorCode.tryAgainLater, `infra-manager cannot add ${what} now: ${reason}`, {
        cause: error,
      });
    case status.ALREADY_EXISTS:
      return new CniError(InfraCniErrorCode.addressInUse, `infra-manager refuses ${what}: ${reason}`, {
        cause: error,
      });
    default:
      return new CniError(InfraCniErrorCode.dataPlane, `infra-manager refuses ${what}: ${reason}`, {
        cause: error,
      });
  }
}
