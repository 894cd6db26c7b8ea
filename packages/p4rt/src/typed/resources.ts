import { invalid, malformed } from '../errors.js';
import type { Entity, MeterConfig } from '../gen/p4/v1/p4runtime.js';
import { cellIndex, counterData, counterValue } from './counter-data.js';
import { MatchFields, type MatchRecord } from './match-fields.js';
import type { CounterValue, DecodedMatch, Match, Matching, ProgramDescriptor, Value } from './types.js';
import { ValueCodec } from './value-codec.js';

function kindOf(entity: Entity): string {
  return entity.entity?.$case ?? 'an empty entity';
}

/** An indirect counter array. */
export class Counter {
  readonly id: number;
  readonly name: string;
  readonly #size: number;

  constructor(name: string, descriptor: ProgramDescriptor['counters'][string]) {
    this.name = name;
    this.id = descriptor.id;
    this.#size = descriptor.size;
  }

  /** One cell, to read; with `data`, to modify. @throws P4rtError INVALID */
  cell(index: number | bigint, data?: CounterValue): Entity {
    return {
      entity: {
        $case: 'counterEntry',
        value: {
          counterId: this.id,
          index: cellIndex(index, this.#size, `counter '${this.name}'`),
          data: data && counterData(data),
        },
      },
    };
  }

  /** Wildcard: all cells; with `data`, to set them all. */
  all(data?: CounterValue): Entity {
    return {
      entity: {
        $case: 'counterEntry',
        value: { counterId: this.id, index: undefined, data: data && counterData(data) },
      },
    };
  }

  /** @throws P4rtError INVALID */
  decode(entity: Entity): { readonly index: bigint } & CounterValue {
    const entry = entity.entity?.$case === 'counterEntry' ? entity.entity.value : undefined;
    if (entry?.counterId !== this.id)
      throw invalid(`expected a cell of counter '${this.name}', got ${kindOf(entity)}`);
    return { index: entry.index?.index ?? 0n, ...counterValue(entry.data) };
  }
}

/** An indirect meter array. */
export class Meter {
  readonly id: number;
  readonly name: string;
  readonly #size: number;

  constructor(name: string, descriptor: ProgramDescriptor['meters'][string]) {
    this.name = name;
    this.id = descriptor.id;
    this.#size = descriptor.size;
  }

  /** One cell, to read; with `config`, to modify. Without config a modify sets it back to "all green". */
  cell(index: number | bigint, config?: MeterConfig): Entity {
    return {
      entity: {
        $case: 'meterEntry',
        value: {
          meterId: this.id,
          index: cellIndex(index, this.#size, `meter '${this.name}'`),
          config,
          counterData: undefined,
        },
      },
    };
  }

  /** Wildcard: all cells. */
  all(config?: MeterConfig): Entity {
    return {
      entity: {
        $case: 'meterEntry',
        value: { meterId: this.id, index: undefined, config, counterData: undefined },
      },
    };
  }

  /** @throws P4rtError INVALID */
  decode(entity: Entity): { readonly index: bigint; readonly config?: MeterConfig } {
    const entry = entity.entity?.$case === 'meterEntry' ? entity.entity.value : undefined;
    if (entry?.meterId !== this.id)
      throw invalid(`expected a cell of meter '${this.name}', got ${kindOf(entity)}`);
    return {
      index: entry.index?.index ?? 0n,
      ...(entry.config === undefined ? {} : { config: entry.config }),
    };
  }
}

/** A register array whose cells are one number (P4 type `bit<W>`). */
export class Register {
  readonly id: number;
  readonly name: string;
  readonly #size: number;
  readonly #type: string;
  readonly #codec: ValueCodec | undefined;

  constructor(name: string, descriptor: ProgramDescriptor['registers'][string]) {
    this.name = name;
    this.id = descriptor.id;
    this.#size = descriptor.size;
    this.#type = descriptor.type;
    this.#codec =
      descriptor.bitwidth === undefined
        ? undefined
        : new ValueCodec(descriptor.bitwidth, `register '${name}'`);
  }

  /** One cell, to read; with a value, to modify. @throws P4rtError INVALID */
  cell(index: number | bigint, value?: Value): Entity {
    return this.#entity(cellIndex(index, this.#size, `register '${this.name}'`), value);
  }

  /** Wildcard: all cells; with a value, to set them all. */
  all(value?: Value): Entity {
    return this.#entity(undefined, value);
  }

  /** @throws P4rtError INVALID, MALFORMED */
  decode(entity: Entity): { readonly index: bigint; readonly value: bigint } {
    const entry = entity.entity?.$case === 'registerEntry' ? entity.entity.value : undefined;
    if (entry?.registerId !== this.id)
      throw invalid(`expected a cell of register '${this.name}', got ${kindOf(entity)}`);
    const data = entry.data?.data;
    if (data?.$case !== 'bitstring') {
      throw malformed(`register '${this.name}': expected a bit string, got ${data?.$case ?? 'nothing'}`);
    }
    return { index: entry.index?.index ?? 0n, value: BigInt(this.#number().decode(data.value)) };
  }

  #entity(index: { readonly index: bigint } | undefined, value: Value | undefined): Entity {
    const data =
      value === undefined
        ? undefined
        : { data: { $case: 'bitstring' as const, value: this.#number().encode(value) } };
    return { entity: { $case: 'registerEntry', value: { registerId: this.id, index, data } } };
  }

  #number(): ValueCodec {
    if (this.#codec !== undefined) return this.#codec;
    throw invalid(`register '${this.name}' has cells of type ${this.#type}; make its RegisterEntry by hand`);
  }
}

/** A parser value set of a typed program. */
export interface TypedValueSet<V extends Matching> {
  readonly id: number;
  readonly name: string;
  /** Its members, all at once, to modify; without members, to read. @throws P4rtError INVALID, UNKNOWN_NAME */
  entry(members?: readonly Match<V>[]): Entity;
  /** @throws P4rtError INVALID, MALFORMED */
  decode(entity: Entity): readonly DecodedMatch<V>[];
}

/** A value set at run time. Its typed face is {@link TypedValueSet}. */
export class RuntimeValueSet {
  readonly id: number;
  readonly name: string;
  readonly #size: number;
  readonly #fields: MatchFields;

  constructor(name: string, descriptor: ProgramDescriptor['valueSets'][string]) {
    this.name = name;
    this.id = descriptor.id;
    this.#size = descriptor.size;
    this.#fields = new MatchFields(`value set '${name}'`, descriptor.match);
  }

  entry(members: readonly MatchRecord[] = []): Entity {
    if (this.#size > 0 && members.length > this.#size) {
      throw invalid(`value set '${this.name}' takes ${this.#size} members, not ${members.length}`);
    }
    const value = {
      valueSetId: this.id,
      members: members.map((one) => ({ match: this.#fields.encode(one) })),
    };
    return { entity: { $case: 'valueSetEntry', value } };
  }

  decode(entity: Entity) {
    const entry = entity.entity?.$case === 'valueSetEntry' ? entity.entity.value : undefined;
    if (entry?.valueSetId !== this.id)
      throw invalid(`expected value set '${this.name}', got ${kindOf(entity)}`);
    return entry.members.map((member) => this.#fields.decode(member.match));
  }
}
