import { type IPv4, PROTOCOL_NUMBERS, prefixContains, TRANSPORT_PROTOCOLS } from '@infra-offload/net';
import type { PortMatch, ProfilePeer, ProfileRule } from './profile.js';

/** A packet without a flow, as policies are asked for it. */
export interface PolicyPacket {
  readonly peer: IPv4;
  readonly protocol: number;
  /** Undefined: a fragment, or a protocol without ports. */
  readonly port: number | undefined;
}

const PORTED: readonly number[] = TRANSPORT_PROTOCOLS.map((name) => PROTOCOL_NUMBERS[name]);

/** Whether a protocol has ports. */
export function hasPorts(protocol: number): boolean {
  return PORTED.includes(protocol);
}

/** Whether a rule matches a packet. */
export function ruleMatches({ peers, ports, notPorts }: ProfileRule, packet: PolicyPacket): boolean {
  return (
    peers.every((peer) => matchesPeer(peer, packet.peer)) &&
    (ports.length === 0 || ports.some((port) => matchesPort(port, packet))) &&
    !notPorts.some((port) => matchesPort(port, packet))
  );
}

function matchesPeer({ negated, cidrs, sets }: ProfilePeer, address: IPv4): boolean {
  const inside =
    cidrs.some((cidr) => prefixContains(cidr, address)) ||
    sets.some(
      (set) => set.addresses.includes(address) || set.cidrs.some((cidr) => prefixContains(cidr, address)),
    );
  return inside !== negated;
}

function matchesPort(match: PortMatch, { peer, protocol, port }: PolicyPacket): boolean {
  if (match.kind === 'set') {
    return match.set.addressPorts.some(
      (member) => member.address === peer && member.protocol === protocol && member.port === port,
    );
  }
  if (match.protocol !== undefined && match.protocol !== protocol) return false;
  const { ports } = match;
  if (ports === undefined || (ports.first === 0 && ports.last === 65_535)) return true;
  return hasPorts(protocol) && port !== undefined && port >= ports.first && port <= ports.last;
}
