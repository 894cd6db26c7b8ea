import type { MeterColor, MeterProfile, Trace } from '@infra-offload/swx';
import type { PacketHandler } from '../ports/provider.js';

/** An unsigned integer in host meaning: a number up to 32 bits of width, a bigint beyond. */
export type Value = number | bigint;

/** One field of a table key. No mask means all bits. */
export interface KeyField {
  readonly value: Value;
  readonly mask?: Value;
}

export interface ParamSchema {
  readonly name: string;
  readonly width: number;
}

export interface ActionSchema {
  readonly name: string;
  readonly params: readonly ParamSchema[];
}

export interface TableSchema {
  readonly name: string;
  /** `learner` tables are filled by the data plane itself. */
  readonly kind: 'table' | 'learner';
  readonly key: readonly {
    readonly name: string;
    readonly width: number;
    readonly match: 'exact' | 'lpm' | 'wildcard';
  }[];
  readonly actions: ReadonlyMap<string, ActionSchema>;
  readonly size: number;
  readonly defaultAction: {
    readonly action: string;
    readonly args: readonly Value[];
    readonly isConst: boolean;
  };
}

export interface SelectorSchema {
  readonly name: string;
  /** Groups are numbered 0..groups-1. */
  readonly groups: number;
  /** Slots of a group; members that groups can have are numbered 0..slots-1. */
  readonly slots: number;
}

export interface MeterSchema {
  readonly size: number;
  /** The program meters each packet as 1, so that rates and bursts are packets; else they are of what it passes as length. */
  readonly perPacket: boolean;
}

/** Packets, and the sum of their lengths, by colour. */
export type MeterStats = Readonly<Record<MeterColor, { readonly packets: bigint; readonly bytes: bigint }>>;

/** What a program has, by the names of its SWX specification. */
export interface PipelineSchema {
  readonly tables: ReadonlyMap<string, TableSchema>;
  readonly selectors: ReadonlyMap<string, SelectorSchema>;
  /** Register arrays (counters are some, too) and their sizes. */
  readonly registers: ReadonlyMap<string, number>;
  readonly meters: ReadonlyMap<string, MeterSchema>;
}

export interface DataplaneEntry {
  readonly key: readonly KeyField[];
  /** Lowest first; only for tables with `lpm` or `wildcard` fields. */
  readonly priority?: number;
  readonly action: string;
  readonly args: readonly Value[];
}

/** Which learned entries are wanted; what is left out does not matter. */
export interface LearnedFilter {
  readonly action?: string;
  /** In the order of the program; undefined leaves a field open. */
  readonly key?: readonly (Value | undefined)[];
}

/** How learned entries are packed, of which there may be millions. */
export interface LearnedLayout {
  /** Bytes of each key field. */
  readonly key: readonly number[];
  /** By the number that entries have of their action: its name, and the bytes of each parameter. */
  readonly actions: readonly { readonly name: string; readonly params: readonly number[] }[];
  /** Timeouts in seconds, by index. */
  readonly timeouts: readonly number[];
}

/** The index of a timeout that is not known. */
export const UNKNOWN_TIMEOUT = 0xffff;

/**
 * Learned entries, one after the other: the fields of the key, u16 action, its arguments, u16 timeout index and u32
 * milliseconds left of it (both all ones where they are not known). Keys and arguments are in network byte order, the rest is
 * little endian.
 */
export interface LearnedPiece {
  readonly count: number;
  readonly bytes: Buffer;
}

/** What was written into a pipeline, whoever has written it. */
export interface WrittenState {
  entries(table: string): DataplaneEntry[];
  /** Undefined: the program's own. */
  defaultOf(table: string): { readonly action: string; readonly args: readonly Value[] } | undefined;
  /** Of a group that was not set, none. */
  members(selector: string, group: number): readonly { readonly member: number; readonly weight: number }[];
  /** Of a meter that was not set, none. */
  profileOf(array: string, index: number): MeterProfile | undefined;
  /** Of the meters that have one. */
  profiles(array: string): Iterable<[index: number, profile: MeterProfile]>;
  noteOf(key: string): Uint8Array | undefined;
  /** Notes whose key begins with `prefix`, by the rest of it. */
  notes(prefix: string): Iterable<[rest: string, value: Uint8Array]>;
}

/**
 * A program in a data plane, spoken to in the terms of SWX. Calls are checked by the caller against
 * {@link PipelineSchema}, so what they throw (SoftswitchError) are limits: RESOURCE_EXHAUSTED, or INTERNAL.
 */
export interface Pipeline {
  readonly schema: PipelineSchema;
  /** Of a pipeline that was resumed this is what the data plane has, and no more. */
  readonly written: WrittenState;
  /** Adds or replaces an entry. */
  tableSet(table: string, entry: DataplaneEntry): void;
  tableDelete(table: string, key: readonly KeyField[], priority?: number): void;
  tableSetDefault(table: string, action: string, args: readonly Value[]): void;
  /** Index of the entry in the register arrays of direct counters; the default entry has 0. */
  entryIndex(table: string, key: readonly KeyField[], priority?: number): number;
  learnedLayout(learner: string): LearnedLayout;
  /** What the data plane has learned, while packets go on: what comes or goes meanwhile may be in it or not. */
  learnedPieces(learner: string, filter: LearnedFilter): AsyncIterable<LearnedPiece>;
  /** How many there are, counted by the data plane while packets go on. */
  learnedCount(learner: string, filter: LearnedFilter): Promise<number>;
  /** The entry of a key, or none. */
  learnedFind(learner: string, key: readonly Value[]): LearnedPiece;
  /** Ends an entry with the next commit, if it is still there; the result takes that back before. */
  learnedForget(learner: string, key: readonly Value[]): () => void;
  selectorSet(selector: string, group: number, members: readonly { member: number; weight: number }[]): void;
  selectorDelete(selector: string, group: number): void;
  registerRead(register: string, index: number): bigint;
  registerWrite(register: string, index: number, value: bigint): void;
  /**
   * With the next commit, gives a meter full buckets and a profile, or none: then all packets are green. Its counts go on.
   * The result takes that back: before the commit nothing happens to the meter then, and {@link written} has what was before.
   * UNIMPLEMENTED if the data plane that runs is of a version without meters.
   */
  meterSet(array: string, index: number, profile: MeterProfile | undefined): () => void;
  /** With the next commit, has the counts of a meter start anew; the result takes that back before. */
  meterClear(array: string, index: number): () => void;
  /** What a meter has counted since the data plane was started, or it was cleared. */
  meterStats(array: string, index: number): MeterStats;
  /**
   * Keeps what this side knows of a change with the change itself, in the data plane, so that who takes it over knows it,
   * too. An empty value takes the note away.
   */
  note(key: string, value: Uint8Array): void;
  /**
   * Makes all changes since the last commit live, together. The promise settles when packets see them. A pipeline that
   * does not run has nothing to do.
   */
  commit(): Promise<void> | undefined;
  /** Forgets what was staged since a commit that was refused: it only takes back what the data plane has not taken. */
  discard(): void;
}

/** Runs one program at a time over the packets of the ports. */
export interface Dataplane {
  /** Prepares a program from its SWX specification, without packets; INVALID_ARGUMENT if it cannot run it. */
  load(spec: string, file: string): Pipeline;
  /**
   * Gives all packets from now on to `pipeline`; without one they are dropped. Whether the data plane can run it is told
   * by its next commit.
   */
  activate(pipeline: Pipeline | undefined): void;
  /**
   * The note of that key in the data plane that has been running since before this process; undefined if there is no such
   * data plane or note.
   */
  noteLeft(key: string): Promise<Uint8Array | undefined>;
  /** Goes on with the data plane that runs already; `pipeline`, which is its program, has everything afterwards. */
  resume(pipeline: Pipeline): Promise<void>;
  /** Where the ports deliver packets. */
  readonly receive: PacketHandler;
  /** Runs a packet for real and tells what happened; FAILED_PRECONDITION without a program. */
  trace(port: number, packet: Uint8Array): Trace;
  /** Ends it. */
  stop(): Promise<void>;
  /** Leaves it to run on by itself, if it can, for the next who resumes it. */
  leave(): Promise<void>;
}
