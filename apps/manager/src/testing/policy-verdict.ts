import { type IPv4, PROTOCOL_NUMBERS, prefixContains, TRANSPORT_PROTOCOLS } from '@infra-offload/net';
import type { PolicyProfile, PortMatch, ProfilePeer, ProfileRule } from '@infra-offload/policy-compiler';
import type { PolicyPacket } from '@infra-offload/policy-compiler/testing';

const PORTED: readonly number[] = TRANSPORT_PROTOCOLS.map((name) => PROTOCOL_NUMBERS[name]);

/** Whether a profile allows a packet, rule by rule as `profile.ts` defines it: the reference for compilers. */
export function allowedByProfile(profile: PolicyProfile, packet: PolicyPacket): boolean {
  if (profile.alwaysAllowed.includes(packet.peer)) return true;
  for (const { rules, defaultAction } of profile.tiers) {
    const action = rules.find((rule) => matches(rule, packet))?.action ?? defaultAction;
    if (action !== 'pass') return action === 'allow';
  }
  return false;
}

/**
 * The same as far as a data plane can tell that takes a packet without port for one to port 0: such a packet is only
 * allowed if both are.
 */
export function allowedByDataPlane(profile: PolicyProfile, packet: PolicyPacket): boolean {
  if (packet.port !== undefined && packet.port > 0) return allowedByProfile(profile, packet);
  const allowed = (port: number | undefined) => allowedByProfile(profile, { ...packet, port });
  return allowed(undefined) && (!PORTED.includes(packet.protocol) || allowed(0));
}

function matches({ peers, ports, notPorts }: ProfileRule, packet: PolicyPacket): boolean {
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
  return PORTED.includes(protocol) && port !== undefined && port >= ports.first && port <= ports.last;
}
