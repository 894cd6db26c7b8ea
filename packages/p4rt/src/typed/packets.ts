import type { PacketMetadataDescriptor, ProgramDescriptor } from '@infra-offload/p4info';
import { invalid, malformed } from '../errors.js';
import type {
  DigestEntry_Config,
  DigestList,
  Entity,
  P4Data,
  PacketMetadata,
} from '../gen/p4/v1/p4runtime.js';
import { int32 } from './indirect.js';
import { NamedValues } from './named-values.js';
import type { DecodedValue, Value, ValueOf } from './types.js';
import { ValueCodec } from './value-codec.js';

/** The metadata of packets from or to the controller (the headers `packet_in` and `packet_out` of a program). */
export interface TypedPacketMetadata<H extends PacketMetadataDescriptor> {
  readonly name: string;
  /** All fields, for `session.packetOut()`. @throws P4rtError INVALID, UNKNOWN_NAME */
  encode(
    values: { readonly [F in keyof H['fields']]: ValueOf<H['fields'][F]['bitwidth']> },
  ): PacketMetadata[];
  /** The fields of a packet that came in. @throws P4rtError MALFORMED */
  decode(metadata: readonly PacketMetadata[]): {
    readonly [F in keyof H['fields']]: DecodedValue<H['fields'][F]['bitwidth']>;
  };
}

/** Packet metadata at run time. Its typed face is {@link TypedPacketMetadata}. */
export class RuntimePacketMetadata {
  readonly name: string;
  readonly #fields: NamedValues;

  constructor(name: string, descriptor: PacketMetadataDescriptor) {
    this.name = name;
    this.#fields = new NamedValues(`packet metadata '${name}'`, 'field', descriptor.fields);
  }

  encode(values: Readonly<Record<string, Value>>): PacketMetadata[] {
    return this.#fields.encode(values, (metadataId, value) => ({ metadataId, value }));
  }

  decode(metadata: readonly PacketMetadata[]): Record<string, number | bigint | string> {
    return this.#fields.decode((id) => metadata.find((one) => one.metadataId === id)?.value);
  }
}

/** How a digest is sent (P4Runtime 1.5, "DigestEntry"). */
export interface DigestConfig {
  /** Longest time that data waits for more; 0 sends at once. */
  readonly maxTimeoutNs: bigint;
  /** Most data in one list; 0 is no limit. */
  readonly maxListSize: number;
  /** How long the same data is not sent again without an acknowledgement. */
  readonly ackTimeoutNs: bigint;
}

/** A digest, and whether the server sends it. */
export class Digest {
  readonly id: number;
  readonly name: string;
  readonly #type: string;
  readonly #fields: readonly { readonly name: string; readonly codec: ValueCodec | undefined }[] | undefined;

  constructor(name: string, descriptor: ProgramDescriptor['digests'][string]) {
    this.name = name;
    this.id = descriptor.id;
    this.#type = descriptor.type;
    this.#fields = descriptor.fields?.map((field) => ({
      name: field.name,
      codec:
        field.bitwidth === undefined
          ? undefined
          : new ValueCodec(field.bitwidth, `digest '${name}' field '${field.name}'`),
    }));
  }

  /** Insert it to get the digest, modify to change how, remove to stop. @throws P4rtError INVALID */
  config(config: DigestConfig): Entity {
    const value: DigestEntry_Config = {
      maxTimeoutNs: config.maxTimeoutNs,
      maxListSize: int32(config.maxListSize, 0, `digest '${this.name}': list size`),
      ackTimeoutNs: config.ackTimeoutNs,
    };
    return { entity: { $case: 'digestEntry', value: { digestId: this.id, config: value } } };
  }

  /** To read or remove it. */
  key(): Entity {
    return { entity: { $case: 'digestEntry', value: { digestId: this.id, config: undefined } } };
  }

  /**
   * The data of a list, field by field. Fields that are not numbers come as they are.
   * @throws P4rtError INVALID for a list of another digest, MALFORMED for data of another shape
   */
  decode(list: DigestList): Record<string, number | bigint | string | P4Data>[] {
    if (list.digestId !== this.id)
      throw invalid(`digest '${this.name}' has id ${this.id}, but the list ${list.digestId}`);
    return list.data.map((data) => this.#decode(data));
  }

  #decode(data: P4Data): Record<string, number | bigint | string | P4Data> {
    const fields = this.#fields;
    const members =
      data.data?.$case === 'struct' || data.data?.$case === 'tuple' ? data.data.value.members : undefined;
    if (fields === undefined || members?.length !== fields.length) {
      const got = members === undefined ? (data.data?.$case ?? 'nothing') : `${members.length} fields`;
      throw malformed(`digest '${this.name}': expected ${this.#type}, got ${got}`);
    }
    const out: Record<string, number | bigint | string | P4Data> = {};
    for (const [i, { name, codec }] of fields.entries()) {
      const member = members[i] ?? { data: undefined };
      out[name] =
        codec !== undefined && member.data?.$case === 'bitstring' ? codec.decode(member.data.value) : member;
    }
    return out;
  }
}
