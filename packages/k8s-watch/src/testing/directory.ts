import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { MANIFEST_LIMITS, readTextFileSync, YamlError } from '@infra-offload/yaml';
import type { Database, ObjectInput } from './database.js';
import { applyObjects, identityOf, readManifests } from './manifests.js';

const POLL_MS = 200;

interface KnownFile {
  /** Changes whenever the file does. */
  readonly signature: string;
  readonly text: string;
  readonly objects: readonly ObjectInput[];
}

export interface DirectoryOptions {
  readonly database: Database;
  readonly directory: string;
  /** A file cannot be read; what it said before stays. */
  readonly onError: (message: string) => void;
}

/**
 * Keeps the server's objects equal to the manifests in a directory (*.yaml, *.yml, *.json), as somebody would who runs
 * `kubectl apply` after each change. Objects that came from elsewhere are left alone.
 */
export class DirectoryFollower {
  readonly #options: DirectoryOptions;
  readonly #timer: NodeJS.Timeout;
  #files = new Map<string, KnownFile>();
  #applied = new Map<string, ObjectInput>();
  #lastFailure = '';

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.look();
    this.#timer = setInterval(() => this.#lookAgain(), POLL_MS);
  }

  /** Applies what the files say now. */
  look(): void {
    const { database, directory } = this.#options;
    const names = readdirSync(directory).sort();
    const before = this.#files;
    this.#files = new Map();
    for (const name of names) {
      if (!/^[^.].*\.(yaml|yml|json)$/.test(name)) continue;
      this.#files.set(name, this.#read(join(directory, name), before.get(name)));
    }
    const wanted = new Map<string, ObjectInput>();
    for (const { objects } of this.#files.values())
      for (const object of objects) wanted.set(identityOf(object), object);
    const changed = [...wanted].filter(([identity, object]) => this.#applied.get(identity) !== object);
    applyObjects(
      database,
      changed.map(([, object]) => object),
    );
    for (const [identity, { kind, metadata }] of this.#applied) {
      const ref = { kind, ...metadata };
      if (!wanted.has(identity) && database.get(ref) !== undefined) database.delete(ref);
    }
    this.#applied = wanted;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The directory may be gone, or an object such that the server does not take it: then the next look may do better. */
  #lookAgain(): void {
    try {
      this.look();
      this.#lastFailure = '';
    } catch (error) {
      const message = `${this.#options.directory}: ${messageOf(error)}`;
      if (message !== this.#lastFailure) this.#options.onError(message);
      this.#lastFailure = message;
    }
  }

  #read(path: string, before: KnownFile | undefined): KnownFile {
    let signature = before?.signature ?? '';
    let text = before?.text ?? '';
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      signature = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
      if (before?.signature === signature) return before;
      text = readTextFileSync(path, MANIFEST_LIMITS.bytes);
      if (text === before?.text) return { ...before, signature };
      return { signature, text, objects: readManifests(text, path) };
    } catch (error) {
      const message = messageOf(error);
      this.#options.onError(YamlError.is(error) ? message : `${path}: ${message}`);
      // The state is remembered, so that the mistake is told once.
      return { signature, text, objects: before?.objects ?? [] };
    }
  }
}
