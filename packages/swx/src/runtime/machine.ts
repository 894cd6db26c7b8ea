import { planKey } from '../compiler/keys.js';
import { type Layout, MAX_PACKET_BYTES, STATE } from '../compiler/layout.js';
import { numberObjects, registerSize } from '../compiler/program.js';
import { selectorRange } from '../compiler/tables.js';
import type { SwxSpec } from '../spec.js';
import type { Tracer } from '../trace.js';
import { crc32c, jhash, toeplitz } from './hash.js';
import { LearnerTable } from './learner.js';
import { MatchTable, widestArguments } from './match-table.js';
import { MeterArray } from './meters.js';
import { Selector } from './selector.js';

/** Where copies of packets go: see SwxPipeline.mirrorSet. */
export interface MirrorSession {
  readonly port: number;
  /** Copies are cut to this many bytes. */
  readonly truncateBytes: number;
}

const MIRROR_SLOTS = 64;
/** Passes of one packet through the pipeline. */
export const MAX_PASSES = 64;
const MAX_EMITS = 256;
const CACHED_VIEWS = 2048;

/** Events that the machine counts. */
export interface MachineCounts {
  received: number;
  transmitted: number;
  dropped: number;
  malformed: number;
  mirrored: number;
  recirculated: number;
  learned: number;
  notLearned: number;
}

/** What generated code works on: the state of one packet, and the objects of the pipeline. */
export class Machine {
  readonly #clock: () => number;
  readonly #onTransmit: (port: number, packet: Uint8Array) => void;
  readonly state: Int32Array;
  readonly buffer: Uint8Array;
  readonly view: DataView;
  /** Number of pieces, then offset and length of each: what `emit` has put in front of the payload so far. */
  readonly emits = new Int32Array(1 + 2 * MAX_EMITS);
  /** Bytes for hashes of metadata and arguments. */
  readonly scratch: Uint8Array;
  /** Hits and misses of each table. */
  readonly lookups: Float64Array;
  readonly registers: readonly Int32Array[];
  readonly meters: readonly MeterArray[];
  readonly tables: readonly (MatchTable | LearnerTable | Selector)[];
  readonly rssKeys: Uint8Array[];
  readonly mirrorSessions = new Map<number, MirrorSession>();
  tracer: Tracer | undefined;
  readonly counts: MachineCounts = {
    received: 0,
    transmitted: 0,
    dropped: 0,
    malformed: 0,
    mirrored: 0,
    recirculated: 0,
    learned: 0,
    notLearned: 0,
  };
  #time = -1;
  #mirrors: Map<number, number> | undefined;
  readonly #assembly: Uint8Array;
  readonly #views: (Uint8Array | undefined)[] = new Array(CACHED_VIEWS);
  readonly #layout: Layout;

  constructor(
    spec: SwxSpec,
    layout: Layout,
    clock: () => number,
    onTransmit: (port: number, packet: Uint8Array) => void,
  ) {
    this.#layout = layout;
    this.#clock = clock;
    this.#onTransmit = onTransmit;
    this.state = Int32Array.from(layout.initial);
    this.buffer = new Uint8Array(layout.bufferBytes);
    this.view = new DataView(this.buffer.buffer);
    this.#assembly = new Uint8Array(layout.bufferBytes);
    const structBytes = [spec.metadata, ...spec.structs.values()].map(({ bytes }) => bytes);
    this.scratch = new Uint8Array(structBytes.reduce((most, bytes) => Math.max(most, bytes), 0));
    const now = () => this.now();
    this.registers = [...spec.registers.values()].map(({ size, initial }) => registerArray(size, initial));
    this.meters = [...spec.meters.values()].map(({ name, size }) => new MeterArray(name, size, now));
    this.rssKeys = spec.rss.map(() => new Uint8Array(40));
    const learners = [...spec.learners.values()].map((learner) => {
      const shape = {
        keyWords: planKey(learner.key).length,
        argWords: widestArguments(spec, learner),
        timed: true,
      };
      return new LearnerTable(shape, learner.size, learner.timeouts, now);
    });
    const selectors = [...spec.selectors.values()].map(
      ({ name, fields, groups, slots }) => new Selector(name, selectorRange(fields).bytes, groups, slots),
    );
    this.tables = [
      ...[...spec.tables.values()].map((table) => new MatchTable(spec, table)),
      ...learners,
      ...selectors,
    ];
    this.lookups = new Float64Array(2 * numberObjects(spec).tables.size);
  }

  /** The time of the packet in ms: the clock is read at most once for each packet. */
  now(): number {
    if (this.#time < 0) this.#time = this.#clock();
    return this.#time;
  }

  /** Lets the next look at the clock be a new one, between packets. */
  forgetTime(): void {
    this.#time = -1;
  }

  /** Runs a packet, and again for as long as it is recirculated. */
  process(run: () => number, port: number, packet: Uint8Array, length: number): void {
    const { state, buffer, counts } = this;
    const layout = this.#layout;
    counts.received++;
    this.#time = -1;
    state.set(layout.initial);
    state[STATE.port] = port;
    buffer.set(length === packet.length ? packet : packet.subarray(0, length), layout.packetBase);
    this.#begin(length);
    run();
    while (state[STATE.recirculate] !== 0) {
      state[STATE.recirculate] = 0;
      counts.recirculated++;
      const pass = (state[STATE.pass] ?? 0) + 1;
      if (pass >= MAX_PASSES) {
        this.drop();
        return;
      }
      const start = state[STATE.pointer] ?? 0;
      const end = state[STATE.end] ?? 0;
      buffer.copyWithin(layout.packetBase, start, end);
      state.set(layout.initial.subarray(layout.headerWords), layout.headerWords);
      state[STATE.pass] = pass;
      this.#begin(end - start);
      run();
    }
  }

  /** `tx`: puts the emitted headers in front of what was not extracted, and sends it or keeps it for the next pass. */
  transmit(port: number): void {
    const start = this.#assemble();
    const end = start < 0 ? -1 : this.#outputEnd(start);
    if (end <= start) {
      this.giveUp();
      return;
    }
    if (this.#mirrors !== undefined) this.#sendMirrors(start, end);
    if (this.state[STATE.recirculate] !== 0) {
      this.state[STATE.pointer] = start;
      this.state[STATE.end] = end;
      this.tracer?.recirculated();
      return;
    }
    this.counts.transmitted++;
    const packet = this.#slice(start, end - start);
    this.tracer?.transmitted(port, packet);
    this.#onTransmit(port, packet);
  }

  drop(): void {
    this.state[STATE.recirculate] = 0;
    if (this.#mirrors !== undefined) {
      const start = this.#assemble();
      const end = start < 0 ? -1 : this.#outputEnd(start);
      if (end > start) this.#sendMirrors(start, end);
    }
    this.counts.dropped++;
    this.tracer?.dropped('drop');
  }

  /** `mirror`: a copy of the packet, as it leaves, is to go to a session. */
  mirror(slot: number, session: number): void {
    this.#mirrors ??= new Map();
    this.#mirrors.set(slot & (MIRROR_SLOTS - 1), session >>> 0);
  }

  /**
   * A header reaches beyond the packet: the bytes there are zero. True when it reaches beyond the buffer, too, and the
   * packet is given up.
   */
  overrun(end: number): boolean {
    const { state, buffer } = this;
    if (end > buffer.length - this.#layout.scratchBytes) {
      this.giveUp();
      return true;
    }
    buffer.fill(0, state[STATE.clean], end);
    state[STATE.clean] = end;
    return false;
  }

  /** A packet that cannot be processed to its end: no `tx` can make a packet of it, or its program does not end. */
  giveUp(): void {
    this.state[STATE.recirculate] = 0;
    this.counts.malformed++;
    this.tracer?.dropped('malformed');
  }

  tooManyEmits(): void {
    this.emits[0] = MAX_EMITS;
  }

  jhash(bytes: Uint8Array, from: number, count: number): number {
    return jhash(bytes, from, count);
  }

  crc32(bytes: Uint8Array, from: number, count: number): number {
    return crc32c(bytes, from, count, 0);
  }

  rss(object: number, bytes: Uint8Array, from: number, count: number): number {
    return toeplitz(this.rssKeys[object] ?? new Uint8Array(40), bytes, from, count);
  }

  #begin(length: number): void {
    const { state, buffer } = this;
    const layout = this.#layout;
    buffer.fill(0, 0, layout.scratchBytes);
    state[STATE.pointer] = layout.packetBase;
    state[STATE.end] = layout.packetBase + length;
    state[STATE.clean] = layout.packetBase + length;
    this.emits[0] = 0;
    this.#mirrors = undefined;
  }

  /** Where the outgoing packet starts; negative when its headers do not fit in front of it. */
  #assemble(): number {
    const { emits, buffer, state } = this;
    const pointer = state[STATE.pointer] ?? 0;
    const pieces = emits[0] ?? 0;
    if (pieces === 0) return pointer;
    const first = emits[1] ?? 0;
    if (pieces === 1 && first + (emits[2] ?? 0) === pointer) return first;
    if (pieces >= MAX_EMITS) return -1;
    let total = 0;
    for (let i = 1; i <= pieces; i++) total += emits[2 * i] ?? 0;
    // Not into the scratch space, where the headers that were not extracted are.
    if (total > pointer - this.#layout.scratchBytes) return -1;
    let at = 0;
    for (let i = 1; i <= pieces; i++) {
      const from = emits[2 * i - 1] ?? 0;
      const bytes = emits[2 * i] ?? 0;
      this.#assembly.set(buffer.subarray(from, from + bytes), at);
      at += bytes;
    }
    buffer.set(this.#assembly.subarray(0, total), pointer - total);
    return pointer - total;
  }

  /**
   * Where the outgoing packet ends. What was extracted beyond the end of the packet does not count: a truncated header
   * goes out as truncated as it came in.
   */
  #outputEnd(start: number): number {
    const end = this.state[STATE.end] ?? 0;
    return end > start + MAX_PACKET_BYTES ? -1 : end;
  }

  #sendMirrors(start: number, end: number): void {
    for (const [, session] of [...(this.#mirrors ?? [])].sort(([a], [b]) => a - b)) {
      const target = this.mirrorSessions.get(session);
      if (target === undefined) continue;
      this.counts.mirrored++;
      const packet = this.#slice(start, Math.min(end - start, target.truncateBytes));
      this.tracer?.mirrored(target.port, packet);
      this.#onTransmit(target.port, packet);
    }
    this.#mirrors = undefined;
  }

  #slice(start: number, length: number): Uint8Array {
    if (start !== this.#layout.packetBase || length >= CACHED_VIEWS)
      return this.buffer.subarray(start, start + length);
    let view = this.#views[length];
    if (view === undefined) {
      view = this.buffer.subarray(start, start + length);
      this.#views[length] = view;
    }
    return view;
  }
}

/** 64-bit registers as pairs of words, the more significant first. */
function registerArray(declared: number, initial: bigint): Int32Array {
  const array = new Int32Array(2 * registerSize(declared));
  if (initial !== 0n) {
    for (let i = 0; i < array.length; i += 2) {
      array[i] = Number(initial >> 32n);
      array[i + 1] = Number(initial & 0xffffffffn);
    }
  }
  return array;
}
