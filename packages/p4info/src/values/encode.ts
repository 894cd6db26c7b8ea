import { ipv6Bytes, type Mac, parseIPv4, parseIPv6, parseMac } from '@infra-offload/net';
import { P4InfoError } from '../errors.js';
import {
  bigintBytes,
  bitLength,
  hexBytes,
  safeIntegerBytes,
  stripLeadingZeros,
  uint32Bytes,
} from './bytes.js';

/** What a value may be given as; see {@link encode}. */
export type P4Value = number | bigint | string | Uint8Array;

/**
 * The canonical byte string of an unsigned value: big-endian, no leading zero bytes, one zero byte for 0
 * (P4Runtime 1.5, "Bytestrings").
 *
 * | `value` | taken for |
 * |---|---|
 * | number, bigint | any width; a number must be a safe integer |
 * | `'123'`, `'0x7b'` | any width |
 * | `'10.96.0.10'` | 32 bits |
 * | `'02:00:00:00:00:01'`, `'02-00-00-00-00-01'` | 48 bits |
 * | `'2001:db8::1'`, `'::ffff:10.0.0.1'` | 128 bits |
 * | Uint8Array, big-endian | any width; leading zeros are dropped, the memory is shared |
 * | any other text but `''` | 0 bits, that is a field translated to `sdn_string`: its UTF-8 |
 *
 * @param bitwidth Width of the field as P4Info tells it; 0 for `sdn_string`.
 * @throws P4InfoError `VALUE_SYNTAX` if malformed, `VALUE_RANGE` if it does not fit, `VALUE_TYPE` if the field
 *   cannot have a value of that form. Nothing is ever cut, rounded or taken for 0.
 */
export function encode(bitwidth: number, value: P4Value): Uint8Array {
  if (typeof value === 'number') {
    // The hot path: a number of up to 32 bits.
    if (value >>> 0 === value && bitwidth > 0 && (bitwidth >= 32 || value >>> bitwidth === 0)) {
      return uint32Bytes(value);
    }
    return encodeNumber(bitwidth, value);
  }
  if (typeof value === 'string') return encodeString(bitwidth, value);
  if (typeof value === 'bigint') return encodeBigint(bitwidth, value);
  if (value instanceof Uint8Array) return encodeBytes(bitwidth, value);
  throw fault(
    'VALUE_TYPE',
    bitwidth,
    `a value is a number, bigint, string or Uint8Array, not ${describe(value)}`,
  );
}

/** Largest value of a width that numbers can hold exactly; the rest is checked with bigint. */
function encodeNumber(bitwidth: number, value: number): Uint8Array {
  checkWidth(bitwidth);
  if (bitwidth === 0) throw notAString(value);
  if (!Number.isInteger(value)) throw fault('VALUE_SYNTAX', bitwidth, `${value} is not an integer`);
  if (value < 0) throw negative(bitwidth, value);
  if (!Number.isSafeInteger(value)) {
    throw fault(
      'VALUE_RANGE',
      bitwidth,
      `${value} is beyond 2^53, where numbers lose digits; give it as a bigint`,
    );
  }
  if (bitwidth < 53 && value >= 2 ** bitwidth) throw tooWide(bitwidth, String(value));
  return safeIntegerBytes(value);
}

function encodeBigint(bitwidth: number, value: bigint): Uint8Array {
  checkWidth(bitwidth);
  if (bitwidth === 0) throw notAString(value);
  if (value < 0n) throw negative(bitwidth, value);
  if (value >> BigInt(bitwidth) !== 0n) throw tooWide(bitwidth, String(value));
  return bigintBytes(value);
}

function encodeBytes(bitwidth: number, value: Uint8Array): Uint8Array {
  checkWidth(bitwidth);
  if (value.length === 0)
    throw fault('VALUE_SYNTAX', bitwidth, 'an empty byte string is no value; 0 is one zero byte');
  if (bitwidth === 0) return value;
  if (bitLength(value) > bitwidth) throw tooWide(bitwidth, `0x${Buffer.from(value).toString('hex')}`);
  return stripLeadingZeros(value);
}

const utf8 = new TextEncoder();
const DECIMAL = /^(?:0|[1-9][0-9]*)$/;
const HEXADECIMAL = /^0[xX]([0-9a-fA-F]+)$/;

function encodeString(bitwidth: number, text: string): Uint8Array {
  if (bitwidth === 32) {
    const address = parseIPv4(text);
    if (address !== undefined) return uint32Bytes(address);
  } else if (bitwidth === 48) {
    const address = parseHardwareAddress(text);
    if (address !== undefined) return safeIntegerBytes(address);
  } else if (bitwidth === 128) {
    const address = parseIPv6(text);
    if (address !== undefined) return stripLeadingZeros(ipv6Bytes(address));
  } else if (bitwidth === 0) {
    if (text === '') throw fault('VALUE_SYNTAX', bitwidth, `'' is no value`);
    return utf8.encode(text);
  }
  return encodeNumeral(bitwidth, text);
}

function encodeNumeral(bitwidth: number, text: string): Uint8Array {
  checkWidth(bitwidth);
  if (DECIMAL.test(text)) {
    // A number of n decimal digits has more than n bits from the third digit on: no need to read a long one.
    if (text.length > Math.max(bitwidth, 2)) throw tooWide(bitwidth, text);
    return text.length < 16 ? encodeNumber(bitwidth, Number(text)) : encodeBigint(bitwidth, BigInt(text));
  }
  const digits = HEXADECIMAL.exec(text)?.[1];
  if (digits !== undefined) {
    const bytes = hexBytes(digits);
    if (bitLength(bytes) > bitwidth) throw tooWide(bitwidth, text);
    return bytes;
  }
  const other = addressKind(text);
  if (other !== undefined) {
    throw fault(
      'VALUE_TYPE',
      bitwidth,
      `'${text}' is ${other.name}, ${other.bitwidth} bits wide, not ${bitwidth}`,
    );
  }
  throw fault('VALUE_SYNTAX', bitwidth, `${quote(text)} is not ${acceptedForms(bitwidth)}`);
}

/** With colons, or all with hyphens. */
function parseHardwareAddress(text: string): Mac | undefined {
  return parseMac(text.includes(':') ? text : text.replaceAll('-', ':'));
}

function addressKind(text: string): { readonly name: string; readonly bitwidth: number } | undefined {
  if (parseIPv4(text) !== undefined) return { name: 'an IPv4 address', bitwidth: 32 };
  if (parseHardwareAddress(text) !== undefined) return { name: 'a MAC address', bitwidth: 48 };
  if (parseIPv6(text) !== undefined) return { name: 'an IPv6 address', bitwidth: 128 };
  return undefined;
}

function acceptedForms(bitwidth: number): string {
  const number = 'a decimal number without leading zeros or a 0x number';
  if (bitwidth === 32) return `an IPv4 address (a.b.c.d), ${number}`;
  if (bitwidth === 48) return `a MAC address (aa:bb:cc:dd:ee:ff), ${number}`;
  if (bitwidth === 128) return `an IPv6 address, ${number}`;
  return number;
}

function checkWidth(bitwidth: number): void {
  if (!Number.isInteger(bitwidth) || bitwidth < 0) {
    throw new P4InfoError('VALUE_TYPE', `a bit width is a whole number, not ${String(bitwidth)}`, {
      details: {
        bitwidth,
      },
    });
  }
}

function fault(
  code: 'VALUE_TYPE' | 'VALUE_SYNTAX' | 'VALUE_RANGE',
  bitwidth: number,
  message: string,
): P4InfoError {
  return new P4InfoError(code, message, { details: { bitwidth } });
}

function negative(bitwidth: number, value: number | bigint): P4InfoError {
  return fault('VALUE_RANGE', bitwidth, `${value} is negative; bit<${bitwidth}> is unsigned`);
}

function tooWide(bitwidth: number, value: string): P4InfoError {
  const largest = bitwidth <= 32 ? String(2 ** bitwidth - 1) : `2^${bitwidth} - 1`;
  return fault('VALUE_RANGE', bitwidth, `${shorten(value)} does not fit ${bitwidth} bits (0 to ${largest})`);
}

function notAString(value: number | bigint): P4InfoError {
  return fault('VALUE_TYPE', 0, `the field is translated to sdn_string: give a string, not ${value}`);
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}

function quote(text: string): string {
  return `'${shorten(text)}'`;
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 50)}… (${text.length} characters)`;
}
