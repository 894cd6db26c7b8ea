import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isSystemError } from '@infra-offload/base';
import * as z from 'zod';
import { SetupError } from './setup-error.js';

const contents = z.record(z.string(), z.string());

/** What a setup changed, in a file, so that a later run can undo it. */
export class Journal {
  readonly #path: string;
  #notes: Record<string, string>;

  private constructor(path: string, notes: Record<string, string>) {
    this.#path = path;
    this.#notes = notes;
  }

  /** @throws SetupError if the file is there and cannot be read. */
  static open(path: string): Journal {
    try {
      return new Journal(path, contents.parse(JSON.parse(readFileSync(path, 'utf8'))));
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return new Journal(path, {});
      throw new SetupError(
        `${path} is not a journal of infractl setup: remove it; earlier changes can then not be undone`,
        {
          cause: error,
        },
      );
    }
  }

  get(note: string): string | undefined {
    return this.#notes[note];
  }

  /** Remembers what was there before; the first of several values stays, which is the oldest. */
  note(note: string, value: string): void {
    if (note in this.#notes) return;
    this.#save({ ...this.#notes, [note]: value });
  }

  forget(note: string): void {
    const { [note]: _, ...rest } = this.#notes;
    this.#save(rest);
  }

  #save(notes: Record<string, string>): void {
    this.#notes = notes;
    if (Object.keys(notes).length === 0) {
      rmSync(this.#path, { force: true });
      return;
    }
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(`${this.#path}.tmp`, `${JSON.stringify(notes, undefined, 2)}\n`);
    renameSync(`${this.#path}.tmp`, this.#path);
  }
}
