import type { Random } from '@infra-offload/faults';
import {
  BATCH_COMMIT,
  Change,
  HEADER_BYTES,
  LENGTH_BYTES,
  Operation,
  PortKind,
  PROTOCOL_VERSION,
} from '../dataplane/host/protocol.js';
import { ByteWriter } from '../dataplane/host/wire.js';

/** A message to a data plane host that has the right form, or almost. */
export interface HostileMessage {
  readonly operation: number;
  readonly body: Uint8Array;
}

/** What ends a host by its own will, or holds it up for long, as whoever reaches its socket may. */
const HARMFUL: readonly number[] = [Operation.STOP, Operation.REPLAY];
const OPERATIONS = Object.values(Operation).filter((operation) => !HARMFUL.includes(operation));
const CHANGES = Object.values(Change);
/** Numbers at which something may turn. */
const EDGES = [
  0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 255, 256, 4095, 4096, 65_535, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff,
];
const LONGEST = 48;
/** Bytes of the key of its learner. */
const LEARNER_KEY = 8;

/** A message for the small program (forwarding.ts), often damaged. */
export function hostileMessage(random: Random): HostileMessage {
  const any = random.below(65_536);
  const operation = random.chance(3) && !HARMFUL.includes(any) ? any : random.pick(OPERATIONS);
  let body = bodyOf(random, operation);
  if (random.chance(30)) body = damaged(random, body);
  // DPDK would open devices of the machine by their names.
  if (operation === Operation.ADD_PORT && body[2] === PortKind.DEVICE) body[2] = PortKind.MEMORY;
  return { operation, body };
}

/** Bytes for a host's socket without the messages in them that may do harm: pings in their place. */
export function harmless(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let at = 0; at + HEADER_BYTES <= copy.length; at += LENGTH_BYTES + copy.readUInt32LE(at)) {
    const operation = at + HEADER_BYTES - 2;
    if (HARMFUL.includes(copy.readUInt16LE(operation))) copy.writeUInt16LE(Operation.PING, operation);
  }
  return copy;
}

/** Flips, cuts or lengthens. */
export function damaged(random: Random, body: Uint8Array): Uint8Array {
  const copy = new Uint8Array(body);
  switch (random.below(3)) {
    case 0:
      for (let i = random.below(4); i >= 0 && copy.length > 0; i--)
        copy[random.below(copy.length)] = random.below(256);
      return copy;
    case 1:
      return copy.subarray(0, random.below(copy.length + 1));
    default:
      return Buffer.concat([copy, random.bytes(random.below(LONGEST))]);
  }
}

function bodyOf(random: Random, operation: number): Uint8Array {
  const writer = new ByteWriter();
  const number = (): number => (random.chance(50) ? random.below(8) : random.pick(EDGES));
  const u16 = (): unknown => writer.u16(number() & 0xffff);
  const u32 = (): unknown => writer.u32(number());
  switch (operation) {
    case Operation.BATCH: {
      const count = 1 + random.below(4);
      writer.u8(random.chance(80) ? BATCH_COMMIT : random.below(4)).u32(random.chance(90) ? count : number());
      for (let i = 0; i < count; i++) change(random, writer);
      return writer.view();
    }
    case Operation.READ_REGISTERS:
    case Operation.READ_METERS:
      u16();
      u32();
      u32();
      return writer.view();
    case Operation.READ_COUNTERS:
      u16();
      u16();
      u32();
      return writer.bytes(random.bytes(random.below(LONGEST))).view();
    case Operation.ADD_PORT:
      u16();
      return writer
        .u8(random.below(5))
        .text('x'.repeat(random.below(200)))
        .u32(number())
        .view();
    case Operation.INJECT: {
      const packets = random.below(4);
      writer.u16(random.chance(90) ? packets : number() & 0xffff);
      for (let i = 0; i < packets; i++) {
        const packet = random.bytes(random.below(LONGEST));
        u16();
        writer.u16(random.chance(90) ? packet.length : number() & 0xffff).bytes(packet);
      }
      return writer.view();
    }
    case Operation.REMOVE_PORT:
    case Operation.TAKE_PORT:
      u16();
      return writer.view();
    case Operation.LIST_ENTRIES:
    case Operation.LIST_GROUPS:
      u16();
      u32();
      u32();
      return writer.view();
    case Operation.LIST_LEARNED:
    case Operation.COUNT_LEARNED:
      writer.u16(random.chance(90) ? 0 : number() & 0xffff);
      u32();
      if (operation === Operation.LIST_LEARNED) u32();
      if (random.chance(50)) return writer.view();
      // The filter: an action, and the key and mask of the small program's learner.
      writer.u16(random.chance(50) ? 0xffff : number() & 0xffff).u8(random.below(3));
      return writer.bytes(random.bytes(random.chance(90) ? 2 * LEARNER_KEY : random.below(LONGEST))).view();
    case Operation.READ_LEARNED: {
      const count = random.below(4);
      writer.u16(random.chance(90) ? 0 : number() & 0xffff).u32(random.chance(90) ? count : number());
      return writer.bytes(random.bytes(count * LEARNER_KEY)).view();
    }
    case Operation.READ_TIMEOUTS:
      u16();
      return writer.view();
    case Operation.LIST_NOTES:
      u32();
      u32();
      return writer.view();
    case Operation.READ_NOTE:
      return writer.text(`note ${random.below(4)}`).view();
    case Operation.TRACE:
      u16();
      return writer.bytes(random.bytes(random.below(LONGEST))).view();
    case Operation.HELLO:
      return writer
        .u32(random.chance(90) ? 0x4858_5753 : number())
        .u16(random.chance(90) ? PROTOCOL_VERSION : number() & 0xffff)
        .view();
    default:
      return random.chance(90) ? writer.view() : random.bytes(random.below(LONGEST));
  }
}

/** Keys and arguments of the small program; those that do not fit are a fault, too. */
function change(random: Random, writer: ByteWriter): void {
  const code = random.chance(95) ? random.pick(CHANGES) : random.below(256);
  writer.u8(code);
  switch (code) {
    case Change.SET:
    case Change.DELETE: {
      const table = random.below(6);
      writer.u16(table);
      // acl: 4+1+6 bytes, twice, and a priority; narrow: 2 twice and a priority; the others 4.
      const key = [26, 8, 4, 4, 4, 4][table] ?? 4;
      for (let i = 0; i < key; i++) writer.u8(random.pick([0, 1, 0x80, 0xff]));
      if (code === Change.DELETE) return;
      const action = random.below(6);
      writer.u16(action).bytes(random.bytes([0, 10, 1, 4, 4][action] ?? random.below(12)));
      return;
    }
    case Change.DEFAULT:
    case Change.LEARNER_DEFAULT: {
      const action = random.below(6);
      writer.u16(random.below(6)).u16(action);
      writer.bytes(random.bytes([0, 10, 1, 4, 4][action] ?? random.below(12)));
      return;
    }
    case Change.GROUP: {
      const count = random.below(10);
      writer
        .u16(random.below(2))
        .u32(random.below(6))
        .u16(random.chance(90) ? count : 0xffff);
      for (let i = 0; i < count; i++)
        writer.u32(random.below(10)).u32(random.chance(80) ? random.below(4) : random.pick(EDGES));
      return;
    }
    case Change.METER:
    case Change.METER_COUNTS:
      writer.u16(random.below(3)).u32(random.chance(90) ? random.below(5) : random.pick(EDGES));
      if (code === Change.METER)
        for (let i = 0; i < 4; i++)
          writer.u64(random.chance(80) ? BigInt(random.below(4)) : 1n << BigInt(random.below(64)));
      return;
    case Change.FORGET:
      writer.u16(random.chance(90) ? 0 : random.below(6)).bytes(random.bytes(LEARNER_KEY));
      return;
    case Change.NOTE: {
      const value = random.bytes(random.chance(30) ? 0 : random.below(LONGEST));
      writer.text(`note ${random.below(4)}`);
      if (random.chance(90)) writer.blob(value);
      else writer.u32(random.pick(EDGES)).bytes(value);
      return;
    }
    default:
      writer
        .u16(random.below(6))
        .u32(random.pick(EDGES))
        .bytes(random.bytes(random.below(LONGEST)));
  }
}
