import { formatPrefix, type IPv4Prefix, parseIPv4Prefix, prefixContains } from '@infra-offload/net';

/** The IPv4 CIDRs among `texts`, in order of addresses, without those that lie inside of others. */
export function outermost(texts: readonly string[]): string[] {
  const prefixes = texts.flatMap((text) => parseIPv4Prefix(text) ?? []);
  const result: IPv4Prefix[] = [];
  for (const prefix of prefixes.sort((a, b) => a.address - b.address || a.length - b.length)) {
    const last = result.at(-1);
    if (last === undefined || !prefixContains(last, prefix)) result.push(prefix);
  }
  return result.map(formatPrefix);
}
