import { type IPv4Prefix, ipv4, ipv4Prefix } from '@infra-offload/net';
import fc from 'fast-check';
import type { PolicyPacket } from '../match.js';
import type {
  AddressPort,
  PolicyProfile,
  PortMatch,
  ProfilePeer,
  ProfileRule,
  ResolvedSet,
} from '../profile.js';

const PROTOCOLS = [6, 17, 132, 1, 47] as const;

/** Few addresses and ports, so that rules meet each other, around 10.0.0.0/26 and at the ends of the address space. */
const address = fc
  .oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 63 }).map((last) => 0x0a00_0000 + last) },
    { weight: 1, arbitrary: fc.constantFrom(0, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000) },
  )
  .map(ipv4);
const cidr: fc.Arbitrary<IPv4Prefix> = fc
  .tuple(
    address,
    fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 24, max: 32 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 8 }) },
    ),
  )
  .map(([around, length]) => ipv4Prefix(around, length));
const port = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 75, max: 90 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 1023, 1024, 32_767, 32_768, 65_534, 65_535) },
);
const ported = fc.constantFrom(6, 17, 132);
const addressPort: fc.Arbitrary<AddressPort> = fc.record({ address, protocol: ported, port });

const set = (i: number): fc.Arbitrary<ResolvedSet> =>
  fc
    .record({
      addresses: fc.uniqueArray(address, { maxLength: 12 }),
      cidrs: fc.array(cidr, { maxLength: 3 }),
      addressPorts: fc.array(addressPort, { maxLength: 4 }),
    })
    .map(({ addresses, ...others }) => ({
      name: `set-${i}`,
      addresses: [...addresses].sort((a, b) => a - b),
      ...others,
    }));

const range: fc.Arbitrary<PortMatch> = fc
  .oneof(
    fc.record({ protocol: fc.constantFrom(...PROTOCOLS, undefined), ports: fc.constant(undefined) }),
    fc.record({
      protocol: ported,
      ports: fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
    }),
    fc.record({ protocol: ported, ports: port.map((only) => ({ first: only, last: only })) }),
  )
  .map((match) => ({ kind: 'range' as const, ...match }));

/** Any profile that the manager can make of what an agent sends. */
export const anyProfile: fc.Arbitrary<PolicyProfile> = fc
  .tuple(set(0), set(1), set(2), set(3))
  .chain((sets) => {
    const peer: fc.Arbitrary<ProfilePeer> = fc.record({
      negated: fc.boolean(),
      cidrs: fc.array(cidr, { maxLength: 3 }),
      sets: fc.subarray(sets, { maxLength: 2 }),
    });
    const match: fc.Arbitrary<PortMatch> = fc.oneof(
      { weight: 5, arbitrary: range },
      { weight: 1, arbitrary: fc.constantFrom(...sets).map((one) => ({ kind: 'set' as const, set: one })) },
    );
    const rule = (action: fc.Arbitrary<ProfileRule['action']>): fc.Arbitrary<ProfileRule> =>
      fc.record({
        action,
        policy: fc.constantFrom('p', 'q', 'r'),
        peers: fc.array(peer, { maxLength: 2 }),
        ports: fc.array(match, { maxLength: 4 }),
        notPorts: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(match, { maxLength: 2 })),
      });
    const tiers = (action: fc.Arbitrary<ProfileRule['action']>) =>
      fc.array(
        fc.record({
          rules: fc.array(rule(action), { maxLength: 6 }),
          defaultAction: fc.constantFrom('deny' as const, 'pass' as const),
        }),
        { minLength: 1, maxLength: 3 },
      );
    return fc.record({
      direction: fc.constantFrom('ingress' as const, 'egress' as const),
      tiers: fc.oneof(
        tiers(fc.constant('allow')),
        tiers(fc.constantFrom('allow' as const, 'deny' as const, 'pass' as const)),
      ),
      alwaysAllowed: fc.uniqueArray(address, { maxLength: 2 }),
    });
  });

/** Packets at, before and behind every boundary that a profile has. */
export function telltalePackets(profile: PolicyProfile): PolicyPacket[] {
  const rules = profile.tiers.flatMap((tier) => tier.rules);
  const matches = rules.flatMap(({ ports, notPorts }) => [...ports, ...notPorts]);
  const sets = new Set(rules.flatMap(({ peers }) => peers.flatMap((peer) => peer.sets)));
  const ranges = rules.flatMap(({ peers }) => peers.flatMap(({ cidrs }) => cidrs));
  const addresses = new Set<number>([0, 0x0a00_0000, 0x0a00_003f, 0xffff_ffff, ...profile.alwaysAllowed]);
  const ports = new Set<number | undefined>([undefined, 0, 1, 65_535]);
  for (const match of matches) {
    if (match.kind === 'set') sets.add(match.set);
    else if (match.ports !== undefined) {
      const { first, last } = match.ports;
      for (const one of [first - 1, first, last, last + 1]) if (one >= 0 && one <= 65_535) ports.add(one);
    }
  }
  for (const { addresses: members, cidrs, addressPorts } of sets) {
    for (const one of members) addresses.add(one);
    ranges.push(...cidrs);
    for (const member of addressPorts) {
      addresses.add(member.address);
      ports.add(member.port);
    }
  }
  for (const { address: first, length } of ranges) {
    const last = first + 2 ** (32 - length) - 1;
    for (const one of [first - 1, first, last, last + 1])
      if (one >= 0 && one <= 0xffff_ffff) addresses.add(one);
  }
  const packets: PolicyPacket[] = [];
  for (const peer of [...addresses].map(ipv4)) {
    for (const protocol of [...PROTOCOLS, 255]) {
      if (protocol === 6 || protocol === 17 || protocol === 132) {
        for (const one of ports) packets.push({ peer, protocol, port: one });
      } else packets.push({ peer, protocol, port: undefined });
    }
  }
  return packets;
}
