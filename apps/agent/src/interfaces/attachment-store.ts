import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttachmentKey } from '@infra-offload/cni-types';
import type { Logger } from 'pino';
import { AgentError, messageOf } from '../errors.js';
import { type Attachment, attachmentFileName, attachmentId, attachmentSchema } from './attachment.js';

/**
 * The node's attachments, one JSON file each, durable before `save` returns: written beside, synchronised, renamed.
 */
export class AttachmentStore {
  readonly #directory: string;
  readonly #attachments = new Map<string, Attachment>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Opens the directory, making it if it is not there. A file that cannot be read as an attachment is renamed to
   * `….corrupt` and logged; its interface is still safe, since only interfaces in the agent's namespace are given away.
   *
   * @throws AgentError STATE
   */
  static async open(directory: string, logger: Logger): Promise<AttachmentStore> {
    const store = new AttachmentStore(directory);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      for (const name of await readdir(directory)) {
        const path = join(directory, name);
        if (name.endsWith('.tmp')) await rm(path, { force: true });
        else if (name.endsWith('.json')) await store.#load(path, logger);
      }
    } catch (cause) {
      throw new AgentError('STATE', `state directory ${directory}: ${messageOf(cause)}`, { cause });
    }
    return store;
  }

  get size(): number {
    return this.#attachments.size;
  }

  get(key: AttachmentKey): Attachment | undefined {
    return this.#attachments.get(attachmentId(key));
  }

  values(): Attachment[] {
    return [...this.#attachments.values()];
  }

  /** @throws AgentError STATE; the attachment is as before then. */
  async save(attachment: Attachment): Promise<void> {
    const path = this.#path(attachment);
    const temporary = `${path}.tmp`;
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(attachment)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      await this.#syncDirectory();
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {});
      // What could not be made durable may be there nevertheless; of a new attachment nobody would ever remove it.
      if (this.get(attachment) === undefined) await rm(path, { force: true }).catch(() => {});
      throw new AgentError('STATE', `cannot write ${path}: ${messageOf(cause)}`, { cause });
    }
    this.#attachments.set(attachmentId(attachment), attachment);
  }

  /** Forgetting what is not there succeeds. @throws AgentError STATE */
  async remove(key: AttachmentKey): Promise<void> {
    const path = this.#path(key);
    try {
      await rm(path, { force: true });
    } catch (cause) {
      throw new AgentError('STATE', `cannot remove ${path}: ${messageOf(cause)}`, { cause });
    }
    this.#attachments.delete(attachmentId(key));
  }

  async #load(path: string, logger: Logger): Promise<void> {
    try {
      const attachment = attachmentSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      this.#attachments.set(attachmentId(attachment), attachment);
    } catch (error) {
      logger.error({ path, reason: messageOf(error) }, 'unreadable attachment; moved aside as .corrupt');
      await rename(path, `${path}.corrupt`);
    }
  }

  async #syncDirectory(): Promise<void> {
    const directory = await open(this.#directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  #path(key: AttachmentKey): string {
    return join(this.#directory, attachmentFileName(key));
  }
}
