import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { encodeFrame, FrameDecoder } from '@infra-offload/felix';
import { felix } from '@infra-offload/infra-api';
import { ManagerError, messageOf as textOf } from '../errors.js';
import type { Logger } from '../log.js';
import { FelixFacts, isPolicyPayload, messageOf, type PolicyPayload } from './felix-facts.js';

/** What is appended to a file before it is written anew, beside what it had at first. */
const MAX_APPENDED_BYTES = 4 * 1024 * 1024;

/** What a journal held when it was opened. */
export interface JournalContents {
  readonly payloads: readonly PolicyPayload[];
  /** Whether all of it could be read. */
  readonly isComplete: boolean;
}

/**
 * What an IPDK agent has passed on of Felix, in a file, since nobody says it again after a restart of the manager: the messages
 * themselves, framed as Felix frames them. It is written anew, without what is outdated, at start and when it has grown.
 */
export class FelixJournal {
  readonly #path: string;
  readonly #facts = new FelixFacts();
  #file: FileHandle | undefined;
  #pending: Uint8Array[] = [];
  /** Settles after all writes so far. */
  #written: Promise<void> = Promise.resolve();
  #isWriting = false;
  #baseBytes = 0;
  #appendedBytes = 0;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @throws ManagerError STORE if the file cannot be read or written. */
  static async open(
    path: string,
    logger: Logger,
  ): Promise<{ readonly journal: FelixJournal; readonly contents: JournalContents }> {
    const journal = new FelixJournal(path);
    try {
      const isComplete = journal.#load(await readFile(path).catch(emptyIfMissing), logger);
      await journal.#compact();
      return { journal, contents: { payloads: [...journal.#facts.payloads()], isComplete } };
    } catch (cause) {
      throw new ManagerError('STORE', `${path}: ${textOf(cause)}`, {}, cause);
    }
  }

  /** Notes a message; {@link committed} tells when it is safe. */
  append(payload: PolicyPayload): void {
    this.#facts.apply(payload);
    this.#pending.push(frameOf(payload));
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#write();
    // Whoever waits for it is told.
    this.#written.catch(() => {});
  }

  /** @throws ManagerError STORE if what was noted cannot be written. */
  async committed(): Promise<void> {
    await this.#written;
  }

  async close(): Promise<void> {
    await this.#written.catch(() => {});
    await this.#file?.close();
    this.#file = undefined;
  }

  /** @returns whether all of it made sense. */
  #load(bytes: Uint8Array, logger: Logger): boolean {
    const decoder = new FrameDecoder();
    try {
      for (const frame of decoder.push(bytes)) {
        const { payload } = felix.ToDataplane.decode(frame);
        if (payload === undefined || !isPolicyPayload(payload)) continue;
        // Only what says what it is about was written.
        messageOf(payload);
        this.#facts.apply(payload);
      }
    } catch (error) {
      logger.error({ file: this.#path, reason: textOf(error) }, 'policies of IPDK: the rest cannot be read');
      return false;
    }
    try {
      decoder.end();
    } catch {
      // A message that was being written when the manager ended: nobody was told that it is safe.
    }
    return true;
  }

  async #write(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const frames = Buffer.concat(this.#pending);
        this.#pending = [];
        this.#appendedBytes += frames.length;
        if (this.#appendedBytes > MAX_APPENDED_BYTES + this.#baseBytes) {
          await this.#compact();
        } else {
          await this.#file?.appendFile(frames);
          await this.#file?.datasync();
        }
      }
    } catch (cause) {
      throw new ManagerError('STORE', `${this.#path}: ${textOf(cause)}`, {}, cause);
    } finally {
      this.#isWriting = false;
    }
  }

  async #compact(): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    const bytes = Buffer.concat([...this.#facts.payloads()].map(frameOf));
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.datasync();
      await rename(temporary, this.#path);
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
    this.#baseBytes = bytes.length;
    this.#appendedBytes = 0;
  }
}

function frameOf(payload: PolicyPayload): Uint8Array {
  return encodeFrame(felix.ToDataplane.encode({ sequenceNumber: 0n, payload }).finish());
}

function emptyIfMissing(error: unknown): Uint8Array {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Uint8Array();
  throw error;
}
