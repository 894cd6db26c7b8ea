import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { messageOf } from '@infra-offload/base';
import { P4rtError } from './errors.js';

/** One pipeline of a device config. */
export interface DeviceProfile {
  /** Name of the pipeline, `pipe` for the programs here. */
  readonly name: string;
  /** context.json of p4c, as it is. */
  readonly context: Uint8Array;
  /** What the target runs; for DPDK the text of the `.spec`. */
  readonly binary: Uint8Array;
  /** Pipes of the device that run it; none means all. */
  readonly pipeScope?: readonly number[];
}

/**
 * The `p4_device_config` that infrap4d takes and `tdi_pipeline_builder` makes: a protobuf message with the program's
 * name (1), its bf-rt.json (2) and the profiles (3: name 1, context 2, binary 3, pipe scope 4). The softswitch's own field
 * (1000) has the entries of the program.
 */
export interface DeviceConfig {
  readonly name: string;
  /** bf-rt.json of p4c, as it is. */
  readonly bfrtInfo: Uint8Array;
  readonly profiles: readonly DeviceProfile[];
  /**
   * The entries that the program's tables begin with (`const entries`, `entries`), which neither context.json nor the `.spec`
   * has: a p4.v1.WriteRequest in binary, as p4c writes it with `--p4runtime-entries-files name.bin`. For the softswitch;
   * infrap4d skips it.
   */
  readonly entries?: Uint8Array;
}

/** What any device has by far; more would only take memory. */
const MAX_PROFILES = 256;
const MAX_PIPES = 4_096;

/** Far from what infrap4d's message may get one day. */
const ENTRIES = 1_000;

const field = (number: number, type: WireType) => ((number << 3) | type) >>> 0;

/** The bytes of a device config. The same config always gives the same bytes. */
export function encodeDeviceConfig(config: DeviceConfig): Uint8Array {
  const writer = new BinaryWriter();
  if (config.name !== '') writer.uint32(field(1, WireType.LengthDelimited)).string(config.name);
  if (config.bfrtInfo.length > 0) writer.uint32(field(2, WireType.LengthDelimited)).bytes(config.bfrtInfo);
  for (const profile of config.profiles) {
    writer.uint32(field(3, WireType.LengthDelimited)).fork();
    if (profile.name !== '') writer.uint32(field(1, WireType.LengthDelimited)).string(profile.name);
    if (profile.context.length > 0) writer.uint32(field(2, WireType.LengthDelimited)).bytes(profile.context);
    if (profile.binary.length > 0) writer.uint32(field(3, WireType.LengthDelimited)).bytes(profile.binary);
    if (profile.pipeScope !== undefined && profile.pipeScope.length > 0) {
      writer.uint32(field(4, WireType.LengthDelimited)).fork();
      for (const pipe of profile.pipeScope) writer.uint32(pipe);
      writer.join();
    }
    writer.join();
  }
  if (config.entries !== undefined && config.entries.length > 0) {
    writer.uint32(field(ENTRIES, WireType.LengthDelimited)).bytes(config.entries);
  }
  return writer.finish();
}

/**
 * Reads a device config. Unknown fields are skipped, as protobuf demands.
 * @throws P4rtError MALFORMED when the bytes are not a device config, or one without any profile
 */
export function decodeDeviceConfig(bytes: Uint8Array): DeviceConfig {
  const reader = new BinaryReader(bytes);
  let name = '';
  let bfrtInfo: Uint8Array = new Uint8Array(0);
  const profiles: DeviceProfile[] = [];
  let entries: Uint8Array | undefined;
  readMessage(reader, 'device config', 0, (field, type) => {
    switch (field) {
      case 1:
        name = text(delimited(reader, type));
        return true;
      case 2:
        bfrtInfo = delimited(reader, type);
        return true;
      case 3: {
        const profile = delimited(reader, type);
        if (profiles.length === MAX_PROFILES) throw new Error(`there are more than ${MAX_PROFILES} profiles`);
        profiles.push(readProfile(profile, profiles.length, reader.pos - profile.length));
        return true;
      }
      case ENTRIES:
        entries = delimited(reader, type);
        return true;
      default:
        return false;
    }
  });
  if (profiles.length === 0) {
    throw malformed(
      bytes.length,
      'it has no profile; make it with tdi_pipeline_builder or encodeDeviceConfig()',
    );
  }
  return { name, bfrtInfo, profiles, ...(entries === undefined ? {} : { entries }) };
}

function readProfile(bytes: Uint8Array, index: number, start: number): DeviceProfile {
  const reader = new BinaryReader(bytes);
  let name = '';
  let context: Uint8Array = new Uint8Array(0);
  let binary: Uint8Array = new Uint8Array(0);
  const pipeScope: number[] = [];
  const pipe = (from: BinaryReader) => {
    if (pipeScope.length === MAX_PIPES) throw new Error(`there are more than ${MAX_PIPES} pipes`);
    pipeScope.push(from.uint32());
  };
  readMessage(reader, `profile ${index}`, start, (field, type) => {
    switch (field) {
      case 1:
        name = text(delimited(reader, type));
        return true;
      case 2:
        context = delimited(reader, type);
        return true;
      case 3:
        binary = delimited(reader, type);
        return true;
      case 4: {
        // Repeated numbers come packed, or one by one from older writers.
        if (type === WireType.Varint) {
          pipe(reader);
          return true;
        }
        const packed = new BinaryReader(delimited(reader, type));
        while (packed.pos < packed.len) pipe(packed);
        return true;
      }
      default:
        return false;
    }
  });
  return { name, context, binary, ...(pipeScope.length === 0 ? {} : { pipeScope }) };
}

/** Reads fields until the end; `read` tells whether it knows the field, others are skipped. */
function readMessage(
  reader: BinaryReader,
  what: string,
  start: number,
  read: (field: number, type: WireType) => boolean,
): void {
  while (reader.pos < reader.len) {
    const at = start + reader.pos;
    let field = 0;
    try {
      const [number, type] = reader.tag();
      field = number;
      if (!read(number, type)) reader.skip(type, number);
    } catch (error) {
      if (P4rtError.is(error)) throw error;
      const reason = messageOf(error);
      throw malformed(at, `${what}${field > 0 ? `, field ${field}` : ''}: ${reason}`, error);
    }
  }
}

function delimited(reader: BinaryReader, type: WireType): Uint8Array {
  if (type !== WireType.LengthDelimited) throw new Error(`wire type ${type} where bytes or text belong`);
  return reader.bytes();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function malformed(offset: number, reason: string, cause?: unknown): P4rtError<'MALFORMED'> {
  return new P4rtError('MALFORMED', `device config, byte ${offset}: ${reason}`, {
    details: { offset },
    cause,
  });
}
