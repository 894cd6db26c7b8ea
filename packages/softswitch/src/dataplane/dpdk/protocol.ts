import { fail, type StatusName } from '../../errors.js';
import { ByteReader, ByteWriter } from './wire.js';

/** What swx-host can be asked for. */
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
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

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
} as const;

export const BATCH_COMMIT = 1;

export const PortKind = { DEVICE: 1, DESCRIPTOR: 2, MEMORY: 3 } as const;

const MAGIC = 0x4858_5753;
const VERSION = 1;
/** Length, sequence number, operation or status. */
export const HEADER_BYTES = 10;

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
  return new ByteWriter(HEADER_BYTES + body.length)
    .u32(body.length + HEADER_BYTES - 4)
    .u32(sequence)
    .u16(operation)
    .bytes(body)
    .view();
}

/** The body of an answer; what the host has refused is thrown. */
export function decodeAnswer(status: number, body: Buffer): ByteReader {
  const reader = new ByteReader(body);
  if (status !== 0) fail(STATUS_NAMES[status] ?? 'INTERNAL', `swx-host: ${reader.text()}`);
  return reader;
}

export function helloBody(): Uint8Array {
  return new ByteWriter(6).u32(MAGIC).u16(VERSION).view();
}

export interface Greeting {
  readonly dpdk: string;
  readonly pid: number;
  /** How many ports there can be. */
  readonly slots: number;
}

export function readGreeting(reader: ByteReader): Greeting {
  reader.u16();
  return { dpdk: reader.text(), pid: reader.u32(), slots: reader.u32() };
}

/** What DPDK made of the program, as far as it must agree with what this side thinks of it. */
export interface Description {
  readonly actions: readonly { readonly name: string; readonly params: readonly number[] }[];
  readonly tables: readonly DescribedTable[];
  readonly learners: readonly DescribedTable[];
  readonly selectors: readonly {
    readonly name: string;
    readonly groups: number;
    readonly slots: number;
  }[];
  readonly registers: readonly { readonly name: string; readonly size: number }[];
}

export interface DescribedTable {
  readonly name: string;
  readonly exact: boolean;
  /** Bytes of each key field. */
  readonly fields: readonly number[];
}

export function readDescription(reader: ByteReader): Description {
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
    registers: reader.list(reader.u16(), () => ({ name: reader.text(), size: reader.u32() })),
  };
}

function readTable(reader: ByteReader): DescribedTable {
  const name = reader.text();
  const exact = reader.u8() !== 0;
  // Whether it has only a default action, whether that is constant, how many entries it holds.
  reader.u8();
  reader.u8();
  reader.u32();
  const fields = reader.list(reader.u16(), () => reader.u16());
  // Its actions, and how many timeouts it has.
  reader.list(reader.u16(), () => reader.u16());
  reader.u16();
  return { name, exact, fields };
}

export interface HostStatistics {
  readonly received: number;
  /** Packets that the program has dropped. */
  readonly dropped: number;
  /** Packets to ports that do not exist. */
  readonly unknownPort: number;
  /** Packets shorter than their headers, of which nothing was left. */
  readonly malformed: number;
  /** How often the thread that runs packets had nothing to do and went to sleep. */
  readonly sleeps: number;
  readonly ports: readonly HostPortStatistics[];
  readonly tables: readonly { readonly entries: number; readonly hits: number; readonly misses: number }[];
  readonly learners: readonly {
    readonly hits: number;
    readonly misses: number;
    readonly learned: number;
    /** Not learned, because there was no room. */
    readonly notLearned: number;
    readonly rearmed: number;
    readonly forgotten: number;
  }[];
}

export interface HostPortStatistics {
  readonly number: number;
  readonly kind: number;
  readonly name: string;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export function readStatistics(reader: ByteReader): HostStatistics {
  return {
    received: reader.count(),
    dropped: reader.count(),
    unknownPort: reader.count(),
    malformed: reader.count(),
    sleeps: reader.count(),
    ports: reader.list(reader.u32(), () => ({
      number: reader.u16(),
      kind: reader.u8(),
      name: reader.text(),
      rxPackets: reader.count(),
      rxBytes: reader.count(),
      txPackets: reader.count(),
      txBytes: reader.count(),
      txErrors: reader.count(),
    })),
    tables: reader.list(reader.u16(), () => ({
      entries: reader.u32(),
      hits: reader.count(),
      misses: reader.count(),
    })),
    learners: reader.list(reader.u16(), () => ({
      hits: reader.count(),
      misses: reader.count(),
      learned: reader.count(),
      notLearned: reader.count(),
      rearmed: reader.count(),
      forgotten: reader.count(),
    })),
  };
}

/** A packet that came out, and the place of the packet in the request that made it come. */
export interface EmittedPacket {
  readonly cause: number;
  readonly port: number;
  readonly packet: Uint8Array;
}

export function injectBody(
  packets: readonly { readonly port: number; readonly packet: Uint8Array }[],
): Uint8Array {
  const writer = new ByteWriter(2 + packets.reduce((size, { packet }) => size + packet.length + 4, 0));
  writer.u16(packets.length);
  for (const { port, packet } of packets) writer.u16(port).u16(packet.length).bytes(packet);
  return writer.view();
}

export function readPackets(reader: ByteReader): EmittedPacket[] {
  return reader.list(reader.u32(), () => ({
    cause: reader.u16(),
    port: reader.u16(),
    packet: reader.bytes(reader.u16()),
  }));
}
