import { type Layout, layOut, MAX_PACKET_BYTES } from './compiler/layout.js';
import { programSource } from './compiler/program.js';
import { TraceSites } from './compiler/sites.js';
import {
  type ActionCall,
  type InstalledEntry,
  type KeyValue,
  TableControl,
  type TableEntry,
} from './control.js';
import { SwxError, unknownName } from './errors.js';
import {
  type LearnedEntry,
  type LearnedFilter,
  type LearnedPiece,
  LearnerControl,
} from './learner-control.js';
import { LearnerTable } from './runtime/learner.js';
import { Machine, type MachineCounts, type MirrorSession } from './runtime/machine.js';
import { MatchTable } from './runtime/match-table.js';
import type { MeterArray, MeterProfile, MeterStats } from './runtime/meters.js';
import { Selector, type SelectorMember } from './runtime/selector.js';
import type { SwxSpec } from './spec.js';
import { type Trace, Tracer } from './trace.js';
import { TableReader } from './trace-tables.js';
import { UndoLog } from './undo.js';
import { toWords } from './values.js';

export interface SwxPipelineOptions {
  /** A monotonic clock in ms, for learners and meters; performance.now by default. */
  readonly now?: () => number;
  /** Takes the packets that come out. `packet` is only valid during the call, and `process` must not be called in it. */
  readonly onTransmit: (port: number, packet: Uint8Array) => void;
}

/** What a pipeline has done so far. */
export interface SwxStats extends Readonly<MachineCounts> {
  /** Look-ups by table, selector and learner (a selector has no misses). */
  readonly tables: Readonly<Record<string, { readonly hits: number; readonly misses: number }>>;
  /** What instructions have done with each learner. */
  readonly learners: Readonly<Record<string, Readonly<LearnerTable['counts']>>>;
}

type Run = () => number;

/** A DPDK SWX pipeline, compiled to JavaScript. */
export class SwxPipeline {
  readonly #machine: Machine;
  readonly #layout: Layout;
  readonly #run: Run;
  #traced: { readonly run: Run; readonly tracer: Tracer } | undefined;
  #running = false;
  readonly #undo = new UndoLog();
  readonly #tables = new Map<string, TableControl>();
  readonly #learners = new Map<string, LearnerControl>();
  readonly #selectors = new Map<string, Selector>();

  /**
   * Compiles a spec. The pipeline starts with empty tables.
   *
   * @throws SwxError UNSUPPORTED for what the engine does not have: externs, arithmetic shifts over 64 bits.
   */
  constructor(
    readonly spec: SwxSpec,
    options: SwxPipelineOptions,
  ) {
    this.#layout = layOut(spec);
    this.#machine = createMachine(spec, this.#layout, options);
    for (const table of this.#machine.tables) {
      if (table instanceof MatchTable)
        this.#tables.set(table.table.name, new TableControl(spec, table.table, table, this.#undo));
      else if (table instanceof Selector) this.#selectors.set(table.name, table);
    }
    const learnerTables = this.#machine.tables.filter((table) => table instanceof LearnerTable);
    [...spec.learners.values()].forEach((learner, i) => {
      const table = learnerTables[i];
      if (table === undefined) return;
      this.#learners.set(
        learner.name,
        new LearnerControl(spec, learner, table, () => this.#machine.now(), this.#undo),
      );
    });
    this.#run = this.#compile(undefined);
  }

  /**
   * Runs a packet through the pipeline; onTransmit gets what comes out, before this returns.
   * The packet itself is not written.
   *
   * @param port the input port, 0 … 2^32-1
   * @param length bytes of `packet` that count; all by default, 65536 at most
   * @throws SwxError INVALID_VALUE
   */
  process(port: number, packet: Uint8Array, length: number = packet?.length): void {
    this.#execute(this.#run, port, packet, length);
  }

  /** Runs a packet for real, as `process` does, and tells each step. */
  trace(port: number, packet: Uint8Array): Trace {
    this.#check(port, packet, packet?.length);
    const traced = this.#traced ?? this.#compileTraced();
    const before = packet.slice();
    // What a trace has left that was ended by an error of onTransmit.
    traced.tracer.take();
    this.#machine.tracer = traced.tracer;
    try {
      this.#execute(traced.run, port, packet, packet.length);
    } finally {
      this.#machine.tracer = undefined;
    }
    return { port, packet: before, steps: traced.tracer.take() };
  }

  #check(port: number, packet: Uint8Array, length: number): void {
    if (port >>> 0 !== port) {
      throw new SwxError('INVALID_VALUE', `the port is ${port}, not an integer from 0 to 4294967295`);
    }
    // Tells bytes from all else, also from null, and those of another realm, too.
    if (packet?.BYTES_PER_ELEMENT !== 1) {
      const given = packet === null ? 'null' : typeof packet;
      throw new SwxError('INVALID_VALUE', `the packet must be a Uint8Array, not ${given}`);
    }
    if (length > MAX_PACKET_BYTES || length > packet.length || !(length >= 0)) {
      const most = Math.min(MAX_PACKET_BYTES, packet.length);
      throw new SwxError('INVALID_VALUE', `the length of the packet is ${length}, not one of 0 … ${most}`);
    }
  }

  #execute(run: Run, port: number, packet: Uint8Array, length: number): void {
    if (this.#running) {
      const message =
        'process() was called during onTransmit: keep a copy of the packet and send it afterwards';
      throw new SwxError('UNSUPPORTED', message);
    }
    this.#check(port, packet, length);
    this.#running = true;
    try {
      this.#machine.process(run, port, packet, length);
    } finally {
      this.#running = false;
    }
  }

  #compile(sites: TraceSites | undefined): Run {
    return new Function('X', programSource(this.spec, this.#layout, sites))(this.#machine);
  }

  #compileTraced(): { readonly run: Run; readonly tracer: Tracer } {
    const sites = new TraceSites();
    const reader = new TableReader(this.spec, this.#machine, this.#tables, this.#learners);
    const tracer = new Tracer(sites.all, reader);
    this.#machine.tracer = tracer;
    this.#traced = { run: this.#compile(sites), tracer };
    return this.#traced;
  }

  /**
   * Makes changes of tables, selectors, registers, meters and timeouts all together: when `changes` throws, what it has done is
   * taken back, and each entry has its index again. What it throws is passed on.
   */
  atomically(changes: () => void): void {
    this.#undo.atomically(changes);
  }

  // Tables. Values are unsigned integers in host meaning, in the order of the spec; see TableEntry.

  /** Adds an entry, or replaces the one with the same key (and priority); a replaced one keeps its index. */
  tableSet(table: string, entry: TableEntry): void {
    this.#table(table).set(entry);
  }

  /** Removes an entry; false when there is none. The priority counts in tables with a wildcard field. */
  tableDelete(table: string, key: readonly KeyValue[], priority?: number): boolean {
    return this.#table(table).delete(key, priority);
  }

  tableGet(table: string, key: readonly KeyValue[], priority?: number): InstalledEntry | undefined {
    return this.#table(table).get(key, priority);
  }

  /** All entries, by index. */
  tableEntries(table: string): Iterable<InstalledEntry> {
    return this.#table(table).entries();
  }

  /** Entries from an index on, at most `count`, by index: for reading large tables piece by piece. */
  tableEntriesFrom(table: string, index: number, count: number): InstalledEntry[] {
    return this.#table(table).entriesFrom(index, count);
  }

  tableEntryCount(table: string): number {
    return this.#table(table).count;
  }

  /** Removes all entries. The default action stays. */
  tableClear(table: string): void {
    this.#table(table).clear();
  }

  /** Sets the default action, unless the spec has it as `const`. */
  tableSetDefault(table: string, action: string, args: readonly ActionCall['args'][number][] = []): void {
    this.#table(table).setDefault({ action, args });
  }

  /** Puts the default action of the spec back. */
  tableResetDefault(table: string): void {
    this.#table(table).reset();
  }

  learnerDefault(learner: string): ActionCall {
    return this.#learner(learner).callOf(0);
  }

  tableDefault(table: string): ActionCall {
    return this.#table(table).default();
  }

  /** What `entryid` gives for an entry, and so its index into register arrays of direct counters; 0 when there is none. */
  entryIndex(table: string, key: readonly KeyValue[], priority?: number): number {
    return this.#table(table).index(key, priority);
  }

  // Selectors.

  /**
   * Sets the members of a group, all at once and in this order. Members are numbers below the slots of a group
   * (`n_members_per_group_max`), weights are shares of the slots. A group without members gives member 0.
   */
  selectorSet(selector: string, group: number, members: readonly SelectorMember[]): void {
    const target = this.#selector(selector);
    const before = target.members(group);
    target.set(group, members);
    this.#keepGroup(target, group, before);
  }

  /** Empties and forgets a group; false when it was not set. */
  selectorDelete(selector: string, group: number): boolean {
    const target = this.#selector(selector);
    const before = target.members(group);
    const deleted = target.delete(group);
    this.#keepGroup(target, group, before);
    return deleted;
  }

  /** The groups that are set, with their members. */
  selectorGroups(
    selector: string,
  ): Iterable<{ readonly group: number; readonly members: readonly SelectorMember[] }> {
    return this.#selector(selector).entries();
  }

  // Learners.

  /** The entries that have not expired. */
  learnerEntries(learner: string): Iterable<LearnedEntry> {
    this.#machine.forgetTime();
    return this.#learner(learner).entries();
  }

  /**
   * Entries that have not expired, from a row on (0 at first), at most `count`: for reading large learners piece by
   * piece, while packets go on.
   */
  learnerEntriesFrom(learner: string, row: number, count: number, filter?: LearnedFilter): LearnedPiece {
    this.#machine.forgetTime();
    return this.#learner(learner).entriesFrom(row, count, filter);
  }

  /** Counts entries from a row on, for as many rows as take some milliseconds; and the row to go on from, 0 at the end. */
  learnerCountFrom(
    learner: string,
    row: number,
    filter?: LearnedFilter,
  ): { readonly count: number; readonly next: number } {
    this.#machine.forgetTime();
    return this.#learner(learner).countFrom(row, filter);
  }

  /** The entry of a key, in the order of the spec, unless it has expired. */
  learnerGet(learner: string, key: readonly LearnedEntry['key'][number][]): LearnedEntry | undefined {
    this.#machine.forgetTime();
    return this.#learner(learner).get(key);
  }

  /**
   * Has a learner know an entry as if it had learned it now, such as one that another data plane has learned. Gives what
   * `entryid` is for it; 0 when the learner is full.
   */
  learnerSet(learner: string, { key, timeoutIndex, ...call }: Omit<LearnedEntry, 'expiresInMs'>): number {
    this.#machine.forgetTime();
    return this.#learner(learner).set(key, call, timeoutIndex);
  }

  /** Ends an entry, as its timeout would; false when there is none. */
  learnerForget(learner: string, key: readonly LearnedEntry['key'][number][]): boolean {
    this.#machine.forgetTime();
    return this.#learner(learner).forget(key);
  }

  /** In seconds, by index. */
  learnerTimeouts(learner: string): number[] {
    return this.#learner(learner).timeouts();
  }

  /** Sets the default action of a learner. */
  learnerSetDefault(learner: string, action: string, args: readonly ActionCall['args'][number][]): void {
    this.#learner(learner).setDefault({ action, args });
  }

  /** Number of entries that have not expired. They are counted one by one: some 50 ms for a million. */
  learnerCount(learner: string): number {
    this.#machine.forgetTime();
    return this.#learner(learner).count();
  }

  /** Changes a timeout for entries that are learned or rearmed from now on. */
  learnerSetTimeout(learner: string, index: number, seconds: number): void {
    this.#learner(learner).setTimeout(index, seconds);
  }

  // Registers, meters, mirrors, RSS.

  /** A register: 64 bits. Arrays are as large as declared, rounded up to a power of two. */
  registerRead(array: string, index: number): bigint {
    const words = this.#register(array, index);
    return (BigInt((words[index * 2] ?? 0) >>> 0) << 32n) | BigInt((words[index * 2 + 1] ?? 0) >>> 0);
  }

  registerWrite(array: string, index: number, value: bigint): void {
    const words = this.#register(array, index);
    const next = toWords(value, 64, () => `regarray '${array}'`);
    if (this.#undo.open) {
      const before = words.slice(index * 2, index * 2 + 2);
      this.#undo.push(() => words.set(before, index * 2));
    }
    words.set(next, index * 2);
  }

  /** Gives a meter a profile and full buckets, or none: then all packets are green. Its counts go on. */
  meterSet(array: string, index: number, profile: MeterProfile | undefined): void {
    this.#machine.forgetTime();
    this.#undo.push(this.#meter(array).set(index, profile));
  }

  /** Has the counts of a meter start anew. */
  meterClear(array: string, index: number): void {
    this.#undo.push(this.#meter(array).clear(index));
  }

  meterStats(array: string, index: number): MeterStats {
    return this.#meter(array).stats(index);
  }

  /** Where the copies of a mirroring session go; packets that name a session which is not set are not copied. */
  mirrorSet(session: number, target: MirrorSession | undefined): void {
    if (target === undefined) this.#machine.mirrorSessions.delete(session);
    else this.#machine.mirrorSessions.set(session, target);
  }

  /** Sets the key of an `rss` object; all zero at first, which hashes everything to 0. */
  rssSetKey(object: string, key: Uint8Array): void {
    const index = this.spec.rss.indexOf(object);
    if (index < 0) throw unknownName('rss object', object, this.spec.rss);
    if (key.length < 4)
      throw new SwxError('INVALID_VALUE', `rss '${object}': a key has at least 4 bytes, not ${key.length}`);
    this.#machine.rssKeys[index] = key.slice();
  }

  /** Counts since the start. */
  get stats(): SwxStats {
    const { counts, lookups } = this.#machine;
    const names = [...this.spec.tables.keys(), ...this.spec.learners.keys(), ...this.spec.selectors.keys()];
    const tables = names.map((name, i) => [
      name,
      { hits: lookups[2 * i] ?? 0, misses: lookups[2 * i + 1] ?? 0 },
    ]);
    const learners = [...this.#learners].map(([name, { table }]) => [name, { ...table.counts }]);
    return { ...counts, tables: Object.fromEntries(tables), learners: Object.fromEntries(learners) };
  }

  /** For a transaction that is taken back: what a group was before it was changed. */
  #keepGroup(selector: Selector, group: number, before: readonly SelectorMember[] | undefined): void {
    this.#undo.push(() => {
      if (before === undefined) selector.delete(group);
      else selector.set(group, before);
    });
  }

  #table(name: string): TableControl {
    return find('table', name, this.#tables);
  }

  #learner(name: string): LearnerControl {
    return find('learner', name, this.#learners);
  }

  #selector(name: string): Selector {
    return find('selector', name, this.#selectors);
  }

  #meter(name: string): MeterArray {
    const index = [...this.spec.meters.keys()].indexOf(name);
    const array = this.#machine.meters[index];
    if (array === undefined) throw unknownName('metarray', name, this.spec.meters.keys(), { object: name });
    return array;
  }

  #register(name: string, index: number): Int32Array {
    const words = this.#machine.registers[[...this.spec.registers.keys()].indexOf(name)];
    if (words === undefined)
      throw unknownName('regarray', name, this.spec.registers.keys(), { object: name });
    if (!Number.isInteger(index) || index < 0 || index >= words.length / 2) {
      const message = `regarray '${name}': index ${index} is not one of 0 … ${words.length / 2 - 1}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: name, token: String(index) } });
    }
    return words;
  }
}

function createMachine(spec: SwxSpec, layout: Layout, options: SwxPipelineOptions): Machine {
  try {
    return new Machine(spec, layout, options.now ?? (() => performance.now()), options.onTransmit);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message = `${spec.file}: the register arrays and tables need more memory than there is`;
    throw new SwxError('UNSUPPORTED', message, { details: { file: spec.file }, cause: error });
  }
}

function find<T>(kind: string, name: string, objects: ReadonlyMap<string, T>): T {
  const object = objects.get(name);
  if (object === undefined) throw unknownName(kind, name, objects.keys(), { object: name });
  return object;
}
