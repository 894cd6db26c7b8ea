import { parseAddressPrefix } from '@infra-offload/cni-types';

interface Range {
  readonly text: string;
  /** The first address of it. */
  readonly first: number;
  readonly size: number;
}

/** Whether an IPv4 CIDR has an IPv4 address. */
export function contains(cidr: string, address: string): boolean {
  const range = rangeOf(cidr);
  const number = toNumber(address);
  return range !== undefined && number >= range.first && number < range.first + range.size;
}

/** The IPv4 CIDRs among `texts`, in order of addresses, without those that lie inside of others. */
export function outermost(texts: readonly string[]): string[] {
  const ranges = texts.flatMap((text) => rangeOf(text) ?? []);
  const result: Range[] = [];
  for (const range of ranges.sort((a, b) => a.first - b.first || b.size - a.size)) {
    const last = result.at(-1);
    if (last === undefined || range.first >= last.first + last.size) result.push(range);
  }
  return result.map(({ text }) => text);
}

function rangeOf(cidr: string): Range | undefined {
  const prefix = parseAddressPrefix(cidr);
  if (prefix?.family !== 4) return undefined;
  const size = 2 ** (32 - prefix.prefixLength);
  const number = toNumber(prefix.address);
  return { text: cidr, first: number - (number % size), size };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}
