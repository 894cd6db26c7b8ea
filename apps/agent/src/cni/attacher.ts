import { type AttachmentKey, CniError, CniErrorCode } from '@infra-offload/cni-types';
import { ObjectState, type Pod } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { messageOf } from '../errors.js';
import { type Attachment, attachmentId, describeAttachment } from '../interfaces/attachment.js';
import type { AttachmentStore } from '../interfaces/attachment-store.js';
import { isAlive, resolveNetns } from '../interfaces/netns.js';
import type { PodInterfaces } from '../interfaces/pod-interfaces.js';
import { isUnknownInterface, type PodProgrammer } from '../sync/pod-programmer.js';
import { checkAttachmentIdLength } from './attachment-id-length.js';
import { InfraCniErrorCode } from './error-codes.js';
import { KeyedLock } from './keyed-lock.js';
import type { AttachRequest, AttachResponse, CheckRequest, GcRequest, PrepareRequest } from './protocol.js';

export interface AttacherOptions {
  readonly interfaces: PodInterfaces;
  readonly store: AttachmentStore;
  readonly pods: PodProgrammer;
  /** For networks that name no MTU. */
  readonly mtu: number;
  readonly logger: Logger;
}

/** So many interfaces are tried that the target may not know. */
const maxAttempts = 4;

/** Attaches pods to the data plane and detaches them: interface, state file and manager together. */
export class Attacher {
  readonly #options: AttacherOptions;
  readonly #lock = new KeyedLock();

  constructor(options: AttacherOptions) {
    this.#options = options;
  }

  /**
   * Fails if `attach` would surely fail now. infra-cni asks before it takes an address, since giving the address back would
   * take it from a container that is attached already.
   */
  async prepare(request: PrepareRequest): Promise<void> {
    checkAttachmentIdLength(request);
    this.#assertNotAttached(request);
    this.#options.pods.assertReady();
    await resolveNetns(request.netns);
  }

  /** @throws CniError; nothing of the attachment is left then. */
  async attach(request: AttachRequest): Promise<AttachResponse> {
    return this.#lock.run(attachmentId(request), async () => {
      await this.prepare(request);
      await this.#assertAddressFree(request);
      for (let attempt = 1; ; attempt++) {
        const attachment = await this.#allocate(request);
        try {
          return await this.#attach(attachment);
        } catch (error) {
          if (!isUnknownInterface(error)) throw error;
          // A device of that name which is not the target's: somebody else's, or left over.
          this.#options.interfaces.avoid(attachment.interfaceName);
          if (attempt === maxAttempts) throw error;
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
      throw error;
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
      const { interfaces, pods, store, logger } = this.#options;
      const attachment = store.get(key);
      if (attachment === undefined) return;
      const [released] = await Promise.allSettled([
        interfaces.release(attachment),
        pods.remove(attachmentId(key)),
      ]);
      if (released.status === 'rejected') throw released.reason;
      await store.remove(key);
      logger.info(
        { attachment: describeAttachment(attachment), interface: attachment.interfaceName },
        'detached',
      );
    });
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
        problems.push(`the data plane has it not in full: ${status.reason}: ${status.message}`);
      }
      if (problems.length > 0) throw new CniError(InfraCniErrorCode.checkFailed, problems.join('; '));
    });
  }

  /** Detaches what the runtime has forgotten. @throws CniError 999 that names what could not be detached. */
  async collectGarbage(request: GcRequest): Promise<void> {
    const { store, logger } = this.#options;
    const valid = new Set(request.valid.map(attachmentId));
    const garbage = store
      .values()
      .filter((attachment) => attachment.network === request.network && !valid.has(attachmentId(attachment)));
    const failures: string[] = [];
    for (const attachment of garbage) {
      logger.info({ attachment: describeAttachment(attachment) }, 'not valid any more; detaching');
      await this.detach(attachment).catch((error: unknown) => failures.push(messageOf(error)));
    }
    if (failures.length > 0) throw new CniError(CniErrorCode.internal, failures.join('; '));
  }

  /** @throws CniError 50 if ADD cannot be served. */
  async status(): Promise<void> {
    const problem = await this.#options.pods.problem();
    if (problem !== undefined) throw new CniError(CniErrorCode.notAvailable, problem);
  }

  /**
   * Takes over what an earlier run has left, by looking at the system: what was half attached is undone, what is in place
   * stays, what has lost its interface to a restart of the target gets it back, pods that are gone are forgotten. To be
   * called before the first snapshot.
   */
  async recover(): Promise<void> {
    const { store, interfaces } = this.#options;
    interfaces.recover(store.values());
    for (const attachment of store.values()) {
      await this.#lock.run(attachmentId(attachment), () => this.#recoverOne(attachment));
    }
  }

  /**
   * Moves interfaces back into their pods that the target has made anew while it restarted. To be called when links have
   * changed.
   */
  async repair(): Promise<void> {
    const { store, interfaces } = this.#options;
    const returned = await interfaces.returned();
    if (returned.size === 0) return;
    const candidates = store
      .values()
      .filter(({ phase, interfaceName }) => phase === 'attached' && returned.has(interfaceName));
    for (const candidate of candidates) {
      await this.#lock.run(attachmentId(candidate), async () => {
        // It may have been detached, or be gone with its pod, since we looked.
        const attachment = store.get(candidate);
        if (attachment?.phase !== 'attached') return;
        if ((await interfaces.locate(attachment)) === 'returned') await this.#restore(attachment);
      });
    }
  }

  async #recoverOne(attachment: Attachment): Promise<void> {
    const { store, interfaces, pods, logger } = this.#options;
    const fields = { attachment: describeAttachment(attachment), interface: attachment.interfaceName };
    if (attachment.phase === 'allocated') {
      logger.warn(fields, 'was being attached when the agent ended; undone');
      await this.#undo(attachment, false);
      return;
    }
    const condition = await interfaces.locate(attachment).catch((error: unknown) => {
      // One pod that cannot be looked at must not keep the agent from the others.
      logger.error({ ...fields, reason: messageOf(error) }, 'cannot be looked at; taken to be in place');
      return 'in-place' as const;
    });
    switch (condition) {
      case 'netns-gone':
        logger.info(fields, 'its network namespace is gone; forgotten');
        await interfaces.release(attachment);
        await store.remove(attachment);
        return;
      case 'in-place':
        break;
      case 'returned':
        await this.#restore(attachment);
        break;
      case 'missing':
        logger.warn(fields, 'its interface is nowhere; waiting for the target to make it');
        break;
      default:
        condition satisfies never;
    }
    pods.expect(podOf(attachment));
  }

  async #restore(attachment: Attachment): Promise<void> {
    const fields = { attachment: describeAttachment(attachment), interface: attachment.interfaceName };
    try {
      await this.#options.interfaces.configure(attachment);
      this.#options.logger.warn(fields, 'the target has made its interface anew; moved back into the pod');
    } catch (error) {
      this.#options.logger.error(
        { ...fields, reason: messageOf(error) },
        'its interface cannot be moved back',
      );
    }
  }

  async #allocate(request: AttachRequest): Promise<Attachment> {
    const { interfaces, store, mtu } = this.#options;
    const netns = await resolveNetns(request.netns);
    const { name: interfaceName, mac, device } = await interfaces.allocate();
    const { containerId, ifname, network, pod, address, routes } = request;
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
    };
    try {
      await store.save(attachment);
    } catch (error) {
      interfaces.discard(interfaceName);
      throw error;
    }
    return attachment;
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

  #assertNotAttached(key: AttachmentKey): void {
    const attachment = this.#options.store.get(key);
    if (attachment === undefined) return;
    throw new CniError(
      InfraCniErrorCode.interfaceExists,
      `${describeAttachment(attachment)} is attached already, with address ${attachment.address}`,
    );
  }

  /** An address may be left over from a pod whose namespace is gone, but which the runtime has never deleted. */
  async #assertAddressFree(request: AttachRequest): Promise<void> {
    const holder = this.#options.store.values().find(({ address }) => address === request.address);
    if (holder === undefined) return;
    if (holder.phase === 'attached' && !(await isAlive(holder.netns))) {
      await this.detach(holder);
      return;
    }
    throw new CniError(
      InfraCniErrorCode.addressInUse,
      `address ${request.address} is held by ${describeAttachment(holder)}`,
    );
  }
}

function podOf(attachment: Attachment): Pod {
  return {
    attachmentId: attachmentId(attachment),
    namespace: attachment.pod.namespace,
    name: attachment.pod.name,
    interfaceName: attachment.interfaceName,
    mac: attachment.mac,
    addresses: [attachment.address],
  };
}
