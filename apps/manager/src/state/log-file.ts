import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Logger } from '../log.js';
import type { StateDirectory } from './directory.js';
import { codeOf, setAside, syncDirectory } from './disk.js';
import {
  checkHeader,
  decodeLog,
  encodeHeader,
  encodeRecords,
  firstChain,
  HEADER_BYTES,
} from './log-format.js';

/** What is appended before the file is written anew, beside what it had at first. */
const MAX_APPENDED_BYTES = 4 * 1024 * 1024;
/** Bytes of one write. */
const CHUNK_BYTES = 256 * 1024;
/** Pause between two attempts at a disk that cannot. */
const RETRY_MS = 2_000;
/** How long the disk may take before nobody waits for it any more. */
const STALL_MS = 5_000;

/** Why nothing can be stored at present. */
export interface StorageProblem {
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
}

export interface LogFileOptions {
  readonly directory: StateDirectory;
  /** Name of the file in there. */
  readonly name: string;
  /** What its records are, at most 15 characters. A file of another format is unusable. */
  readonly format: string;
  /** All that would have to be said to somebody who has heard nothing. Read bit by bit, while more is appended. */
  readonly contents: () => Iterable<Uint8Array>;
  readonly logger: Logger;
}

/** What was there. */
export type Found<T> =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'whole'; readonly value: T }
  /** `hadRecords`: there was more in it than a file without records has. */
  | { readonly kind: 'unusable'; readonly hadRecords: boolean };

/**
 * A file of records that only grows, and is written anew without what is outdated, beside the old one, at times. Every record
 * is checked when it is read, so that no damage of any kind counts for anything.
 *
 * Nothing that the disk does is an error for those who append: while it is full, read-only, away or slow, everything waits
 * in memory, {@link problem} tells, and it is tried again until it works. The file is opened for each write, so that one
 * that was removed or replaced meanwhile is noticed, and written anew from memory.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  readonly #path: string;
  readonly #guard = new Guard((error) => this.#failed(messageOf(error)));
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Records appended, and stored, since the start. */
  #appended = 0;
  #stored = 0;
  #waiting: { readonly upTo: number; readonly resolve: () => void }[] = [];
  /** Where the next record goes, the checksum there, and where that was when the file was written anew. */
  #end = 0;
  #chain = 0;
  #baseBytes = 0;
  /** What the file holds is in doubt, or there is none: the next write makes a new one. */
  #isStale = true;
  /** There is something in its place that cannot be used, and could not be moved aside yet. */
  #isInTheWay = false;
  /** The directory has been looked at since the start, and since the last failure. */
  #isPrepared = false;
  #problem: StorageProblem | undefined;
  #work: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isClosing = false;

  private constructor(options: LogFileOptions) {
    this.#options = options;
    this.#path = options.directory.join(options.name);
  }

  /**
   * Reads a log, or begins one. What cannot be used is moved aside.
   *
   * @param read makes sense of the records, or throws; then the file is as unusable as a damaged one.
   */
  static async open<T>(
    options: LogFileOptions,
    read: (records: readonly Buffer[]) => T,
  ): Promise<{ readonly log: LogFile; readonly found: Found<T> }> {
    const log = new LogFile(options);
    const found = await log.#read(read);
    log.#startWork();
    return { log, found };
  }

  /** Why nothing can be stored at present; undefined if it can. */
  get problem(): StorageProblem | undefined {
    return this.#problem;
  }

  /** Notes a record that {@link LogFileOptions.contents} has from now on; {@link stored} tells when it is safe. */
  append(record: Uint8Array): void {
    this.#appended++;
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    if (this.#pendingBytes > MAX_APPENDED_BYTES + this.#baseBytes) {
      // The contents have all of it, and are shorter.
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#isStale = true;
    }
    if (this.#retry === undefined) this.#startWork();
  }

  /** Resolves when everything appended so far survives a crash, or cannot be stored at present. Never rejects. */
  stored(): Promise<void> {
    if (this.#problem !== undefined || this.#stored === this.#appended) return Promise.resolve();
    const upTo = this.#appended;
    return new Promise((resolve) => this.#waiting.push({ upTo, resolve }));
  }

  /** Stores what can be stored, and stops. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#work;
    if (this.#stored === this.#appended) return;
    this.#startWork();
    await this.#work;
    if (this.#stored === this.#appended) return;
    const { logger } = this.#options;
    logger.error(
      { file: this.#path, reason: this.#problem?.reason },
      'the last changes of the state are lost',
    );
  }

  async #read<T>(read: (records: readonly Buffer[]) => T): Promise<Found<T>> {
    const { format, logger } = this.#options;
    let size = 0;
    try {
      const there = await lstat(this.#path);
      if (!there.isFile()) throw new Error('it is not a file');
      size = there.size;
      const { records, end, chain } = decodeLog(await readLog(this.#path, format), format);
      const value = read(records);
      this.#end = end;
      this.#chain = chain;
      this.#baseBytes = end;
      this.#isStale = false;
      return { kind: 'whole', value };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { kind: 'nothing' };
      const why = messageOf(error);
      logger.error({ file: this.#path, why }, 'the state is unusable: starting with an empty one');
      this.#isInTheWay = true;
      await this.#clearTheWay().catch(() => {});
      return { kind: 'unusable', hadRecords: size > HEADER_BYTES };
    }
  }

  /** Moves aside what is in the file's place. */
  async #clearTheWay(): Promise<void> {
    const there = await lstat(this.#path).catch(() => undefined);
    if (there !== undefined && (this.#isInTheWay || !there.isFile())) {
      const movedTo = await setAside(this.#path);
      this.#options.logger.warn({ file: this.#path, movedTo }, 'the unusable file was moved aside');
    }
    this.#isInTheWay = false;
  }

  #startWork(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#work ??= this.#run().finally(() => {
      this.#work = undefined;
      if (this.#problem === undefined) {
        if (this.#hasWork()) this.#startWork();
      } else if (!this.#isClosing) {
        this.#retry = setTimeout(
          this.#guard.handler(() => this.#startWork()),
          RETRY_MS,
        );
        this.#retry.unref();
      }
    });
  }

  #hasWork(): boolean {
    return !this.#isPrepared || this.#isStale || this.#pending.length > 0;
  }

  /** Stores everything that waits; never rejects. */
  async #run(): Promise<void> {
    // What is said in one turn of the event loop is written together.
    await Promise.resolve();
    while (this.#hasWork()) {
      const stall = setTimeout(
        this.#guard.handler(() => this.#failed('the disk does not answer')),
        STALL_MS,
      );
      try {
        await this.#store();
      } catch (error) {
        this.#isPrepared = false;
        this.#failed(messageOf(error));
        return;
      } finally {
        clearTimeout(stall);
      }
      this.#succeeded();
    }
  }

  async #store(): Promise<void> {
    if (!this.#isPrepared) await this.#options.directory.prepare();
    this.#isPrepared = true;
    if (this.#isStale) return this.#rewrite();
    if (this.#pending.length === 0) return;
    if (this.#end > MAX_APPENDED_BYTES + 2 * this.#baseBytes) {
      try {
        return await this.#rewrite();
      } catch {
        // There is no room for two of it. Perhaps there is when it has grown as much again.
        this.#baseBytes = this.#end;
      }
    }
    if (await this.#appendPending()) return;
    await this.#options.directory.prepare();
    await this.#rewrite();
  }

  /** @returns whether the file is still the one that was written last. */
  async #appendPending(): Promise<boolean> {
    const { format } = this.#options;
    const handle = await openIfThere(this.#path);
    if (handle === undefined) return false;
    const { records, upTo } = this.#take();
    try {
      if (!(await isAsWritten(handle, encodeHeader(format, this.#end), this.#end))) {
        this.#giveBack(records);
        return false;
      }
      const { bytes, chain } = encodeRecords(records, this.#chain);
      await writeAt(handle, bytes, this.#end);
      await this.#sync(handle);
      this.#end += bytes.length;
      this.#chain = chain;
      this.#stored = upTo;
      this.#release();
      // It goes to the disk with the next records at the latest.
      await writeAt(handle, encodeHeader(format, this.#end), 0);
      return true;
    } catch (error) {
      if (this.#stored < upTo) this.#giveBack(records);
      throw error;
    } finally {
      await handle.close();
    }
  }

  async #sync(handle: FileHandle): Promise<void> {
    try {
      await handle.datasync();
    } catch (error) {
      // What the kernel could not write it may have dropped: nothing is certain of what was written lately.
      this.#isStale = true;
      throw error;
    }
  }

  async #rewrite(): Promise<void> {
    const { format, contents } = this.#options;
    const temporary = `${this.#path}.tmp`;
    const { records, upTo } = this.#take();
    const wasStale = this.#isStale;
    this.#isStale = false;
    let handle: FileHandle | undefined;
    try {
      await this.#clearTheWay();
      await rm(temporary, { recursive: true, force: true });
      handle = await open(temporary, 'wx', 0o600);
      let end = HEADER_BYTES;
      let chain = firstChain(format);
      for (const chunk of inChunks(contents())) {
        const encoded = encodeRecords(chunk, chain);
        await writeAt(handle, encoded.bytes, end);
        end += encoded.bytes.length;
        chain = encoded.chain;
      }
      await writeAt(handle, encodeHeader(format, end), 0);
      await handle.sync();
      await rename(temporary, this.#path);
      await syncDirectory(dirname(this.#path));
      this.#end = end;
      this.#chain = chain;
      this.#baseBytes = end;
      this.#stored = upTo;
      this.#release();
    } catch (error) {
      this.#giveBack(records);
      this.#isStale ||= wasStale;
      await rm(temporary, { recursive: true, force: true }).catch(() => {});
      throw error;
    } finally {
      await handle?.close();
    }
  }

  /** Everything that waits, and how many records are stored once that is. */
  #take(): { readonly records: readonly Uint8Array[]; readonly upTo: number } {
    const records = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    return { records, upTo: this.#appended };
  }

  /** What could not be written waits again, before what has come since. */
  #giveBack(records: readonly Uint8Array[]): void {
    this.#pending = [...records, ...this.#pending];
    for (const { length } of records) this.#pendingBytes += length;
  }

  #succeeded(): void {
    if (this.#problem === undefined) return;
    const afterSeconds = Math.round((Date.now() - this.#problem.since) / 1000);
    this.#problem = undefined;
    this.#options.logger.info({ file: this.#path, afterSeconds }, 'the state is stored again');
  }

  #failed(reason: string): void {
    if (this.#problem?.reason !== reason) {
      const what = 'the state cannot be stored: it is kept in memory, and stored as soon as that is possible';
      this.#options.logger.error({ file: this.#path, reason }, what);
    }
    this.#problem = { since: this.#problem?.since ?? Date.now(), reason };
    this.#release();
  }

  /** Lets go who need not wait any more. */
  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (one.upTo <= this.#stored || this.#problem !== undefined) one.resolve();
      else this.#waiting.push(one);
    }
  }
}

/** @throws ManagerError STORE for a file of another format, before all of it is read. */
async function readLog(path: string, format: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    checkHeader(buffer.subarray(0, bytesRead), format);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Whether a file still begins with what was written there last, and is not shorter than what was written. */
async function isAsWritten(handle: FileHandle, header: Buffer, end: number): Promise<boolean> {
  const { size } = await handle.stat();
  const { buffer } = await handle.read(Buffer.alloc(header.length), 0, header.length, 0);
  return size >= end && buffer.equals(header);
}

/** undefined if there is no such file, or something else in its place. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (['ENOENT', 'EISDIR', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

function* inChunks(records: Iterable<Uint8Array>): Generator<readonly Uint8Array[]> {
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records) {
    chunk.push(record);
    bytes += record.length;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}
