import { messageOf } from '@infra-offload/base';
import type { Logger } from 'pino';
import { type Attachment, attachmentId, describeAttachment, podOf } from '../interfaces/attachment.js';
import { findAttachments } from '../interfaces/attachment-finder.js';
import type { AttachmentStore } from '../interfaces/attachment-store.js';
import type { PodInterfaces } from '../interfaces/pod-interfaces.js';
import type { KeyedLock } from './keyed-lock.js';
import type { PodProgrammer } from './pod-programmer.js';
import { RESULT_CACHE_DIRECTORY, readResultCache } from './result-cache.js';

export interface AttachmentRecoveryOptions {
  readonly interfaces: PodInterfaces;
  readonly store: AttachmentStore;
  readonly pods: PodProgrammer;
  readonly logger: Logger;
  readonly lock: KeyedLock;
  readonly resultCache?: string | undefined;
  /** Undoes an ADD that was never answered. */
  readonly undo: (attachment: Attachment) => Promise<void>;
  readonly forget: (attachment: Attachment) => Promise<void>;
}

/** Brings attachments and the system together again after a restart of the agent, of the target, or of the disk. */
export class AttachmentRecovery {
  readonly #options: AttachmentRecoveryOptions;

  constructor(options: AttachmentRecoveryOptions) {
    this.#options = options;
  }

  /**
   * Takes over what an earlier run has left, by looking at the system: what was half attached is undone, what is in place
   * stays, what has lost its interface to a restart of the target gets it back, pods that are gone are forgotten, and those
   * whose state files are lost are found by the marks on their links. To be called before the first snapshot.
   */
  async recover(): Promise<void> {
    const { store, interfaces } = this.#options;
    await this.#findLost();
    interfaces.recover(store.values());
    await this.#recoverEach(store.values());
  }

  /**
   * Moves interfaces back into their pods that the target has made anew while it restarted, and forgets pods whose interface
   * is back because their namespace has ended. State files that could not be read or written are seen to.
   */
  async repair(): Promise<void> {
    const { store, interfaces } = this.#options;
    const late = await store.maintain();
    if (late.length > 0) {
      interfaces.recover(late);
      await this.#recoverEach(late);
    }
    const returned = await interfaces.returned();
    if (returned.size === 0) return;
    const candidates = store
      .values()
      .filter(({ phase, interfaceName }) => phase === 'attached' && returned.has(interfaceName));
    for (const candidate of candidates) await this.#underLock(candidate, (found) => this.#repairOne(found));
  }

  async #findLost(): Promise<void> {
    const { store, interfaces, logger, resultCache = RESULT_CACHE_DIRECTORY } = this.#options;
    try {
      const isOurs = (attachment: Attachment) => interfaces.isOurs(attachment);
      const lost = await findAttachments(store.values(), isOurs, await readResultCache(resultCache), logger);
      for (const attachment of lost) {
        const { address, interfaceName } = attachment;
        logger.warn(
          { attachment: describeAttachment(attachment), interface: interfaceName, address },
          'attached, but in no state file; taken over',
        );
        await store.adopt(attachment);
      }
    } catch (error) {
      logger.error({ reason: messageOf(error) }, 'namespaces cannot be searched for pods');
    }
  }

  async #recoverEach(attachments: readonly Attachment[]): Promise<void> {
    for (const each of attachments) await this.#underLock(each, (found) => this.#recoverOne(found));
  }

  /** An attachment may have been detached since it was looked at. */
  async #underLock(attachment: Attachment, task: (found: Attachment) => Promise<void>): Promise<void> {
    const { lock, store } = this.#options;
    await lock.run(attachmentId(attachment), async () => {
      const found = store.get(attachment);
      if (found !== undefined) await task(found);
    });
  }

  async #repairOne(attachment: Attachment): Promise<void> {
    const { interfaces, logger, forget } = this.#options;
    if (attachment.phase !== 'attached') return;
    switch (await interfaces.locate(attachment)) {
      case 'returned':
        await this.#restore(attachment);
        break;
      case 'netns-gone':
        logger.info(fieldsOf(attachment), 'its network namespace is gone; forgotten');
        await forget(attachment);
        break;
      default:
    }
  }

  async #recoverOne(attachment: Attachment): Promise<void> {
    const { store, interfaces, pods, logger, undo } = this.#options;
    const fields = fieldsOf(attachment);
    if (attachment.phase === 'allocated') {
      logger.warn(fields, 'was being attached when the agent ended; undone');
      await undo(attachment);
      return;
    }
    const condition = await interfaces.locate(attachment).catch((error: unknown) => {
      // One pod that cannot be looked at must not keep the agent from the others.
      logger.error({ ...fields, reason: messageOf(error) }, 'cannot be checked; assumed to be in place');
      return 'in-place' as const;
    });
    switch (condition) {
      case 'netns-gone':
        logger.info(fields, 'its network namespace is gone; forgotten');
        await interfaces.release(attachment);
        await store.remove(attachment);
        return;
      case 'in-place':
        if (attachment.netns.mark === undefined) await this.#mark(attachment);
        break;
      case 'returned':
        await this.#restore(attachment);
        break;
      case 'missing':
        logger.warn(fields, 'its interface does not exist; waiting for the target to create it');
        break;
      default:
        condition satisfies never;
    }
    pods.expect(podOf(attachment));
  }

  async #mark(attachment: Attachment): Promise<void> {
    const { interfaces, store, logger } = this.#options;
    try {
      await store.adopt(await interfaces.mark(attachment));
    } catch (error) {
      logger.warn({ ...fieldsOf(attachment), reason: messageOf(error) }, 'its interface cannot be marked');
    }
  }

  async #restore(attachment: Attachment): Promise<void> {
    const { interfaces, logger } = this.#options;
    const fields = fieldsOf(attachment);
    try {
      await interfaces.configure(attachment);
      logger.warn(fields, 'the target has created its interface again; moved back into the pod');
    } catch (error) {
      logger.error({ ...fields, reason: messageOf(error) }, 'its interface cannot be moved back');
    }
  }
}

function fieldsOf(attachment: Attachment): { readonly attachment: string; readonly interface: string } {
  return { attachment: describeAttachment(attachment), interface: attachment.interfaceName };
}
