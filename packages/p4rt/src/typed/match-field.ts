import { isZero } from '../bytes.js';
import { invalid, malformed, type P4rtError } from '../errors.js';
import type { FieldMatch } from '../gen/p4/v1/p4runtime.js';
import type { DecodedMatches, MatchDescriptor, MatchInput, MatchKind, Value } from './types.js';
import { and, clearLowBits, compare, ValueCodec } from './value-codec.js';

type Pair<A extends string, B extends string, V> = { readonly [K in A]: Value } & { readonly [K in B]: V };
type AnyDecoded = DecodedMatches<number | bigint | string>[MatchKind];

/** One match field of a table: its inputs to and from `p4.v1.FieldMatch`. */
export class MatchField {
  readonly name: string;
  readonly id: number;
  readonly kind: MatchKind;
  readonly codec: ValueCodec;
  readonly #ones: Uint8Array;

  constructor(owner: string, name: string, descriptor: MatchDescriptor) {
    this.name = name;
    this.id = descriptor.id;
    this.kind = descriptor.kind;
    this.codec = new ValueCodec(descriptor.bitwidth, `${owner} match field '${name}'`);
    this.#ones = this.codec.ones();
  }

  /** The field's match, or undefined for a match of everything, which the wire leaves out. @throws P4rtError INVALID */
  encode(input: MatchInput<MatchKind>): FieldMatch | undefined {
    switch (this.kind) {
      case 'exact':
        return {
          fieldId: this.id,
          fieldMatchType: { $case: 'exact', value: { value: this.codec.encode(this.#plain(input)) } },
        };
      case 'optional':
        return {
          fieldId: this.id,
          fieldMatchType: { $case: 'optional', value: { value: this.codec.encode(this.#plain(input)) } },
        };
      case 'lpm':
        return this.#lpm(input);
      case 'ternary':
        return this.#ternary(input);
      case 'range':
        return this.#range(input);
      case 'other':
        throw invalid(
          `${this.codec.where}: architecture specific match kinds cannot be built; leave the field out`,
        );
    }
  }

  /** What the match says. @throws P4rtError MALFORMED when it is of another kind or too wide */
  decode(match: FieldMatch): AnyDecoded {
    const type = match.fieldMatchType;
    if (type === undefined || type.$case !== this.kind) {
      throw malformed(`${this.codec.where} is ${this.kind}, but the entry has ${type?.$case ?? 'no match'}`);
    }
    switch (type.$case) {
      case 'exact':
      case 'optional':
        return this.codec.decode(type.value.value);
      case 'lpm':
        return { value: this.codec.decode(type.value.value), prefixLength: type.value.prefixLen };
      case 'ternary':
        return { value: this.codec.decode(type.value.value), mask: this.codec.decode(type.value.mask) };
      case 'range':
        return { low: this.codec.decode(type.value.low), high: this.codec.decode(type.value.high) };
      case 'other':
        return type.value.value;
    }
  }

  #plain(input: MatchInput<MatchKind>): Value {
    if (isValue(input)) return input;
    throw this.#shape(input, 'a value');
  }

  #lpm(input: MatchInput<MatchKind>): FieldMatch | undefined {
    const width = this.codec.bitwidth;
    let value: Value;
    let prefixLength = width;
    if (typeof input === 'string') {
      const slash = input.indexOf('/');
      value = slash < 0 ? input : input.slice(0, slash);
      if (slash >= 0) {
        const digits = input.slice(slash + 1);
        prefixLength = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
      }
    } else if (isValue(input)) {
      value = input;
    } else if (has(input, 'value', 'prefixLength')) {
      ({ value, prefixLength } = input);
    } else {
      throw this.#shape(input, "a value, 'address/length' or { value, prefixLength }");
    }
    if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > width) {
      const text = typeof input === 'string' ? `in '${input}'` : String(prefixLength);
      throw invalid(`${this.codec.where}: prefix length ${text} is not within 0..${width}`, { prefixLength });
    }
    const bytes = this.codec.encode(value);
    if (prefixLength === 0) return undefined;
    const masked = prefixLength === width ? bytes : clearLowBits(bytes, width - prefixLength);
    return {
      fieldId: this.id,
      fieldMatchType: { $case: 'lpm', value: { value: masked, prefixLen: prefixLength } },
    };
  }

  #ternary(input: MatchInput<MatchKind>): FieldMatch | undefined {
    let value: Uint8Array;
    let mask = this.#ones;
    if (isValue(input)) {
      value = this.codec.encode(input);
    } else if (has(input, 'value', 'mask')) {
      value = this.codec.encode(input.value);
      mask = this.codec.encode(input.mask);
      if (isZero(mask)) return undefined;
      value = and(value, mask);
    } else {
      throw this.#shape(input, 'a value or { value, mask }');
    }
    return { fieldId: this.id, fieldMatchType: { $case: 'ternary', value: { value, mask } } };
  }

  #range(input: MatchInput<MatchKind>): FieldMatch | undefined {
    let low: Uint8Array;
    let high: Uint8Array;
    if (isValue(input)) {
      low = high = this.codec.encode(input);
    } else if (has(input, 'low', 'high')) {
      low = this.codec.encode(input.low);
      high = this.codec.encode(input.high);
      if (compare(low, high) > 0) {
        throw invalid(`${this.codec.where}: the range's low ${input.low} is above its high ${input.high}`, {
          ...input,
        });
      }
      if (isZero(low) && compare(high, this.#ones) === 0) return undefined;
    } else {
      throw this.#shape(input, 'a value or { low, high }');
    }
    return { fieldId: this.id, fieldMatchType: { $case: 'range', value: { low, high } } };
  }

  #shape(input: unknown, expected: string): P4rtError<'INVALID'> {
    const got =
      input === null
        ? 'null'
        : typeof input === 'object'
          ? `{ ${Object.keys(input).join(', ')} }`
          : typeof input;
    return invalid(`${this.codec.where} is ${this.kind}: expected ${expected}, got ${got}`, { input });
  }
}

function isValue(input: unknown): input is Value {
  switch (typeof input) {
    case 'number':
    case 'bigint':
    case 'string':
      return true;
    default:
      return input instanceof Uint8Array;
  }
}

/** Tells whether an object has exactly the two properties. */
function has<A extends string, B extends string>(
  input: unknown,
  a: A,
  b: B,
): input is Pair<A, B, B extends 'prefixLength' ? number : Value> {
  return (
    typeof input === 'object' && input !== null && a in input && b in input && Object.keys(input).length === 2
  );
}
