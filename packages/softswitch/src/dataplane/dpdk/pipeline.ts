import type { SwxSpec } from '@infra-offload/swx';
import { fail } from '../../errors.js';
import type {
  DataplaneEntry,
  KeyField,
  LearnedEntry,
  Pipeline,
  PipelineSchema,
  Value,
} from '../dataplane.js';
import { schemaOf } from '../schema.js';
import { Layout } from './layout.js';
import { Mirror, type Slot } from './mirror.js';
import { BATCH_COMMIT, Change, Operation } from './protocol.js';
import type { SwxHost } from './swx-host.js';
import { ByteWriter } from './wire.js';

/** Indexes from here on name entries of tables with direct counters, not cells of register arrays. */
const SLOT_BASE = 2 ** 32;
/** Cells that are read together: reading one after the other is what a read of a whole counter does. */
const CELLS_READ = 4096;
const SLOTS_READ = 512;
/** Bytes of changes in one message; those of a commit are staged piece by piece when there are more. */
const BATCH_BYTES = 8 << 20;

/** What the pipeline needs of its data plane. */
export interface PipelineRunner {
  /** The host that runs this pipeline and has its state; undefined while there is none. */
  readonly host: SwxHost | undefined;
  /** Waits for one; UNAVAILABLE if it does not come. Undefined: the pipeline is not active. */
  whenReady(): Promise<SwxHost> | undefined;
}

/**
 * A program on DPDK. Changes are gathered and sent with {@link commit}, all or none of them. A copy of everything that
 * was written stays here, for a host that has to be given it anew.
 */
export class DpdkPipeline implements Pipeline {
  readonly schema: PipelineSchema;
  readonly layout: Layout;
  readonly #mirror = new Mirror();
  readonly #scratch = new ByteWriter(1024);
  #changes: Uint8Array[] = [];
  /** Values of cells that were written and not committed yet. */
  readonly #written = new Map<string, bigint>();
  readonly #cells = new Map<string, bigint>();
  #cellsExpire = false;

  /** @param text the specification as it was given */
  constructor(
    readonly text: string,
    spec: SwxSpec,
    private readonly runner: (pipeline: DpdkPipeline) => PipelineRunner,
  ) {
    this.schema = schemaOf(spec);
    this.layout = new Layout(spec);
  }

  tableSet(name: string, entry: DataplaneEntry): void {
    const table = this.layout.table(name);
    this.layout.writeSet(this.#scratch, table, entry);
    const change = this.#stage();
    this.#mirror.setEntry(table, entry.key, entry.priority, change);
  }

  tableDelete(name: string, key: readonly KeyField[], priority?: number): void {
    const table = this.layout.table(name);
    this.layout.writeDelete(this.#scratch, table, key, priority);
    this.#stage();
    this.#mirror.deleteEntry(table, key, priority);
  }

  tableSetDefault(name: string, action: string, args: readonly Value[]): void {
    const table = this.layout.table(name);
    this.layout.writeDefault(this.#scratch, table, action, args);
    this.#mirror.setDefault(table, this.#stage());
  }

  entryIndex(name: string, key: readonly KeyField[]): number {
    const table = this.layout.table(name);
    if (!table.exact) {
      fail(
        'UNIMPLEMENTED',
        `table ${name}: DPDK moves the entries of ternary and lpm tables about, so they cannot have direct counters`,
      );
    }
    const slot = this.#mirror.slotOf(table, key, (writer) => this.layout.writeKey(writer, table, key));
    return slot === undefined ? 0 : SLOT_BASE + slot.number;
  }

  learnedEntries(learner: string): Iterable<LearnedEntry> {
    fail('UNIMPLEMENTED', `DPDK does not tell what table ${learner} has learned`);
  }

  selectorSet(name: string, group: number, members: readonly { member: number; weight: number }[]): void {
    const selector = this.layout.selector(name);
    const writer = this.#scratch.u8(Change.GROUP).u16(selector).u32(group).u16(members.length);
    for (const { member, weight } of members) writer.u32(member).u32(weight);
    const change = this.#stage();
    this.#mirror.setGroup(selector, group, members.length > 0 ? change : undefined);
  }

  selectorDelete(name: string, group: number): void {
    this.selectorSet(name, group, []);
  }

  registerRead(name: string, index: number): bigint {
    const cell = cellName(name, index);
    const known = this.#written.get(cell) ?? this.#cells.get(cell);
    if (known !== undefined) return known;
    const { host, active } = this.#host();
    if (host === undefined) {
      if (active) fail('UNAVAILABLE', 'swx-host is being restarted');
      return 0n;
    }
    if (index >= SLOT_BASE) this.#readSlots(host, name, this.#slot(index));
    else this.#readCells(host, name, index);
    return this.#cells.get(cell) ?? 0n;
  }

  registerWrite(name: string, index: number, value: bigint): void {
    const register = this.layout.register(name);
    if (index >= SLOT_BASE) {
      const { table, key } = this.#slot(index);
      // A new host counts from 0 by itself.
      if (
        value === 0n &&
        this.runner(this).whenReady() === undefined &&
        !this.#written.has(cellName(name, index))
      )
        return;
      this.#scratch.u8(Change.COUNTER).u16(register).u16(table.id).bytes(key).u64(value);
      this.#stage();
    } else {
      this.#scratch.u8(Change.REGISTER).u16(register).u32(index).u64(value);
      this.#mirror.setCell(register, index, this.#stage());
    }
    this.#written.set(cellName(name, index), value);
    this.#cells.clear();
  }

  /**
   * Makes the changes live. RESOURCE_EXHAUSTED or INTERNAL if the host refuses one; then it has taken none of them.
   * While the host is being restarted this waits for the next one, which is given everything.
   */
  commit(): Promise<void> | undefined {
    const ready = this.runner(this).whenReady();
    const changes = this.#changes;
    // What has to wait for a host is in the mirror, but for counts.
    this.#changes = ready === undefined ? changes.filter(isCount) : [];
    if (ready === undefined) return undefined;
    return ready.then((host) => this.#send(host, changes)).finally(() => this.#written.clear());
  }

  /** Gives a new host everything. What is staged now is part of it. */
  async program(host: SwxHost): Promise<void> {
    this.layout.check(host.description);
    const counts = this.#changes.filter(isCount);
    this.#changes = [];
    this.#written.clear();
    await sendBatch(host, [...this.#mirror.changes(), ...counts]);
  }

  async #send(host: SwxHost, changes: readonly Uint8Array[]): Promise<void> {
    if (changes.length === 0) return;
    try {
      await sendBatch(host, changes);
    } catch (error) {
      // A host that ended in the middle of it: the next one is given this, too.
      if (this.#host().host === host && !(await hasEnded(host))) throw error;
      await this.runner(this).whenReady();
    }
  }

  #stage(): Uint8Array {
    const change = this.#scratch.take();
    this.#changes.push(change);
    return change;
  }

  #host(): { readonly host: SwxHost | undefined; readonly active: boolean } {
    const runner = this.runner(this);
    const { host } = runner;
    return { host, active: host !== undefined || runner.whenReady() !== undefined };
  }

  #slot(index: number): Slot {
    return this.#mirror.slot(index - SLOT_BASE) ?? fail('INTERNAL', `no entry ${index - SLOT_BASE}`);
  }

  #readCells(host: SwxHost, name: string, first: number): void {
    const size = this.schema.registers.get(name) ?? 0;
    // One cell alone, until somebody goes through them.
    const count = Math.min(this.#cells.has(cellName(name, first - 1)) ? CELLS_READ : 1, size - first);
    const body = new ByteWriter().u16(this.layout.register(name)).u32(first).u32(count).view();
    const reader = host.requestNow(Operation.READ_REGISTERS, body);
    for (let i = 0; i < count; i++) this.#keep(cellName(name, first + i), reader.u64());
  }

  #readSlots(host: SwxHost, name: string, first: Slot): void {
    const previous = cellName(name, SLOT_BASE + first.number - 1);
    const slots = this.#mirror.slotsFrom(first, this.#cells.has(previous) ? SLOTS_READ : 1);
    const body = new ByteWriter().u16(this.layout.register(name)).u16(first.table.id).u32(slots.length);
    for (const { key } of slots) body.bytes(key);
    const reader = host.requestNow(Operation.READ_COUNTERS, body.view());
    for (const { number } of slots) this.#keep(cellName(name, SLOT_BASE + number), reader.u64());
  }

  /** What was read stays for this turn of the event loop only: no read may see what was before it. */
  #keep(cell: string, value: bigint): void {
    this.#cells.set(cell, value);
    if (this.#cellsExpire) return;
    this.#cellsExpire = true;
    setImmediate(() => {
      this.#cellsExpire = false;
      this.#cells.clear();
    });
  }
}

function isCount(change: Uint8Array): boolean {
  return change[0] === Change.COUNTER;
}

function cellName(register: string, index: number): string {
  return `${register}:${index}`;
}

/** All or none of the changes. */
async function sendBatch(host: SwxHost, changes: readonly Uint8Array[]): Promise<void> {
  for (let at = 0; at < changes.length; ) {
    const first = at;
    let bytes = 0;
    while (at < changes.length && (at === first || bytes < BATCH_BYTES)) bytes += changes[at++]?.length ?? 0;
    const body = new ByteWriter(bytes + 8).u8(at === changes.length ? BATCH_COMMIT : 0).u32(at - first);
    for (let i = first; i < at; i++) body.bytes(changes[i] ?? new Uint8Array(0));
    try {
      await host.request(Operation.BATCH, body.view());
    } catch (error) {
      if (first > 0) await host.request(Operation.ABORT);
      throw error;
    }
  }
}

async function hasEnded(host: SwxHost): Promise<boolean> {
  const pause = new Promise<false>((resolve) => setTimeout(() => resolve(false), ENDING_MS));
  return await Promise.race([host.ended.then(() => true), pause]);
}

/** A connection may be lost a moment before the process is known to be gone. */
const ENDING_MS = 100;
