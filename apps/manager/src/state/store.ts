import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { ManagerError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { DirectoryLock } from './lock.js';
import { isObjectKey, type ObjectKey } from './objects.js';
import { decodeRecord, encodeRecord, type StoredRecord } from './record.js';

/**
 * Written into every store; another value is another program's, or another time's, store. It counts what older records
 * mean: new kinds of records and new optional fields leave it as it is, because an older manager that meets one finds
 * the store unusable, moves it aside and begins anew.
 */
const FORMAT = 'infra-offload-manager/2';
const FILE = 'state.mdb';
const FORMAT_KEY = 'format';
const OPTIONS = { noSubdir: true, maxDbs: 5, encoding: 'binary' } as const;

/** What a store held when it was opened. */
export interface StoreContents {
  readonly records: ReadonlyMap<ObjectKey, StoredRecord>;
  /** Released service ids and when (epoch milliseconds), in that order. */
  readonly restingIds: readonly (readonly [id: number, releasedAt: number])[];
  /** What the ids of policy profiles stand for. */
  readonly profileIds: readonly (readonly [id: number, digest: string])[];
  /** Released ids of policy profiles and when (epoch milliseconds), in that order. */
  readonly restingProfileIds: readonly (readonly [id: number, releasedAt: number])[];
  /** Addresses of deleted pods and when those were deleted (epoch milliseconds), in that order. */
  readonly departedAddresses: readonly (readonly [address: number, at: number])[];
  /** Where an unusable store was moved to, and why. */
  readonly moved?: { readonly to: string; readonly why: string };
}

/**
 * What is wanted, kept in LMDB across restarts. Writes are queued and committed together, off the main thread;
 * {@link committed} tells when they are safe from a crash of the manager.
 */
export class StateStore {
  readonly #root: RootDatabase<Buffer, string>;
  readonly #objects: Database<Buffer, string>;
  readonly #ids: Database<Buffer, number>;
  readonly #departed: Database<Buffer, number>;
  readonly #profiles: Database<Buffer, number>;
  /** Settles after all writes before it, since LMDB commits in order. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  private constructor(
    file: string,
    private readonly lock: DirectoryLock,
  ) {
    this.#root = open<Buffer, string>(file, OPTIONS);
    this.#objects = this.#root.openDB<Buffer, string>('objects', { encoding: 'binary' });
    this.#ids = this.#root.openDB<Buffer, number>('ids', { encoding: 'binary', keyEncoding: 'uint32' });
    this.#departed = this.#root.openDB<Buffer, number>('departed', {
      encoding: 'binary',
      keyEncoding: 'uint32',
    });
    this.#profiles = this.#root.openDB<Buffer, number>('profiles', {
      encoding: 'binary',
      keyEncoding: 'uint32',
    });
  }

  /**
   * Opens the store of `directory`, creating both if need be. A store that is damaged, foreign or of another version
   * is moved aside, never deleted, and a new one begun: the agent's next snapshot fills it.
   *
   * @throws ManagerError STORE when the directory cannot be used at all, or another manager uses it.
   */
  static async open(
    directory: string,
    logger: Logger,
  ): Promise<{ readonly store: StateStore; readonly contents: StoreContents }> {
    const file = join(directory, FILE);
    try {
      makeDirectory(directory);
    } catch (error) {
      throw new ManagerError(
        'STORE',
        `stateDirectory ${directory}: ${messageOf(error)}`,
        { directory },
        error,
      );
    }
    const lock = await DirectoryLock.take(directory);
    try {
      return await StateStore.#open(file, lock, logger);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #open(
    file: string,
    lock: DirectoryLock,
    logger: Logger,
  ): Promise<{ readonly store: StateStore; readonly contents: StoreContents }> {
    if (!existsSync(file)) return { store: await StateStore.#create(file, lock), contents: EMPTY };
    let store: StateStore | undefined;
    let why: string;
    try {
      probe(file);
      store = new StateStore(file, lock);
      return { store, contents: store.#read() };
    } catch (error) {
      why = messageOf(error);
    }
    if (store !== undefined) await store.#root.close();
    const to = moveAside(file);
    logger.warn({ file, movedTo: to, why }, 'the state store is unusable: moved aside, beginning anew');
    return { store: await StateStore.#create(file, lock), contents: { ...EMPTY, moved: { to, why } } };
  }

  put(key: ObjectKey, record: StoredRecord): void {
    this.#watch(this.#objects.put(key, encodeRecord(record)));
  }

  remove(key: ObjectKey): void {
    this.#watch(this.#objects.remove(key));
  }

  /** Remembers that a service id rests since `releasedAt`. */
  restId(id: number, releasedAt: number): void {
    this.#watch(this.#ids.put(id, encodeTime(releasedAt)));
  }

  /** Forgets that an id rests. */
  wakeId(id: number): void {
    this.#watch(this.#ids.remove(id));
  }

  /** Remembers what the id of a policy profile stands for. */
  useProfileId(id: number, digest: string): void {
    this.#watch(this.#profiles.put(id, encodeProfileId({ digest, releasedAt: 0 })));
  }

  /** Remembers that the id of a policy profile rests since `releasedAt`. */
  restProfileId(id: number, releasedAt: number): void {
    this.#watch(this.#profiles.put(id, encodeProfileId({ digest: '', releasedAt })));
  }

  /** Remembers that the pod with an address was deleted. */
  departAddress(address: number, at: number): void {
    this.#watch(this.#departed.put(address, encodeTime(at)));
  }

  /** Forgets that the pod with an address was deleted. */
  returnAddress(address: number): void {
    this.#watch(this.#departed.remove(address));
  }

  /**
   * Resolves when everything written so far survives a crash of this process.
   *
   * @throws ManagerError STORE when the last write failed (disk full): what was written since the last success may be
   *   lost, and must be said again.
   */
  async committed(): Promise<void> {
    await this.#lastWrite;
    if (this.#failure === undefined) return;
    throw new ManagerError(
      'STORE',
      `the state store cannot be written: ${messageOf(this.#failure)}`,
      {},
      this.#failure,
    );
  }

  async close(): Promise<void> {
    await this.#lastWrite;
    await this.#root.close();
    await this.lock.release();
  }

  static async #create(file: string, lock: DirectoryLock): Promise<StateStore> {
    try {
      const store = new StateStore(file, lock);
      await store.#root.put(FORMAT_KEY, Buffer.from(FORMAT));
      return store;
    } catch (error) {
      throw new ManagerError('STORE', `state store ${file}: ${messageOf(error)}`, { file }, error);
    }
  }

  #read(): StoreContents {
    const format = this.#root.get(FORMAT_KEY)?.toString();
    if (format !== FORMAT)
      throw new ManagerError('STORE', `its format is ${format ?? 'unknown'}, not ${FORMAT}`);
    const records = new Map<ObjectKey, StoredRecord>();
    const ids = new Set<number>();
    for (const { key, value } of this.#objects.getRange()) {
      if (!isObjectKey(key))
        throw new ManagerError('STORE', `record ${JSON.stringify(key)} is of an unknown kind`);
      const record = decodeRecord(key, value);
      const { id, plan } = record;
      if (
        (id === undefined) !== (plan === undefined) ||
        (plan !== undefined && plan.key !== key) ||
        ids.has(id ?? 0)
      ) {
        throw new ManagerError('STORE', `record ${key}: its ids contradict themselves or another record`);
      }
      if (id !== undefined) ids.add(id);
      records.set(key, record);
    }
    return {
      records,
      restingIds: readTimes(this.#ids),
      departedAddresses: readTimes(this.#departed),
      ...readProfileIds(this.#profiles),
    };
  }

  #watch(write: Promise<boolean>): void {
    this.#lastWrite = write.then(
      () => {
        this.#failure = undefined;
      },
      (error: unknown) => {
        this.#failure = error;
      },
    );
  }
}

const EMPTY: StoreContents = {
  records: new Map(),
  restingIds: [],
  departedAddresses: [],
  profileIds: [],
  restingProfileIds: [],
};

function encodeTime(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(milliseconds);
  return bytes;
}

interface ProfileId {
  /** Empty when the id rests. */
  readonly digest: string;
  readonly releasedAt: number;
}

/** The time, 0 while the id is in use, and the digest. */
function encodeProfileId({ digest, releasedAt }: ProfileId): Buffer {
  return Buffer.concat([encodeTime(releasedAt), Buffer.from(digest, 'latin1')]);
}

function readProfileIds(
  db: Database<Buffer, number>,
): Pick<StoreContents, 'profileIds' | 'restingProfileIds'> {
  const profileIds: [number, string][] = [];
  const restingProfileIds: [number, number][] = [];
  for (const { key, value } of db.getRange()) {
    const digest = value.toString('latin1', 8);
    if (digest === '') restingProfileIds.push([key, value.readDoubleBE(0)]);
    else profileIds.push([key, digest]);
  }
  return { profileIds, restingProfileIds: restingProfileIds.sort((a, b) => a[1] - b[1]) };
}

/** Numbers and the times kept of them, the earliest first. */
function readTimes(db: Database<Buffer, number>): readonly (readonly [number, number])[] {
  const times: [number, number][] = [];
  for (const { key, value } of db.getRange()) times.push([key, value.readDoubleBE(0)]);
  return times.sort((a, b) => a[1] - b[1]);
}

/**
 * Reads a store from end to end in a process of its own, because a damaged LMDB file can kill the process that maps
 * it.
 */
function probe(file: string): void {
  const script = `
    const { open } = await import(process.argv[1]);
    const root = open(process.argv[2], { ...${JSON.stringify(OPTIONS)}, readOnly: true });
    if (root.get(${JSON.stringify(FORMAT_KEY)})?.toString() !== ${JSON.stringify(FORMAT)}) {
      throw new Error('not a store of this program, or of another version');
    }
    for (const db of [root, root.openDB('objects', { encoding: 'binary' }),
                      root.openDB('ids', { encoding: 'binary', keyEncoding: 'uint32' }),
                      root.openDB('departed', { encoding: 'binary', keyEncoding: 'uint32' }),
                      root.openDB('profiles', { encoding: 'binary', keyEncoding: 'uint32' })]) {
      // Older stores lack one, and what lacks cannot be made by a reader.
      if (db === undefined) continue;
      for (const { value } of db.getRange()) value?.length;
    }
    process.exit(0);`;
  const result = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, import.meta.resolve('lmdb'), file],
    { encoding: 'utf8', timeout: 60_000, env: {} },
  );
  if (result.status === 0) return;
  const said = /^(?:\w*Error): (.*)$/m.exec(result.stderr ?? '')?.[1];
  throw new ManagerError(
    'STORE',
    said ?? `reading it ended with ${result.signal ?? `status ${result.status}`}`,
  );
}

function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  // Not recursive where it need not be: in file systems that make no directories (/proc) that never ends.
  mkdirSync(directory, { recursive: !existsSync(dirname(directory)), mode: 0o700 });
}

/** Renames a store and its lock. */
function moveAside(file: string): string {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  let to = `${file}.unusable-${stamp}`;
  for (let i = 1; existsSync(to); i++) to = `${file}.unusable-${stamp}-${i}`;
  renameSync(file, to);
  if (existsSync(`${file}-lock`)) renameSync(`${file}-lock`, `${to}-lock`);
  return to;
}
