import { messageOf } from '@infra-offload/base';
import { type AttachmentKey, CniError, CniErrorCode } from '@infra-offload/cni-types';
import { ObjectState } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import { AgentError } from '../errors.js';
import { type Attachment, attachmentId, describeAttachment, podOf } from '../interfaces/attachment.js';
import type { AttachmentStore } from '../interfaces/attachment-store.js';
import { newNamespaceId } from '../interfaces/marks.js';
import { resolveNetns } from '../interfaces/netns.js';
import type { PodInterfaces } from '../interfaces/pod-interfaces.js';
import { checkAttachmentIdLength } from './attachment-id-length.js';
import { KeyedLock } from './keyed-lock.js';
import { isUnknownInterface, type PodProgrammer } from './pod-programmer.js';
import type {
  AttachRequest,
  AttachResponse,
  CheckRequest,
  GarbageRequest,
  PrepareRequest,
} from './protocol.js';
import { AttachmentRecovery } from './recovery.js';

export interface AttacherOptions {
  readonly interfaces: PodInterfaces;
  readonly store: AttachmentStore;
  readonly pods: PodProgrammer;
  /** For networks that name no MTU. */
  readonly mtu: number;
  readonly logger: Logger;
  /** Where the container runtime's libcni keeps results; its usual place if absent. */
  readonly resultCache?: string | undefined;
}

/** So many interfaces are tried that the target may not know. */
const MAX_ATTEMPTS = 4;

/** Attaches pods to the data plane and detaches them: interface, state file and manager together. */
export class Attacher {
  readonly #options: AttacherOptions;
  readonly #lock = new KeyedLock();
  readonly #recovery: AttachmentRecovery;

  constructor(options: AttacherOptions) {
    this.#options = options;
    this.#recovery = new AttachmentRecovery({
      ...options,
      lock: this.#lock,
      undo: (attachment) => this.#undo(attachment, false),
      forget: (attachment) => this.#detach(attachment),
    });
  }

  /**
   * Fails if `attach` would surely fail now. infra-cni asks before it takes an address, since giving the address back would
   * take it from a container that is attached already.
   */
  async prepare(request: PrepareRequest): Promise<void> {
    checkAttachmentIdLength(request);
    await this.#assertNotAttached(request);
    this.#options.pods.assertReady();
    const problem = await this.#options.store.retry();
    if (problem !== undefined) throw new CniError(CniErrorCode.tryAgainLater, problem);
    await resolveNetns(request.netns);
  }

  /** @throws CniError; nothing of the attachment is left then. */
  async attach(request: AttachRequest): Promise<AttachResponse> {
    return this.#lock.run(attachmentId(request), async () => {
      await this.prepare(request);
      const former = this.#options.store.get(request);
      if (former !== undefined) await this.#detach(former);
      await this.#assertAddressFree(request);
      for (let attempt = 1; ; attempt++) {
        const attachment = await this.#allocate(request);
        try {
          return await this.#attach(attachment);
        } catch (error) {
          if (!isUnknownInterface(error)) throw error;
          // A device of that name which is not the target's: somebody else's, or left over.
          this.#options.interfaces.avoid(attachment.interfaceName);
          if (attempt === MAX_ATTEMPTS) throw error;
        }
      }
    });
  }

  async #attach(attachment: Attachment): Promise<AttachResponse> {
    const { interfaces, pods, store, logger } = this.#options;
    const [configured, added] = await Promise.allSettled([
      interfaces.configure(attachment),
      pods.add(podOf(attachment)),
    ]);
    try {
      if (configured.status === 'rejected') throw configured.reason;
      if (added.status === 'rejected') throw added.reason;
      await store.save({ ...attachment, phase: 'attached' });
    } catch (error) {
      logger.warn(
        { attachment: describeAttachment(attachment), reason: messageOf(error) },
        'attaching failed',
      );
      await this.#undo(attachment, added.status === 'fulfilled');
      throw asCniError(error);
    }
    logger.info(
      {
        attachment: describeAttachment(attachment),
        interface: attachment.interfaceName,
        address: attachment.address,
      },
      'attached',
    );
    return { mac: attachment.mac, mtu: attachment.mtu };
  }

  /** What is attached under this key, or is being attached. */
  find(key: AttachmentKey): Attachment | undefined {
    return this.#options.store.get(key);
  }

  /** Everything that is attached, or is being attached. */
  attachments(): readonly Attachment[] {
    return this.#options.store.values();
  }

  /** Succeeds if there is no such attachment. The manager need not be there; the interface must be movable. */
  async detach(key: AttachmentKey): Promise<void> {
    await this.#lock.run(attachmentId(key), async () => {
      const { store } = this.#options;
      const attachment = store.get(key);
      if (attachment === undefined) await store.remove(key);
      else await this.#detach(attachment);
    });
  }

  async #detach(attachment: Attachment): Promise<void> {
    const { interfaces, pods, store, logger } = this.#options;
    const [released] = await Promise.allSettled([
      interfaces.release(attachment),
      pods.remove(attachmentId(attachment)),
    ]);
    if (released.status === 'rejected') throw released.reason;
    await store.remove(attachment);
    logger.info(
      { attachment: describeAttachment(attachment), interface: attachment.interfaceName },
      'detached',
    );
  }

  /** Whether the attachment's network namespace has ended, whatever is at its path now. */
  async isNamespaceGone(attachment: Attachment): Promise<boolean> {
    if (attachment.phase !== 'attached') return false;
    return (await this.#options.interfaces.locate(attachment)) === 'netns-gone';
  }

  /** @throws CniError 3 if there is no such attachment, 103 that names everything that is not as it should be. */
  async check(request: CheckRequest): Promise<void> {
    await this.#lock.run(attachmentId(request), async () => {
      const { interfaces, store, pods } = this.#options;
      const attachment = store.get(request);
      if (attachment === undefined) {
        throw new CniError(
          CniErrorCode.unknownContainer,
          `container ${attachmentId(request)} is not attached`,
        );
      }
      const problems = await interfaces.check(attachment);
      if (request.mac !== undefined && request.mac.toLowerCase() !== attachment.mac) {
        problems.push(`prevResult has MAC address ${request.mac}, the attachment ${attachment.mac}`);
      }
      for (const address of request.addresses.filter((address) => address !== attachment.address)) {
        problems.push(`prevResult has address ${address}, the attachment ${attachment.address}`);
      }
      const status = pods.status(attachmentId(request));
      if (status?.state === ObjectState.OBJECT_STATE_DEGRADED) {
        problems.push(`it is not fully in the data plane: ${status.reason}: ${status.message}`);
      }
      if (problems.length > 0) throw new CniError(InfraCniErrorCode.checkFailed, problems.join('; '));
    });
  }

  /** What of a network is attached, and the runtime does not name. */
  garbage({ network, valid }: GarbageRequest): AttachmentKey[] {
    const validIds = new Set(valid.map(attachmentId));
    return this.#options.store
      .values()
      .filter((attachment) => attachment.network === network && !validIds.has(attachmentId(attachment)))
      .map(({ containerId, ifname }) => ({ containerId, ifname }));
  }

  /** @throws CniError 50 if ADD cannot be served. */
  async status(): Promise<void> {
    const problem = this.#options.store.problem ?? (await this.#options.pods.problem());
    if (problem !== undefined) throw new CniError(CniErrorCode.notAvailable, problem);
  }

  /** Takes over what an earlier run has left. To be called before the first snapshot. */
  recover(): Promise<void> {
    return this.#recovery.recover();
  }

  /** Brings pods and state files in order. To be called when links have changed, and now and then. */
  repair(): Promise<void> {
    return this.#recovery.repair();
  }

  async #allocate(request: AttachRequest): Promise<Attachment> {
    const { interfaces, store, mtu } = this.#options;
    const netns = await this.#markedNamespace(request.netns);
    const { name: interfaceName, mac, device } = await interfaces.allocate();
    const { containerId, ifname, network, pod, address, routes, bandwidth } = request;
    const attachment: Attachment = {
      version: 1,
      phase: 'allocated',
      containerId,
      ifname,
      network,
      pod,
      interfaceName,
      ...(device === undefined ? {} : { device }),
      mac,
      mtu: request.mtu ?? mtu,
      netns,
      address,
      routes: [...routes],
      ...(bandwidth === undefined ? {} : { bandwidth }),
    };
    try {
      await store.save(attachment);
    } catch (error) {
      interfaces.discard(interfaceName);
      throw asCniError(error);
    }
    return attachment;
  }

  /** A namespace has one mark, however many interfaces it gets. */
  async #markedNamespace(path: string): Promise<Attachment['netns']> {
    const netns = await resolveNetns(path);
    for (const other of this.#options.store.values()) {
      const { mark, inode } = other.netns;
      if (mark === undefined || inode !== netns.inode) continue;
      if (!(await this.isNamespaceGone(other))) return { ...netns, mark };
    }
    return { ...netns, mark: newNamespaceId() };
  }

  /** If even this fails, the state file stays for the runtime's DEL, or for the next start. */
  async #undo(attachment: Attachment, isInDataPlane: boolean): Promise<void> {
    const { interfaces, pods, store, logger } = this.#options;
    try {
      if (isInDataPlane) await pods.remove(attachmentId(attachment));
      await interfaces.release(attachment);
      await store.remove(attachment);
    } catch (error) {
      logger.error(
        {
          attachment: describeAttachment(attachment),
          interface: attachment.interfaceName,
          reason: messageOf(error),
        },
        'cannot be undone now',
      );
    }
  }

  /** What is attached to a namespace that has ended, which the runtime has never deleted, makes room. */
  async #assertNotAttached(key: AttachmentKey): Promise<void> {
    const attachment = this.#options.store.get(key);
    if (attachment === undefined || (await this.isNamespaceGone(attachment))) return;
    throw new CniError(
      InfraCniErrorCode.interfaceExists,
      `${describeAttachment(attachment)} is attached already, with address ${attachment.address}`,
    );
  }

  /** An address may be left over from a pod whose namespace is gone, but which the runtime has never deleted. */
  async #assertAddressFree(request: AttachRequest): Promise<void> {
    const holder = this.#options.store.values().find(({ address }) => address === request.address);
    if (holder === undefined) return;
    if (await this.isNamespaceGone(holder)) {
      await this.detach(holder);
      return;
    }
    throw new CniError(
      InfraCniErrorCode.addressInUse,
      `address ${request.address} is held by ${describeAttachment(holder)}`,
    );
  }
}

/** What cannot be stored now may be later. */
function asCniError(error: unknown): unknown {
  return AgentError.is(error, 'STATE') ? CniError.from(error, CniErrorCode.tryAgainLater) : error;
}
