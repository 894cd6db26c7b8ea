import type { AddressPort } from '@infra-offload/infra-api';
import {
  formatIPv4,
  type IPv4,
  type IPv4Prefix,
  ipv4Prefix,
  parseIPv4,
  parseProtocol,
} from '@infra-offload/net';
import type { IpSetKind } from '../messages.js';
import { compareRanges, formatRange, parseRange } from './ranges.js';

/** One port of one address. */
export interface PortMember {
  readonly address: IPv4;
  readonly protocol: number;
  readonly port: number;
}

type Member = IPv4Prefix | PortMember | 'ipv6';

/** An IP set of Felix, with its IPv4 members. Those of IPv6 match nothing that the data plane forwards. */
export class IpSet {
  readonly id: string;
  readonly kind: IpSetKind;
  /** By their text; undefined for what cannot be read. */
  readonly #members = new Map<string, Member | undefined>();
  readonly #unreadable = new Set<string>();
  /** How often each range is there, by length and first address: one range has several texts. */
  readonly #ranges = new Map<number, Map<IPv4, number>>();

  constructor(id: string, kind: IpSetKind, members: readonly string[]) {
    this.id = id;
    this.kind = kind;
    this.change(members, []);
  }

  /** Removes members that are there, then adds those that are not. */
  change(added: readonly string[], removed: readonly string[]): void {
    for (const text of removed) {
      const member = this.#members.get(text);
      if (!this.#members.delete(text)) continue;
      if (member === undefined) this.#unreadable.delete(text);
      else this.#count(member, -1);
    }
    for (const text of added) {
      if (this.#members.has(text)) continue;
      const member = parseMember(this.kind, text);
      this.#members.set(text, member);
      if (member === undefined) this.#unreadable.add(text);
      else this.#count(member, 1);
    }
  }

  /** Why its members are not known for certain; undefined if they are. */
  get problem(): string | undefined {
    if (this.kind === 'unknown') return `IP set ${this.id} is of an unknown type`;
    const [text] = this.#unreadable;
    return text === undefined
      ? undefined
      : `IP set ${this.id} has the member "${text}", which cannot be read`;
  }

  /** Whether an address is in one of its ranges. */
  has(address: IPv4): boolean {
    for (const [length, ranges] of this.#ranges) {
      if (ranges.has(ipv4Prefix(address, length).address)) return true;
    }
    return false;
  }

  /** Its addresses and ranges, in order. */
  ranges(): string[] {
    const ranges: IPv4Prefix[] = [];
    for (const [length, addresses] of this.#ranges) {
      for (const address of addresses.keys()) ranges.push({ address, length });
    }
    return ranges.sort(compareRanges).map(formatRange);
  }

  /** Its ports of addresses. */
  *ports(): Generator<PortMember, void, undefined> {
    for (const member of this.#members.values()) {
      if (typeof member === 'object' && 'port' in member) yield member;
    }
  }

  #count(member: Member, change: 1 | -1): void {
    if (member === 'ipv6' || 'port' in member) return;
    const { address, length } = member;
    const ranges = this.#ranges.get(length) ?? new Map<IPv4, number>();
    const count = (ranges.get(address) ?? 0) + change;
    if (count > 0) ranges.set(address, count);
    else ranges.delete(address);
    if (ranges.size > 0) this.#ranges.set(length, ranges);
    else this.#ranges.delete(length);
  }
}

function parseMember(kind: IpSetKind, text: string): Member | undefined {
  if (kind === 'ip' || kind === 'net') return parseRange(text);
  const [, host = '', protocolText = '', portText = ''] = /^([^,]*),([^:]*):([0-9]{1,5})$/.exec(text) ?? [];
  const protocol = parseProtocol(protocolText);
  const port = Number(portText);
  if (protocol === undefined || port < 1 || port > 65_535) return undefined;
  const address = parseIPv4(host);
  if (address !== undefined) return { address, protocol, port };
  return parseRange(host) === 'ipv6' && !host.includes('/') ? 'ipv6' : undefined;
}

/** Equal for equal members. */
export function portKey({ address, protocol, port }: PortMember): string {
  return `${address},${protocol}:${port}`;
}

/** For the wire, in order, nothing twice. */
export function wirePorts(members: Iterable<PortMember>): AddressPort[] {
  const distinct = new Map<string, PortMember>();
  for (const member of members) distinct.set(portKey(member), member);
  return [...distinct.values()]
    .sort((a, b) => a.address - b.address || a.protocol - b.protocol || a.port - b.port)
    .map(({ address, protocol, port }) => ({ address: formatIPv4(address), protocol, port }));
}
