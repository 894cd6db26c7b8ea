import { messageOf } from '@infra-offload/base';
import { invalid, malformed } from '../errors.js';
import { type Decimal64, Encoding, type TypedValue, type Update } from '../gen/gnmi/gnmi.js';

/** A value that is sent as JSON, for containers and lists. */
export interface GnmiJson {
  readonly json: unknown;
}

/** What a leaf takes: a scalar, bytes, a list of those, or a value as JSON. A TypedValue passes as it is. */
export type GnmiInput =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly GnmiInput[]
  | GnmiJson
  | TypedValue;

/**
 * What a leaf gives: text, a number (bigint from 2^53 on), a truth value, bytes, a list, or whatever JSON there was.
 * A value of a type that only the target knows (`google.protobuf.Any`) comes as its type's URL and bytes.
 */
export type GnmiValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | readonly GnmiValue[]
  | GnmiJson
  | { readonly typeUrl: string; readonly value: Uint8Array };

/**
 * To the wire. Whole numbers become `int_val` (as gnmi-ctl sends them), `uint_val` from 2^63 on; others `decimal_val`.
 * @throws P4rtError INVALID for numbers that no TypedValue can carry exactly
 */
export function encodeValue(input: GnmiInput): TypedValue {
  switch (typeof input) {
    case 'string':
      return { value: { $case: 'stringVal', value: input } };
    case 'boolean':
      return { value: { $case: 'boolVal', value: input } };
    case 'bigint':
      return encodeInteger(input);
    case 'number':
      return Number.isSafeInteger(input) ? encodeInteger(BigInt(input)) : encodeDecimal(input);
    default:
      break;
  }
  if (input instanceof Uint8Array) return { value: { $case: 'bytesVal', value: input } };
  if (isList(input)) return { value: { $case: 'leaflistVal', value: { element: input.map(encodeValue) } } };
  if ('json' in input) {
    return { value: { $case: 'jsonVal', value: new TextEncoder().encode(JSON.stringify(input.json)) } };
  }
  return input;
}

/** From the wire. @throws P4rtError MALFORMED for a value that is not there, or JSON that is none */
export function decodeValue(typed: TypedValue | undefined): GnmiValue {
  const one = typed?.value;
  switch (one?.$case) {
    case 'stringVal':
    case 'asciiVal':
    case 'boolVal':
    case 'bytesVal':
    case 'protoBytes':
    case 'floatVal':
    case 'anyVal':
      return one.value;
    case 'intVal':
    case 'uintVal':
      return decodeInteger(one.value);
    case 'decimalVal':
      return Number(`${one.value.digits}e-${one.value.precision}`);
    case 'leaflistVal':
      return one.value.element.map(decodeValue);
    case 'jsonVal':
    case 'jsonIetfVal':
      return decodeJson(one.value);
    case undefined:
      throw malformed('a gNMI value is empty');
    default:
      return one satisfies never;
  }
}

/** The value of an update, also in the form that gNMI has deprecated since 0.4. @throws P4rtError MALFORMED */
export function decodeUpdateValue(update: Update): GnmiValue {
  const old = update.value;
  if (update.val !== undefined || old === undefined) return decodeValue(update.val);
  return old.type === Encoding.JSON || old.type === Encoding.JSON_IETF ? decodeJson(old.value) : old.value;
}

function isList(input: object): input is readonly GnmiInput[] {
  return Array.isArray(input);
}

function encodeInteger(value: bigint): TypedValue {
  if (value < -(1n << 63n) || value >= 1n << 64n) throw invalid(`${value} does not fit 64 bits`, { value });
  return value < 1n << 63n ? { value: { $case: 'intVal', value } } : { value: { $case: 'uintVal', value } };
}

function encodeDecimal(value: number): TypedValue {
  const match = /^(-?\d+)\.(\d+)$/.exec(String(value));
  const digits = match === null ? undefined : BigInt(`${match[1]}${match[2]}`);
  if (digits === undefined || BigInt.asIntN(64, digits) !== digits) {
    throw invalid(`${value} has no exact form in gNMI; give a bigint or a TypedValue`, { value });
  }
  const decimal: Decimal64 = { digits, precision: match?.[2]?.length ?? 0 };
  return { value: { $case: 'decimalVal', value: decimal } };
}

function decodeInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function decodeJson(bytes: Uint8Array): GnmiJson {
  try {
    return { json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch (error) {
    const reason = messageOf(error);
    throw malformed(`a gNMI value is not JSON: ${reason}`, error);
  }
}
