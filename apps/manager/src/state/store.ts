import { type IPv4, ipv4 } from '@infra-offload/net';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import { isObjectKey, type ObjectKey } from '../model/objects.js';
import type { StateDirectory } from './directory.js';
import { LogFile, type StorageProblem } from './log-file.js';
import { fromJson, type StoredRecord, toJson } from './record.js';

/**
 * Written into every store; another value is another program's, or another time's, store. It counts what older records
 * mean: new kinds of records and new optional fields leave it as it is, because an older manager that meets one finds
 * the store unusable, moves it aside and begins anew.
 */
const FORMAT = 'infra-manager/3';
const FILE = 'state.log';

/** What a store held when it was opened. */
export interface StoreContents {
  /** Whether this is all that was stored. If not, the device may hold what is wanted and nobody here knows of. */
  readonly isWhole: boolean;
  readonly records: ReadonlyMap<ObjectKey, StoredRecord>;
  /** Released service ids and when (epoch milliseconds), in that order. */
  readonly restingIds: readonly (readonly [id: number, releasedAt: number])[];
  /** What the ids of policy profiles stand for. */
  readonly profileIds: readonly (readonly [id: number, digest: string])[];
  /** Released ids of policy profiles and when (epoch milliseconds), in that order. */
  readonly restingProfileIds: readonly (readonly [id: number, releasedAt: number])[];
  /** Addresses of deleted pods and when those were deleted (epoch milliseconds), in that order. */
  readonly departedAddresses: readonly (readonly [address: IPv4, at: number])[];
}

/** What is kept beside objects: by id of a service, id of a profile, address. */
type NoteKey = `id/${number}` | `profile/${number}` | `departed/${number}`;
/** A time in milliseconds since the epoch, or what the id of a profile stands for. */
type Note = number | string;

const record = z.union([
  z.tuple([z.string()]),
  z.tuple([z.string(), z.union([z.number(), z.string(), z.looseObject({})])]),
]);

/**
 * What is wanted, kept across restarts in a file (see {@link LogFile}): a record a change, the key and what it stands for from
 * then on, as JSON. Nothing that the disk does is an error here: {@link problem} tells.
 */
export class StateStore {
  readonly #values: Map<string, StoredRecord | Note>;
  readonly #log: LogFile;

  private constructor(values: Map<string, StoredRecord | Note>, log: LogFile) {
    this.#values = values;
    this.#log = log;
  }

  /**
   * Opens the store of a directory, or begins one. A store that is damaged, foreign or of another version is moved aside,
   * and a new one begun: the agent's next snapshot fills it.
   */
  static async open(
    directory: StateDirectory,
    logger: Logger,
  ): Promise<{ readonly store: StateStore; readonly contents: StoreContents }> {
    const values = new Map<string, StoredRecord | Note>();
    const contents = () => encodeAll(values);
    const options = { directory, name: FILE, format: FORMAT, contents, logger };
    const { log, found } = await LogFile.open(options, (records) => {
      const { values: read, contents } = decodeAll(records);
      for (const [key, value] of read) values.set(key, value);
      return contents;
    });
    return {
      store: new StateStore(values, log),
      contents: found.kind === 'whole' ? found.value : { ...decodeAll([]).contents, isWhole: false },
    };
  }

  /** Why nothing can be stored at present; undefined if it can. What is put meanwhile is stored as soon as that is possible. */
  get problem(): StorageProblem | undefined {
    return this.#log.problem;
  }

  put(key: ObjectKey, stored: StoredRecord): void {
    this.#put(key, stored);
  }

  remove(key: ObjectKey): void {
    this.#remove(key);
  }

  /** Remembers that a service id rests since `releasedAt`. */
  restId(id: number, releasedAt: number): void {
    this.#put(`id/${id}`, releasedAt);
  }

  /** Forgets that an id rests. */
  wakeId(id: number): void {
    this.#remove(`id/${id}`);
  }

  /** Remembers what the id of a policy profile stands for. */
  useProfileId(id: number, digest: string): void {
    this.#put(`profile/${id}`, digest);
  }

  /** Remembers that the id of a policy profile rests since `releasedAt`. */
  restProfileId(id: number, releasedAt: number): void {
    this.#put(`profile/${id}`, releasedAt);
  }

  /** Remembers that the pod with an address was deleted. */
  departAddress(address: IPv4, at: number): void {
    this.#put(`departed/${address}`, at);
  }

  /** Forgets that the pod with an address was deleted. */
  returnAddress(address: IPv4): void {
    this.#remove(`departed/${address}`);
  }

  /** Resolves when everything put so far survives a crash of this process, or cannot be stored at present. */
  stored(): Promise<void> {
    return this.#log.stored();
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #put(key: ObjectKey | NoteKey, value: StoredRecord | Note): void {
    this.#values.set(key, value);
    this.#log.append(encode(key, value));
  }

  #remove(key: ObjectKey | NoteKey): void {
    if (this.#values.delete(key)) this.#log.append(encode(key, undefined));
  }
}

function encode(key: string, value: StoredRecord | Note | undefined): Buffer {
  if (value === undefined) return Buffer.from(JSON.stringify([key]));
  return Buffer.from(JSON.stringify([key, typeof value === 'object' ? toJson(value) : value]));
}

function* encodeAll(values: ReadonlyMap<string, StoredRecord | Note>): Generator<Buffer> {
  for (const [key, value] of values) yield encode(key, value);
}

interface Decoded {
  readonly values: ReadonlyMap<string, StoredRecord | Note>;
  readonly contents: StoreContents;
}

/** @throws ManagerError STORE */
function decodeAll(records: readonly Buffer[]): Decoded {
  const known = new Map<string, unknown>();
  for (const bytes of records) {
    const parsed = safeParse(record, JSON.parse(bytes.toString()));
    if (!parsed.success)
      throw new ManagerError('STORE', `record ${bytes.toString('utf8', 0, 80)}: no record`);
    const [key, value] = parsed.data;
    // Anew, so that the order is that of the last changes.
    known.delete(key);
    if (value !== undefined) known.set(key, value);
  }
  const values = new Map<string, StoredRecord | Note>();
  const objects = new Map<ObjectKey, StoredRecord>();
  const restingIds: [number, number][] = [];
  const profileIds: [number, string][] = [];
  const restingProfileIds: [number, number][] = [];
  const departedAddresses: [IPv4, number][] = [];
  const ids = new Set<number>();
  for (const [key, value] of known) {
    if (isObjectKey(key)) {
      const stored = fromJson(key, value);
      checkIds(key, stored, ids);
      objects.set(key, stored);
      values.set(key, stored);
      continue;
    }
    const [, kind, number = ''] = /^(id|profile|departed)\/(\d+)$/.exec(key) ?? [];
    const id = Number(number);
    if (kind === 'id' && typeof value === 'number') restingIds.push([id, value]);
    else if (kind === 'departed' && typeof value === 'number') departedAddresses.push([ipv4(id), value]);
    else if (kind === 'profile' && typeof value === 'number') restingProfileIds.push([id, value]);
    else if (kind === 'profile' && typeof value === 'string') profileIds.push([id, value]);
    else throw new ManagerError('STORE', `record ${JSON.stringify(key)} is of an unknown kind`);
    values.set(key, value);
  }
  const contents = {
    isWhole: true,
    records: objects,
    restingIds: byTime(restingIds),
    profileIds,
    restingProfileIds: byTime(restingProfileIds),
    departedAddresses: byTime(departedAddresses),
  };
  return { values, contents };
}

/** @param ids those of the records before; takes that of this one. */
function checkIds(key: ObjectKey, { id, plan }: StoredRecord, ids: Set<number>): void {
  const contradicts = (id === undefined) !== (plan === undefined) || (plan !== undefined && plan.key !== key);
  if (contradicts || ids.has(id ?? 0))
    throw new ManagerError('STORE', `record ${key}: its ids contradict each other or another record`);
  if (id !== undefined) ids.add(id);
}

/** Numbers and the times kept of them, the earliest first. */
function byTime<Key extends number>(times: [Key, number][]): readonly (readonly [Key, number])[] {
  return times.sort((a, b) => a[1] - b[1]);
}
