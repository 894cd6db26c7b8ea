import {
  access,
  chmod,
  chown,
  constants,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, messageOf } from '@infra-offload/base';
import type { AttachmentKey } from '@infra-offload/cni-types';
import type { Logger } from 'pino';
import { AgentError } from '../errors.js';
import { type Attachment, attachmentFileName, attachmentId, attachmentSchema } from './attachment.js';
import { writeDurably } from './durable-file.js';

/** Far more than any attachment has. */
const MAX_FILE_BYTES = 64 * 1024;

/**
 * The node's attachments: in memory, and in one JSON file each. A directory that cannot be read or written is a problem, not
 * an end: what is known goes on, new attachments are refused, since an agent that starts anew would not know them, and files
 * are brought up to date as soon as that works.
 */
export class AttachmentStore {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #attachments = new Map<string, Attachment>();
  /** Ids of attachments whose file is not as it should be. */
  readonly #unwritten = new Set<string>();
  /** Files of attachments that are forgotten. */
  readonly #unremoved = new Set<string>();
  #updates: Promise<void> = Promise.resolve();
  /** Files cannot be listed, so it is not known what was attached. */
  #isUnread = true;
  #problem: string | undefined;

  private constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /**
   * Opens the directory, making it if it is not there. What cannot be read as an attachment, or could have been written by
   * others, is renamed to `….corrupt` and logged.
   */
  static async open(directory: string, logger: Logger): Promise<AttachmentStore> {
    const store = new AttachmentStore(directory, logger);
    await store.maintain();
    return store;
  }

  /** Why attachments cannot be stored; undefined if they can. */
  get problem(): string | undefined {
    return this.#problem && `attachments cannot be stored in ${this.#directory}: ${this.#problem}`;
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

  /** Durable when it returns. @throws AgentError STATE; the attachment is as before then. */
  async save(attachment: Attachment): Promise<void> {
    const path = this.#path(attachment);
    try {
      await this.#write(attachment);
    } catch (cause) {
      // What could not be made durable may be there nevertheless; of a new attachment nobody would ever remove it.
      if (this.get(attachment) === undefined) await rm(path, { force: true }).catch(() => {});
      this.#fail(`cannot write ${path}: ${messageOf(cause)}`);
      throw new AgentError('STATE', `cannot write ${path}: ${messageOf(cause)}`, { cause });
    }
    this.#attachments.set(attachmentId(attachment), attachment);
  }

  /** Keeps an attachment that is in the system already; it is written as soon as that works. */
  async adopt(attachment: Attachment): Promise<void> {
    const id = attachmentId(attachment);
    this.#attachments.set(id, attachment);
    this.#unwritten.add(id);
    await this.#bringUpToDate();
  }

  /** Forgets an attachment, or what is left of it. Its file goes as soon as that works. */
  async remove(key: AttachmentKey): Promise<void> {
    const id = attachmentId(key);
    const name = attachmentFileName(key);
    if (!this.#attachments.delete(id) && !this.#unremoved.has(name)) return;
    this.#unwritten.delete(id);
    this.#unremoved.add(name);
    await this.#bringUpToDate();
  }

  /**
   * Looks whether attachments can be stored, and brings files up to date that are not. To be called now and then.
   *
   * @returns attachments of an earlier run that could not be read before.
   */
  async maintain(): Promise<Attachment[]> {
    const before = new Set(this.#attachments.keys());
    try {
      await this.#makeDirectory();
      const names = new Set(await readdir(this.#directory));
      if (this.#isUnread) await this.#loadAll(names);
      for (const [id, attachment] of this.#attachments) {
        if (!names.has(attachmentFileName(attachment))) this.#unwritten.add(id);
      }
    } catch (cause) {
      this.#fail(messageOf(cause));
      return [];
    }
    await this.#bringUpToDate();
    return this.values().filter((attachment) => !before.has(attachmentId(attachment)));
  }

  /** The same as `problem`, after another attempt if there is one. */
  async retry(): Promise<string | undefined> {
    if (this.#problem !== undefined && !this.#isUnread) await this.#bringUpToDate();
    return this.problem;
  }

  /** One after the other, so that none works on files of another. */
  #bringUpToDate(): Promise<void> {
    this.#updates = this.#updates.then(() => this.#update());
    return this.#updates;
  }

  async #update(): Promise<void> {
    try {
      for (const name of this.#unremoved) {
        await rm(join(this.#directory, name), { force: true });
        this.#unremoved.delete(name);
      }
      for (const id of this.#unwritten) {
        const attachment = this.#attachments.get(id);
        if (attachment !== undefined) await this.#write(attachment);
        this.#unwritten.delete(id);
      }
      await this.#assertWritable();
      // Once a write has failed, only one that succeeds shows that it is over.
      if (this.#problem !== undefined) await this.#tryToWrite();
    } catch (cause) {
      this.#fail(messageOf(cause));
      return;
    }
    if (this.#isUnread) return;
    if (this.#problem !== undefined)
      this.#logger.info({ directory: this.#directory }, 'attachments can be stored again');
    this.#problem = undefined;
  }

  async #write(attachment: Attachment): Promise<void> {
    const text = `${JSON.stringify(attachment)}\n`;
    try {
      await writeDurably(this.#path(attachment), text);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      // Somebody has removed the directory.
      await this.#makeDirectory();
      await writeDurably(this.#path(attachment), text);
    }
    this.#unremoved.delete(attachmentFileName(attachment));
  }

  async #tryToWrite(): Promise<void> {
    const path = join(this.#directory, 'attempt');
    await writeDurably(path, 'x'.repeat(4096));
    await rm(path);
  }

  /** Without writing: a look must cost nothing. */
  async #assertWritable(): Promise<void> {
    await access(this.#directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, files, ffree } = await statfs(this.#directory);
    if (bavail === 0 || (files > 0 && ffree === 0)) {
      throw new Error(`ENOSPC: no space left on the device of ${this.#directory}`);
    }
  }

  /** Others must neither read who is attached nor plant attachments. */
  async #makeDirectory(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = await stat(this.#directory);
    const own = process.geteuid?.() ?? uid;
    if (uid === own && (mode & 0o077) === 0) return;
    this.#logger.warn(
      { directory: this.#directory, uid, mode: (mode & 0o7777).toString(8) },
      'the state directory was accessible to others; access removed',
    );
    if (uid !== own) await chown(this.#directory, own, process.getegid?.() ?? 0);
    await chmod(this.#directory, 0o700);
  }

  async #loadAll(names: ReadonlySet<string>): Promise<void> {
    for (const name of names) {
      const path = join(this.#directory, name);
      if (name.endsWith('.tmp')) await rm(path, { force: true, recursive: true }).catch(() => {});
      else if (name.endsWith('.json')) await this.#load(name, path);
    }
    this.#isUnread = false;
  }

  async #load(name: string, path: string): Promise<void> {
    try {
      const file = await lstat(path);
      const { size, uid, mode } = file;
      if (!file.isFile()) throw new Error('is not a file');
      if (uid !== 0 && uid !== process.geteuid?.()) throw new Error(`belongs to user ${uid}`);
      if ((mode & 0o022) !== 0) throw new Error('may be written by others');
      if (size > MAX_FILE_BYTES) throw new Error(`has ${size} bytes`);
      const attachment = attachmentSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      if (name !== attachmentFileName(attachment)) throw new Error(`is about ${attachmentId(attachment)}`);
      // What has happened since is newer than the file.
      if (this.get(attachment) === undefined && !this.#unremoved.has(name)) {
        this.#attachments.set(attachmentId(attachment), attachment);
      }
    } catch (error) {
      this.#logger.error(
        { path, reason: messageOf(error) },
        'unreadable attachment; moved aside as .corrupt',
      );
      await rename(path, `${path}.corrupt`).catch((cause: unknown) => {
        this.#logger.error({ path, reason: messageOf(cause) }, 'cannot be moved aside');
      });
    }
  }

  #fail(reason: string): void {
    if (reason !== this.#problem) {
      this.#logger.error(
        { directory: this.#directory, reason },
        'attachments cannot be stored; trying again',
      );
    }
    this.#problem = reason;
  }

  #path(key: AttachmentKey): string {
    return join(this.#directory, attachmentFileName(key));
  }
}
