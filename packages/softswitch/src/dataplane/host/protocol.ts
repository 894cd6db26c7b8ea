import { fail, SoftswitchError, type StatusName } from '../../errors.js';
import { ByteReader, ByteWriter } from './wire.js';

/** What a data plane host can be asked for; tools/swx-host/README.md describes each. */
export const Operation = {
  HELLO: 1,
  DESCRIBE: 2,
  BATCH: 3,
  COMMIT: 4,
  ABORT: 5,
  READ_REGISTERS: 6,
  READ_COUNTERS: 7,
  STATISTICS: 8,
  ADD_PORT: 9,
  REMOVE_PORT: 10,
  INJECT: 11,
  RECEIVE: 12,
  REPLAY: 13,
  STOP: 14,
  START: 15,
  PING: 16,
  WATCH: 17,
  LIST_PORTS: 18,
  TAKE_PORT: 19,
  LIST_ENTRIES: 20,
  READ_DEFAULTS: 21,
  LIST_GROUPS: 22,
  LIST_NOTES: 23,
  READ_NOTE: 24,
  LIST_LEARNED: 25,
  TRACE: 26,
  READ_LEARNED: 27,
  COUNT_LEARNED: 28,
  READ_TIMEOUTS: 29,
  READ_METERS: 30,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/**
 * These work whatever version the two sides have, and never change: a host of another version can be told from others,
 * give its ports away and be ended.
 */
export const STABLE_OPERATIONS: ReadonlySet<number> = new Set([
  Operation.HELLO,
  Operation.STOP,
  Operation.LIST_PORTS,
  Operation.TAKE_PORT,
]);

/** Changes in a BATCH. */
export const Change = {
  SET: 1,
  DELETE: 2,
  DEFAULT: 3,
  LEARNER_DEFAULT: 4,
  GROUP: 5,
  REGISTER: 6,
  COUNTER: 7,
  TIMEOUT: 8,
  NOTE: 9,
  FORGET: 10,
  METER: 11,
  METER_COUNTS: 12,
} as const;

/** What hosts say of themselves, under the sequence number {@link EVENT}. */
export const HostEvent = { PORT_LOST: 1 } as const;

export const BATCH_COMMIT = 1;

export const PortKind = { DEVICE: 1, DESCRIPTOR: 2, MEMORY: 3 } as const;

export const MAGIC = 0x4858_5753;
export const PROTOCOL_VERSION = 2;
/** Length, sequence number, operation or status. */
export const HEADER_BYTES = 10;
/** Bytes of the length, which does not count itself. */
export const LENGTH_BYTES = 4;
/** Largest message, but for answers. */
export const MESSAGE_MAX = 64 << 20;
/** Sequence number of what is no answer. */
export const EVENT = 0xffff_ffff;
/** Where a list goes on when it does not: it was the last piece. */
export const LIST_END = 0xffff_ffff;

/** In the filter of LIST_LEARNED: whatever the action. */
export const ANY_ACTION = 0xffff;

/** The kinds of data plane, as hosts call themselves. */
export type HostKind = 'engine' | 'dpdk';

const STATUS_NAMES: readonly StatusName[] = [
  'OK',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
  'INTERNAL',
  'UNIMPLEMENTED',
  'ALREADY_EXISTS',
];

export function encodeRequest(sequence: number, operation: Operation, body: Uint8Array): Uint8Array {
  return message(sequence, operation, body);
}

/** The body of an answer; what the host has refused is thrown. */
export function decodeAnswer(status: number, body: Buffer): ByteReader {
  const reader = new ByteReader(body);
  if (status !== 0) fail(STATUS_NAMES[status] ?? 'INTERNAL', `data plane: ${reader.text()}`);
  return reader;
}

export function encodeAnswer(sequence: number, body: Uint8Array): Uint8Array {
  return message(sequence, 0, body);
}

export function encodeRefusal(sequence: number, error: unknown): Uint8Array {
  const { code, message: reason } = SoftswitchError.from(error);
  const status = STATUS_NAMES.indexOf(code);
  const body = new ByteWriter().text(reason.slice(0, 1024));
  return message(sequence, status > 0 ? status : STATUS_NAMES.indexOf('INTERNAL'), body.view());
}

export function encodeEvent(event: number, body: Uint8Array): Uint8Array {
  return message(EVENT, event, body);
}

function message(sequence: number, code: number, body: Uint8Array): Uint8Array {
  return new ByteWriter(HEADER_BYTES + body.length)
    .u32(body.length + HEADER_BYTES - LENGTH_BYTES)
    .u32(sequence)
    .u16(code)
    .bytes(body)
    .view();
}

export function helloBody(): Uint8Array {
  return new ByteWriter(6).u32(MAGIC).u16(PROTOCOL_VERSION).view();
}

export interface Greeting {
  readonly version: number;
  readonly kind: string;
  /** What runs the program: `DPDK 22.11.11`. */
  readonly software: string;
  readonly pid: number;
  /** How many ports there can be. */
  readonly slots: number;
  /** Tables and ports were made ready, and packets run. */
  readonly started: boolean;
  /** The program runs as machine code that was made of it; the engine always makes some. */
  readonly compiled: boolean;
  /** Why it is interpreted, if it should not be; else empty. */
  readonly interpretedBecause: string;
}

export function writeGreeting(greeting: Greeting): Uint8Array {
  const { version, kind, software, pid, slots, started, compiled, interpretedBecause } = greeting;
  return new ByteWriter()
    .u16(version)
    .text(kind)
    .text(software)
    .u32(pid)
    .u32(slots)
    .u8(started ? 1 : 0)
    .u8(compiled ? 1 : 0)
    .text(interpretedBecause)
    .view();
}

/** Also of a host from before there was compiled code by default, which says nothing of it. */
export function readGreeting(reader: ByteReader): Greeting {
  return {
    version: reader.u16(),
    kind: reader.text(),
    software: reader.text(),
    pid: reader.u32(),
    slots: reader.u32(),
    started: reader.u8() !== 0,
    compiled: !reader.atEnd && reader.u8() !== 0,
    interpretedBecause: reader.atEnd ? '' : reader.text(),
  };
}

/** What runs the program, and how: `DPDK 22.11.11, compiled`. */
export function softwareOf({ kind, software, compiled, interpretedBecause }: Greeting): string {
  if (kind === 'engine') return software;
  const how = compiled ? 'compiled' : 'interpreted';
  return `${software}, ${how}${interpretedBecause === '' ? '' : `: ${interpretedBecause}`}`;
}

export interface ListedPort {
  readonly number: number;
  readonly kind: number;
  readonly name: string;
  readonly mtu: number;
  /** Its device is gone. */
  readonly lost: boolean;
}

export function writePorts(ports: readonly ListedPort[]): Uint8Array {
  const writer = new ByteWriter().u32(ports.length);
  for (const { number, kind, name, mtu, lost } of ports)
    writer
      .u16(number)
      .u8(kind)
      .text(name)
      .u32(mtu)
      .u8(lost ? 1 : 0);
  return writer.view();
}

export function readPorts(reader: ByteReader): ListedPort[] {
  return reader.list(reader.u32(), () => ({
    number: reader.u16(),
    kind: reader.u8(),
    name: reader.text(),
    mtu: reader.u32(),
    lost: reader.u8() !== 0,
  }));
}

/** What the host made of the program, as far as it must agree with what this side thinks of it. */
export interface Description {
  readonly actions: readonly { readonly name: string; readonly params: readonly number[] }[];
  readonly tables: readonly DescribedTable[];
  readonly learners: readonly DescribedTable[];
  readonly selectors: readonly {
    readonly name: string;
    readonly groups: number;
    readonly slots: number;
  }[];
  readonly registers: readonly DescribedArray[];
  readonly meters: readonly DescribedArray[];
}

export interface DescribedArray {
  readonly name: string;
  readonly size: number;
}

export interface DescribedTable {
  readonly name: string;
  readonly exact: boolean;
  /** It has only a default action. */
  readonly keyless: boolean;
  readonly defaultIsConst: boolean;
  readonly size: number;
  /** Bytes of each key field. */
  readonly fields: readonly number[];
  readonly actions: readonly number[];
  /** How many there are. */
  readonly timeouts: number;
}

export function writeDescription(description: Description): Uint8Array {
  const writer = new ByteWriter(4096).u16(description.actions.length);
  for (const { name, params } of description.actions) {
    writer.text(name).u16(params.length);
    for (const param of params) writer.u16(param);
  }
  for (const tables of [description.tables, description.learners]) {
    writer.u16(tables.length);
    for (const table of tables) writeTable(writer, table);
  }
  writer.u16(description.selectors.length);
  for (const { name, groups, slots } of description.selectors) writer.text(name).u32(groups).u32(slots);
  for (const arrays of [description.registers, description.meters]) {
    writer.u16(arrays.length);
    for (const { name, size } of arrays) writer.text(name).u32(size);
  }
  return writer.view();
}

/** Also of a host from before there were meters, which says nothing of them. */
export function readDescription(reader: ByteReader): Description {
  const arrays = () => reader.list(reader.u16(), () => ({ name: reader.text(), size: reader.u32() }));
  return {
    actions: reader.list(reader.u16(), () => ({
      name: reader.text(),
      params: reader.list(reader.u16(), () => reader.u16()),
    })),
    tables: reader.list(reader.u16(), () => readTable(reader)),
    learners: reader.list(reader.u16(), () => readTable(reader)),
    selectors: reader.list(reader.u16(), () => ({
      name: reader.text(),
      groups: reader.u32(),
      slots: reader.u32(),
    })),
    registers: arrays(),
    meters: reader.atEnd ? [] : arrays(),
  };
}

function writeTable(writer: ByteWriter, table: DescribedTable): void {
  writer.text(table.name).u8(table.exact ? 1 : 0);
  writer.u8(table.keyless ? 1 : 0).u8(table.defaultIsConst ? 1 : 0);
  writer.u32(table.size).u16(table.fields.length);
  for (const field of table.fields) writer.u16(field);
  writer.u16(table.actions.length);
  for (const action of table.actions) writer.u16(action);
  writer.u16(table.timeouts);
}

function readTable(reader: ByteReader): DescribedTable {
  return {
    name: reader.text(),
    exact: reader.u8() !== 0,
    keyless: reader.u8() !== 0,
    defaultIsConst: reader.u8() !== 0,
    size: reader.u32(),
    fields: reader.list(reader.u16(), () => reader.u16()),
    actions: reader.list(reader.u16(), () => reader.u16()),
    timeouts: reader.u16(),
  };
}
