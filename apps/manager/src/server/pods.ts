import type {
  AddPodRequest,
  AddPodResponse,
  DeletePodRequest,
  ManagerReason,
} from '@infra-offload/infra-api';
import type { Mac } from '@infra-offload/net';
import type { Controller } from '../controller/controller.js';
import type { Status } from '../controller/entry.js';
import { ManagerError } from '../errors.js';
import { describeKey, type ObjectKey, type PodObject } from '../model/objects.js';
import { readPod } from '../state/validate.js';

export interface PodsContext<Row> {
  readonly controller: Controller<Row>;
  /** Resolves when what was said so far is stored, or cannot be at present. */
  readonly stored: () => Promise<void>;
  /** Whether the target is connected, and ours to write. */
  readonly isReady: () => boolean;
  /** Asks the target for the port of an interface, now. */
  readonly lookupPort: (interfaceName: string, mac: Mac) => Promise<number>;
}

/** Calls that answer when the data plane has done it: AddPod, DeletePod, and what other APIs have of that kind. */
export class Pods<Row> {
  readonly #context: PodsContext<Row>;

  constructor(context: PodsContext<Row>) {
    this.#context = context;
  }

  /** @throws ManagerError as the contract says; the pod is not kept then. */
  async add({ pod }: AddPodRequest, cancelled: AbortSignal): Promise<AddPodResponse> {
    if (pod === undefined) throw new ManagerError('INVALID_OBJECT', 'AddPod: the request contains no pod');
    // A pod must not be open before its isolation is known.
    if (this.#context.controller.recovery.awaitsSnapshot) throw stateLost();
    return { port: await this.attach(readPod(pod), cancelled) };
  }

  /** @throws ManagerError when something of the pod may be left in the data plane; its removal goes on. */
  async delete({ attachmentId }: DeletePodRequest, cancelled: AbortSignal): Promise<void> {
    if (attachmentId === '') throw new ManagerError('INVALID_OBJECT', 'DeletePod: attachment_id is empty');
    await this.withdraw(`pod/${attachmentId}`, cancelled);
  }

  /**
   * Wants a pod, and waits until the data plane forwards for it.
   *
   * @param makeRoom called once the target is known to have the interface, before anything is claimed.
   * @returns the port of its interface.
   * @throws ManagerError with the cause; the pod is not kept then.
   */
  async attach(object: PodObject, cancelled: AbortSignal, makeRoom?: () => void): Promise<number> {
    const key: ObjectKey = `pod/${object.attachmentId}`;
    const { controller } = this.#context;
    this.#requireTarget();
    // A TAP that was made anew may have another number than the last time.
    const port = await this.#context.lookupPort(object.interfaceName, object.mac);
    makeRoom?.();
    const conflict = controller.conflict(object);
    if (conflict !== undefined)
      throw new ManagerError('CONFLICT', `pod ${object.attachmentId}: ${conflict.message}`);
    controller.upsert(object, 'now');
    try {
      await this.programmed(key, cancelled);
    } catch (error) {
      // Only what this call wanted: a newer wish for the same attachment stays.
      if (controller.object(key) === object) controller.remove(key);
      throw error;
    }
    return port;
  }

  /**
   * Waits until what is wanted of an object is stored, as far as that is possible, and in the data plane.
   *
   * @throws ManagerError with the cause when not all of it can be; the object stays as it is.
   */
  async programmed(key: ObjectKey, cancelled: AbortSignal): Promise<void> {
    const [status] = await Promise.all([this.#settled(key, cancelled), this.#context.stored()]);
    if (status?.state === 'degraded') throw failure(key, status);
    if (status === undefined)
      throw new ManagerError('CANCELLED', `${describeKey(key)} was deleted meanwhile`);
  }

  /**
   * Wants an object no more, and waits until nothing of it takes new packets.
   *
   * @throws ManagerError when something may be left in the data plane; its removal goes on.
   */
  async withdraw(key: ObjectKey, cancelled: AbortSignal): Promise<void> {
    const { controller } = this.#context;
    controller.remove(key);
    await this.#context.stored();
    if (controller.status(key) === undefined) return;
    const status = await this.#settled(key, cancelled);
    if (status?.state === 'degraded') throw failure(key, status);
  }

  /** Waits until the data plane has what is wanted of an object, or refuses it; undefined when nothing is left. */
  async #settled(key: ObjectKey, cancelled: AbortSignal): Promise<Status | undefined> {
    const { controller } = this.#context;
    return new Promise((resolve, reject) => {
      const finish = (done: () => void) => {
        stopListening();
        cancelled.removeEventListener('abort', check);
        done();
      };
      const check = () => {
        const status = controller.status(key);
        if (status?.state !== 'pending') finish(() => resolve(status));
        else if (cancelled.aborted)
          finish(() => reject(new ManagerError('CANCELLED', `it was not done in time${because(status)}`)));
        else if (!this.#context.isReady()) finish(() => reject(targetAway()));
      };
      const stopListening = controller.onStatus((changed) => {
        if (changed === key) check();
      });
      cancelled.addEventListener('abort', check);
      check();
    });
  }

  #requireTarget(): void {
    if (!this.#context.isReady()) throw targetAway();
  }
}

function because({ reason, message }: Status): string {
  return reason === '' ? '' : `; so far: ${reason}: ${message}`;
}

function targetAway(): ManagerError {
  return new ManagerError(
    'TARGET_UNAVAILABLE',
    'the target is not connected, or this manager is not its primary: try again',
  );
}

function stateLost(): ManagerError {
  return new ManagerError(
    'TARGET_UNAVAILABLE',
    'the state of the last run was lost, and the agent has not sent its snapshot yet: try again',
  );
}

function failure(key: ObjectKey, { reason, message }: Status): ManagerError {
  const text = `${describeKey(key)}: ${reason}: ${message}`;
  switch (reason) {
    case 'TableFull' satisfies ManagerReason:
    case 'IdsExhausted' satisfies ManagerReason:
      return new ManagerError('EXHAUSTED', text);
    case 'AddressConflict' satisfies ManagerReason:
    case 'InterfaceConflict' satisfies ManagerReason:
    case 'EntryConflict' satisfies ManagerReason:
      return new ManagerError('CONFLICT', text);
    case 'InterfaceNotFound' satisfies ManagerReason:
      return new ManagerError('NOT_FOUND', text);
    default:
      return new ManagerError('REJECTED', text);
  }
}
