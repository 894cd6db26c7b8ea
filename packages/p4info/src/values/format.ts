import { formatIPv4, formatIPv6, formatMac, ipv4, ipv6, mac } from '@infra-offload/net';
import { bitLength } from './bytes.js';
import { decodeBigint, decodeNumber, decodeString } from './decode.js';

/** How a value is written; see {@link formatValue}. */
export type ValueFormat = 'decimal' | 'hex' | 'ipv4' | 'mac' | 'ipv6' | 'string';

/**
 * The text of a value, which {@link encode} reads back. Without `format`: 0 bits as a string, 48 bits as MAC, 128 bits as
 * IPv6, up to 32 bits in decimal, others in hexadecimal. Bytes that `format` cannot show are written in hexadecimal, and
 * none at all as `''`: this is for logs and must not fail.
 */
export function formatValue(bitwidth: number, bytes: Uint8Array, format = formatOfWidth(bitwidth)): string {
  if (bytes.length === 0) return `''`;
  const bits = bitLength(bytes);
  switch (format) {
    case 'decimal':
      return String(decodeBigint(bytes));
    case 'ipv4':
      return bits <= 32 ? formatIPv4(ipv4(decodeNumber(bytes))) : hexadecimal(bytes);
    case 'mac':
      return bits <= 48 ? formatMac(mac(decodeNumber(bytes))) : hexadecimal(bytes);
    case 'ipv6':
      return bits <= 128 ? formatIPv6(ipv6(decodeBigint(bytes))) : hexadecimal(bytes);
    case 'string':
      return printable(bytes) ?? hexadecimal(bytes);
    case 'hex':
      return hexadecimal(bytes);
    default:
      return format satisfies never;
  }
}

/**
 * The format to show a field in, guessed from its name and width: 32 bits whose name speaks of an address
 * (`dst_ip`, `ipv4.dstAddr`, `nexthop`, `arp.tpa`) are an IPv4 address.
 */
export function guessFormat(field: { readonly name: string; readonly bitwidth: number }): ValueFormat {
  return field.bitwidth === 32 && IPV4_NAME.test(field.name) ? 'ipv4' : formatOfWidth(field.bitwidth);
}

const IPV4_NAME = /(?:^|[._])ip(?:v4)?(?:$|[._])|ipv4|addr|next_?hop|^(?:dst|src)$|(?:^|[._])[st]pa$/i;

function formatOfWidth(bitwidth: number): ValueFormat {
  if (bitwidth === 0) return 'string';
  if (bitwidth === 48) return 'mac';
  if (bitwidth === 128) return 'ipv6';
  return bitwidth <= 32 ? 'decimal' : 'hex';
}

function hexadecimal(bytes: Uint8Array): string {
  return `0x${decodeBigint(bytes).toString(16)}`;
}

function printable(bytes: Uint8Array): string | undefined {
  try {
    const text = decodeString(bytes);
    return /^[^\p{Cc}\p{Cs}]*$/u.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
