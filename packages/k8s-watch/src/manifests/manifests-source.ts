import { Guard } from '@infra-offload/guard';
import type { WatchedObject } from '../objects/kinds.js';
import type { ObjectSource } from '../source.js';
import { NamedStores, StoreSet } from '../store-set.js';
import { DirectoryWatch } from './directory-watch.js';
import { mergeFiles } from './merge.js';
import { type ManifestProblem, type ManifestReport, manifestProblem } from './problem.js';
import { type Scan, scanDirectory } from './scan.js';

export interface ManifestsSourceOptions {
  /** All its *.yaml, *.yml and *.json files are read, but not those of directories in it. It may come later. */
  readonly directory: string;
  readonly onReport?: (report: ManifestReport) => void;
}

/** A file is read when it has been left alone for so long … */
const QUIET_MS = 50;
/** … or when somebody has been writing for so long. */
const MAX_DELAY_MS = 500;
/** For changes that no event tells: on network file systems, or behind a link. Longer if a look takes long. */
const POLL_MS = 2000;
const POLL_SHARE = 20;

/**
 * Kubernetes objects from a directory of manifests, kept up to date. Every look compares the whole directory with
 * what is known, so the stores always become what the files say, whatever was missed in between. Of an
 * object that is wrong, the last good version stays in force, and all of a file that is not well formed; `onReport`
 * tells the place.
 */
export class ManifestsSource extends NamedStores implements ObjectSource {
  readonly #stores: StoreSet;
  readonly #directory: string;
  readonly #onReport: (report: ManifestReport) => void;
  readonly #watch: DirectoryWatch;
  #files: Scan['files'] = new Map();
  #fileProblems: readonly ManifestProblem[] = [];
  #objects: ReadonlyMap<string, WatchedObject> = new Map();
  #problems = new Map<string, ManifestProblem>();
  #state: 'new' | 'running' | 'stopped' = 'new';
  #synced = false;
  /** The look that is under way; looks never overlap. */
  #look: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  /** When the first of the changes came that are waiting for a look. */
  #hintedAt: number | undefined;

  constructor({ directory, onReport }: ManifestsSourceOptions) {
    const stores = new StoreSet();
    super(stores);
    this.#stores = stores;
    this.#directory = directory;
    this.#onReport = onReport ?? (() => {});
    this.#watch = new DirectoryWatch(directory, () => this.#onHint());
  }

  get hasSynced(): boolean {
    return this.#synced;
  }

  /** Everything that is wrong now. */
  get problems(): readonly ManifestProblem[] {
    return [...this.#problems.values()];
  }

  /** Reads the directory once, then watches it. Never fails: what cannot be read is reported. */
  async start(): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'running';
      this.#look = this.#lookNow();
    }
    await this.#look;
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
    this.#watch.close();
    await this.#look;
  }

  #onHint(): void {
    const now = performance.now();
    this.#hintedAt ??= now;
    this.#schedule(Math.min(QUIET_MS, Math.max(0, this.#hintedAt + MAX_DELAY_MS - now)));
  }

  #schedule(delayMs: number): void {
    if (this.#state !== 'running') return;
    clearTimeout(this.#timer);
    const guard = new Guard(() => this.#schedule(POLL_MS));
    this.#timer = setTimeout(
      guard.handler(() => {
        this.#look = this.#look.then(() => this.#lookNow());
        return this.#look;
      }),
      delayMs,
    );
  }

  async #lookNow(): Promise<void> {
    if (this.#state !== 'running') return;
    const began = performance.now();
    this.#hintedAt = undefined;
    const watchProblems = await this.#refreshWatch();
    const scan = await scanDirectory(this.#directory, this.#files);
    if (this.#state !== 'running') return;
    this.#apply(scan, watchProblems);
    this.#synced = true;
    if (this.#hintedAt !== undefined) this.#schedule(QUIET_MS);
    else this.#schedule(Math.max(POLL_MS, (performance.now() - began) * POLL_SHARE));
  }

  async #refreshWatch(): Promise<ManifestProblem[]> {
    try {
      await this.#watch.refresh();
      return [];
    } catch (error) {
      const cause = `cannot be watched, so changes are seen ${POLL_MS} ms later: ${String(error)}`;
      return [manifestProblem({ code: 'WATCH_FAILED', file: this.#directory, cause })];
    }
  }

  /** In one synchronous run, so that what came together is seen together. */
  #apply(scan: Scan, watchProblems: readonly ManifestProblem[]): void {
    if (scan.files !== this.#files) {
      const { objects, problems } = mergeFiles([...scan.files.values()]);
      const before = this.#objects;
      this.#files = scan.files;
      this.#objects = objects;
      this.#fileProblems = [...[...scan.files.values()].flatMap((file) => file.problems), ...problems];
      for (const [key, object] of objects) if (before.get(key) !== object) this.#stores.set(object);
      for (const [key, object] of before) if (!objects.has(key)) this.#stores.delete(object);
    }
    this.#report([...watchProblems, ...scan.problems, ...this.#fileProblems]);
  }

  #report(problems: readonly ManifestProblem[]): void {
    const before = this.#problems;
    this.#problems = new Map(problems.map((problem) => [problem.message, problem]));
    for (const [message, problem] of before) {
      if (!this.#problems.has(message)) this.#onReport({ type: 'resolved', problem });
    }
    for (const [message, problem] of this.#problems) {
      if (!before.has(message)) this.#onReport({ type: 'problem', problem });
    }
  }
}
