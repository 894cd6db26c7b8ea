import type { MeterProfile, SwxSpec } from '@infra-offload/swx';
import { fail } from '../../errors.js';
import type {
  DataplaneEntry,
  KeyField,
  LearnedFilter,
  LearnedLayout,
  LearnedPiece,
  MeterStats,
  Pipeline,
  PipelineSchema,
  Value,
  WrittenState,
} from '../dataplane.js';
import { schemaOf } from '../schema.js';
import { Changes } from './changes.js';
import { cellNote, readContents } from './contents.js';
import type { Host } from './host.js';
import { Layout, type TableLayout } from './layout.js';
import { learnedCount, learnedFind, learnedLayout, learnedPieces } from './learned.js';
import { MeterChanges, readMeterStats, writeMeter } from './meter-changes.js';
import { type GroupMember, inner, Mirror, type Slot } from './mirror.js';
import { Change, Operation } from './protocol.js';
import { TurnCache } from './turn-cache.js';
import { ByteWriter } from './wire.js';

/** Indexes from here on name entries of tables with direct counters, not cells of register arrays. */
const SLOT_BASE = 2 ** 32;
/** Cells, or meters, that are read together: reading one after the other is what a read of a whole counter does. */
const CELLS_READ = 4096;
const SLOTS_READ = 512;
const NO_COUNTS = { packets: 0n, bytes: 0n };
const NO_STATS: MeterStats = { green: NO_COUNTS, yellow: NO_COUNTS, red: NO_COUNTS };
/** A connection may be lost a moment before the process is known to be gone. */
const ENDING_MS = 100;

/** What the pipeline needs of its data plane. */
export interface PipelineRunner {
  /** What hosts are called in messages. */
  readonly name: string;
  /** The host that runs this pipeline and has its state; undefined while there is none. */
  readonly host: Host | undefined;
  /** Entries of ternary and lpm tables keep their index. */
  readonly steadyRules: boolean;
  /** Waits for a host; UNAVAILABLE if it does not come. Undefined: the pipeline is not active. */
  whenReady(): Promise<Host> | undefined;
}

/**
 * A program in a host. Changes are gathered and sent with {@link commit}, all or none of them. A copy of everything that
 * was written stays here, for a host that has to be given it anew.
 */
export class HostPipeline implements Pipeline {
  readonly #runner: (pipeline: HostPipeline) => PipelineRunner;
  readonly schema: PipelineSchema;
  readonly layout: Layout;
  readonly #mirror = new Mirror();
  #changes = new Changes();
  /** The counts of entries among the changes, which the mirror does not have. */
  #counts: (readonly [register: number, slot: Slot, value: bigint])[] = [];
  /** Learned entries that the next commit ends. */
  #forgotten = new Set<{ readonly learner: TableLayout; readonly key: readonly Value[] }>();
  #meters = new MeterChanges();
  /** Values of cells that were written and not committed yet. */
  readonly #written = new Map<string, Map<number, bigint>>();
  readonly #read = new TurnCache<bigint>();
  readonly #stats = new TurnCache<MeterStats>();

  /** @param text the specification as it was given */
  constructor(
    readonly text: string,
    spec: SwxSpec,
    runner: (pipeline: HostPipeline) => PipelineRunner,
  ) {
    this.#runner = runner;
    this.schema = schemaOf(spec);
    this.layout = new Layout(spec);
  }

  tableSet(name: string, entry: DataplaneEntry): void {
    const table = this.layout.table(name);
    this.layout.writeSet(this.#changes.next(), table, entry);
    this.#mirror.entry(table, entry);
  }

  tableDelete(name: string, key: readonly KeyField[], priority?: number): void {
    const table = this.layout.table(name);
    this.layout.writeDelete(this.#changes.next(), table, key, priority);
    const slot = this.#mirror.deleteEntry(table, key, priority);
    if (slot === undefined) return;
    for (const cells of this.#written.values()) cells.delete(SLOT_BASE + slot);
    this.#read.forget(SLOT_BASE + slot);
  }

  tableSetDefault(name: string, action: string, args: readonly Value[]): void {
    const table = this.layout.table(name);
    this.layout.writeDefault(this.#changes.next(), table, action, args);
    this.#mirror.defaultAction(table, { action, args });
  }

  entryIndex(name: string, key: readonly KeyField[], priority?: number): number {
    const table = this.layout.table(name);
    if (!table.exact && !this.#runner(this).steadyRules) {
      fail(
        'UNIMPLEMENTED',
        `table ${name}: ${this.#runner(this).name} moves the entries of ternary and lpm tables about, so they cannot have direct counters`,
      );
    }
    const slot = this.#mirror.slotOf(table, key, priority);
    return slot === undefined ? 0 : SLOT_BASE + slot.number;
  }

  learnedLayout(name: string): LearnedLayout {
    const { host, active } = this.#host();
    if (host === undefined && active) this.#restarting();
    return learnedLayout(host, this.layout, this.layout.table(name));
  }

  async *learnedPieces(name: string, filter: LearnedFilter): AsyncGenerator<LearnedPiece> {
    const { host, active } = this.#host();
    if (host !== undefined) yield* learnedPieces(host, this.layout, this.layout.table(name), filter);
    else if (active) this.#restarting();
  }

  async learnedCount(name: string, filter: LearnedFilter): Promise<number> {
    const { host, active } = this.#host();
    if (host !== undefined) return learnedCount(host, this.layout, this.layout.table(name), filter);
    return active ? this.#restarting() : 0;
  }

  learnedFind(name: string, key: readonly Value[]): LearnedPiece {
    const { host, active } = this.#host();
    if (host !== undefined) return learnedFind(host, this.layout, this.layout.table(name), key);
    return active ? this.#restarting() : { count: 0, bytes: Buffer.alloc(0) };
  }

  learnedForget(name: string, key: readonly Value[]): () => void {
    const entry = { learner: this.layout.table(name), key };
    this.#forgotten.add(entry);
    return () => this.#forgotten.delete(entry);
  }

  selectorSet(name: string, group: number, members: readonly GroupMember[]): void {
    const selector = this.layout.selector(name);
    writeGroup(this.#changes.next(), selector, group, members);
    this.#mirror.group(name, group, members);
  }

  selectorDelete(name: string, group: number): void {
    this.selectorSet(name, group, []);
  }

  registerRead(name: string, index: number): bigint {
    const known = this.#written.get(name)?.get(index) ?? this.#read.get(name, index);
    if (known !== undefined) return known;
    const { host, active } = this.#host();
    if (host === undefined) {
      if (active) this.#restarting();
      return 0n;
    }
    if (index >= SLOT_BASE) this.#readSlots(host, name, this.#slot(index));
    else this.#readCells(host, name, index);
    return this.#read.get(name, index) ?? 0n;
  }

  registerWrite(name: string, index: number, value: bigint): void {
    const register = this.layout.register(name);
    if (index >= SLOT_BASE) {
      // A new host counts from 0 by itself.
      if (
        value === 0n &&
        this.#runner(this).whenReady() === undefined &&
        this.#written.get(name)?.get(index) === undefined
      )
        return;
      const slot = this.#slot(index);
      this.#writeCount(this.#changes.next(), register, slot, value);
      this.#counts.push([register, slot, value]);
    } else {
      writeCell(this.#changes.next(), register, index, value);
      this.#mirror.cell(name, index, value);
      this.note(cellNote(name, index), new ByteWriter(8).u64(value).view());
    }
    inner(this.#written, name).set(index, value);
    this.#read.clear();
  }

  meterSet(name: string, index: number, profile: MeterProfile | undefined): () => void {
    this.#checkMeters(name);
    const before = this.#mirror.profileOf(name, index);
    this.#mirror.meter(name, index, profile);
    const unstage = this.#meters.set(name, index, profile);
    return () => {
      this.#mirror.meter(name, index, before);
      unstage();
    };
  }

  meterClear(name: string, index: number): () => void {
    this.#checkMeters(name);
    return this.#meters.clear(name, index);
  }

  meterStats(name: string, index: number): MeterStats {
    const known = this.#stats.get(name, index);
    if (known !== undefined) return known;
    const { host, active } = this.#host();
    if (host !== undefined) this.#readMeters(host, name, index);
    else if (active) this.#restarting();
    return this.#stats.get(name, index) ?? NO_STATS;
  }

  get written(): WrittenState {
    return this.#mirror;
  }

  note(key: string, value: Uint8Array): void {
    writeNote(this.#changes.next(), key, value);
    this.#mirror.note(key, value);
  }

  /**
   * Makes the changes live. RESOURCE_EXHAUSTED or INTERNAL if the host refuses one; then it has taken none of them.
   * While the host is being restarted this waits for the next one, which is given everything.
   */
  commit(): Promise<void> | undefined {
    const ready = this.#runner(this).whenReady();
    const changes = this.#changes;
    for (const { learner, key } of this.#forgotten) this.layout.writeForget(changes.next(), learner, key);
    this.#forgotten.clear();
    this.#writeMeters(changes);
    this.#stats.clear();
    this.#changes = new Changes();
    // Without a host the mirror keeps everything but the counts.
    if (ready === undefined) return undefined;
    this.#counts = [];
    return ready.then((host) => this.#send(host, changes)).finally(() => this.#written.clear());
  }

  discard(): void {
    this.#changes = new Changes();
    this.#forgotten.clear();
    this.#meters = new MeterChanges();
    this.#counts = [];
    this.#written.clear();
  }

  /** Learns what is in a host that somebody else has programmed; nothing must have been written here. */
  async adopt(host: Host): Promise<void> {
    this.layout.check(host.description);
    await readContents(host, this.layout, this.#mirror);
    this.discard();
  }

  /** Gives a new host everything. What is staged now is part of it. */
  async program(host: Host): Promise<void> {
    this.layout.check(host.description);
    const all = new Changes();
    this.#mirror.visit({
      group: (selector, group, members) =>
        writeGroup(all.next(), this.layout.selector(selector), group, members),
      defaultAction: (table, { action, args }) => this.layout.writeDefault(all.next(), table, action, args),
      entry: (table, entry) => this.layout.writeSet(all.next(), table, entry),
      cell: (register, index, value) => writeCell(all.next(), this.layout.register(register), index, value),
      meter: (array, index, profile) =>
        writeMeter(() => all.next(), this.layout.meter(array), array, index, profile),
      note: (key, value) => writeNote(all.next(), key, value),
    });
    this.#meters = new MeterChanges();
    for (const [register, slot, value] of this.#counts) this.#writeCount(all.next(), register, slot, value);
    this.#counts = [];
    this.#changes = new Changes();
    this.#written.clear();
    await sendChanges(host, all);
  }

  async #send(host: Host, changes: Changes): Promise<void> {
    if (changes.empty) return;
    try {
      await sendChanges(host, changes);
    } catch (error) {
      // A host that ended in the middle of it: the next one is given this, too.
      if (this.#host().host === host && !(await hasEnded(host))) throw error;
      await this.#runner(this).whenReady();
    }
  }

  #checkMeters(name: string): void {
    const { host } = this.#host();
    if (host === undefined || host.description.meters[this.layout.meter(name)] !== undefined) return;
    fail(
      'UNIMPLEMENTED',
      `${this.#runner(this).name} is of an earlier version, which cannot set meters: replace it`,
    );
  }

  #writeMeters(changes: Changes): void {
    this.#meters.write(
      () => changes.next(),
      (array) => this.layout.meter(array),
    );
    this.#meters = new MeterChanges();
  }

  #restarting(): never {
    fail('UNAVAILABLE', `${this.#runner(this).name} is being restarted`);
  }

  #host(): { readonly host: Host | undefined; readonly active: boolean } {
    const runner = this.#runner(this);
    const { host } = runner;
    return { host, active: host !== undefined || runner.whenReady() !== undefined };
  }

  #slot(index: number): Slot {
    return this.#mirror.slot(index - SLOT_BASE) ?? fail('INTERNAL', `no entry ${index - SLOT_BASE}`);
  }

  #writeCount(writer: ByteWriter, register: number, { table, key, priority }: Slot, value: bigint): void {
    writer.u8(Change.COUNTER).u16(register).u16(table.id);
    this.layout.writeKey(writer, table, key, priority);
    writer.u64(value);
  }

  #readCells(host: Host, name: string, first: number): void {
    const size = this.schema.registers.get(name) ?? 0;
    const count = this.#read.stretch(name, first, CELLS_READ, size - first);
    const body = new ByteWriter().u16(this.layout.register(name)).u32(first).u32(count).view();
    const reader = host.requestNow(Operation.READ_REGISTERS, body);
    for (let i = 0; i < count; i++) this.#read.keep(name, first + i, reader.u64());
  }

  #readMeters(host: Host, name: string, first: number): void {
    const size = this.schema.meters.get(name)?.size ?? 0;
    const count = this.#stats.stretch(name, first, CELLS_READ, size - first);
    const body = new ByteWriter().u16(this.layout.meter(name)).u32(first).u32(count).view();
    const reader = host.requestNow(Operation.READ_METERS, body);
    for (let i = 0; i < count; i++) this.#stats.keep(name, first + i, readMeterStats(reader));
  }

  #readSlots(host: Host, name: string, first: Slot): void {
    const most = this.#read.stretch(name, SLOT_BASE + first.number, SLOTS_READ, SLOTS_READ);
    const slots = this.#mirror.slotsFrom(first, most);
    const body = new ByteWriter().u16(this.layout.register(name)).u16(first.table.id).u32(slots.length);
    for (const { table, key, priority } of slots) this.layout.writeKey(body, table, key, priority);
    const reader = host.requestNow(Operation.READ_COUNTERS, body.view());
    for (const { number } of slots) this.#read.keep(name, SLOT_BASE + number, reader.u64());
  }
}

function writeGroup(
  writer: ByteWriter,
  selector: number,
  group: number,
  members: readonly GroupMember[],
): void {
  writer.u8(Change.GROUP).u16(selector).u32(group).u16(members.length);
  for (const { member, weight } of members) writer.u32(member).u32(weight);
}

function writeCell(writer: ByteWriter, register: number, index: number, value: bigint): void {
  writer.u8(Change.REGISTER).u16(register).u32(index).u64(value);
}

function writeNote(writer: ByteWriter, key: string, value: Uint8Array): void {
  writer.u8(Change.NOTE).text(key).blob(value);
}

/** All or none of the changes. */
async function sendChanges(host: Host, changes: Changes): Promise<void> {
  for (const [i, body] of changes.bodies().entries()) {
    try {
      await host.request(Operation.BATCH, body);
    } catch (error) {
      if (i > 0) await host.request(Operation.ABORT);
      throw error;
    }
  }
}

async function hasEnded(host: Host): Promise<boolean> {
  const pause = new Promise<false>((resolve) => setTimeout(() => resolve(false), ENDING_MS));
  return await Promise.race([host.ended.then(() => true), pause]);
}
