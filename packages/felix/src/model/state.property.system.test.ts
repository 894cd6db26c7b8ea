import type { felix } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FelixMessage, PolicyId } from '../messages.js';
import { FelixSemantics } from '../testing/felix-semantics.js';
import { podId, policyId, policyOf, protocol, rule } from '../testing/messages.js';
import type { Packet } from '../testing/packet.js';
import { WireSemantics } from '../testing/wire-semantics.js';
import { FelixState } from './state.js';

/** A small world, so that things meet. */
const base = 0x0a000000;
const nets = ['10.0.0.1', '10.0.0.2/32', '10.0.0.2/31', '10.0.0.4/30', '10.0.0.0/8', '0.0.0.0/0', 'fd00::/8'];
const addressSets = ['s:a', 's:b', 's:c'];
const portSets = ['n:a', 'n:b'];
const pods = ['ns/one', 'ns/two'];

const few = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<T[]>([]) },
    fc.array(arbitrary, { minLength: 1, maxLength: 2 }),
  );
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const net = fc.constantFrom(...nets);
const addressSet = fc.constantFrom(...addressSets);
const portSet = fc.constantFrom(...portSets);
const range = fc
  .tuple(fc.integer({ min: 80, max: 83 }), fc.nat(2))
  .map(([first, more]) => ({ first, last: first + more }));
const anyProtocol = fc.oneof(
  fc.constantFrom('tcp', 'udp', 'sctp', 'icmp').map(protocol),
  fc.constantFrom(1, 6, 17).map((value): felix.Protocol => ({ numberOrName: { $case: 'number', value } })),
);

/** What the wire can say. */
const plainRule = fc
  .record({
    action: fc.constantFrom('', 'allow', 'allow', 'deny', 'pass', 'next-tier', 'log'),
    ipVersion: fc.constantFrom<felix.IPVersion>(0, 0, 0, 4, 6),
    protocol: maybe(anyProtocol),
    notProtocol: maybe(anyProtocol),
    srcNet: few(net),
    notSrcNet: few(net),
    srcIpSetIds: few(addressSet),
    notSrcIpSetIds: few(addressSet),
    dstNet: few(net),
    notDstNet: few(net),
    dstIpSetIds: few(addressSet),
    notDstIpSetIds: few(addressSet),
    dstPorts: few(range),
    notDstPorts: few(range),
    dstNamedPortIpSetIds: few(portSet),
    notDstNamedPortIpSetIds: few(portSet),
    dstIpPortSetIds: few(portSet),
  })
  // Each condition for itself, or nothing would ever match.
  .chain((all) =>
    fc.subarray(Object.keys(all), { maxLength: 4 }).map((keys) => pick({ ...all }, ['action', ...keys])),
  );

/** What it cannot say. */
const unsupportedFields: Partial<felix.Rule>[] = [
  { srcPorts: [{ first: 80, last: 80 }] },
  { notSrcPorts: [{ first: 80, last: 80 }] },
  { srcNamedPortIpSetIds: ['n:a'] },
  { icmp: { $case: 'icmpType', value: 8 } },
  { icmp: { $case: 'icmpTypeCode', value: { type: 8, code: 0 } } },
  { notIcmp: { $case: 'notIcmpType', value: 8 } },
  {
    dstPorts: [
      { first: 81, last: 80 },
      { first: 80, last: 90 },
    ],
  },
  { dstIpSetIds: ['s:unknown'], srcIpSetIds: ['s:a'] },
  { srcNet: ['10.0.0.1', 'nonsense'], dstNet: ['10.0.0.5', 'nonsense'] },
  { dstNamedPortIpSetIds: ['n:unknown'], dstPorts: [{ first: 80, last: 80 }] },
];
const unsupported = fc.constantFrom(...unsupportedFields);

function pick(from: Partial<felix.Rule>, keys: readonly string[]): Partial<felix.Rule> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

const anyRule = (withUnsupported: boolean) =>
  (withUnsupported
    ? fc.tuple(plainRule, fc.option(unsupported, { nil: {} })).map(([plain, more]) => ({ ...plain, ...more }))
    : plainRule
  ).map(rule);

const rules = (withUnsupported: boolean) =>
  fc.record({
    inbound: fc.array(anyRule(withUnsupported), { maxLength: 4 }),
    outbound: fc.array(anyRule(withUnsupported), { maxLength: 4 }),
  });

const policyIds: PolicyId[] = [
  policyId('first', 'one'),
  policyId('second', 'one'),
  policyId('default.knp', 'default'),
  policyId('ns/staged:default.knp', 'default'),
  { tier: '', kind: 'NetworkPolicy', namespace: 'ns', name: 'new' },
];
const profiles = ['kns.ns', 'ksa.ns'];

const members = {
  ip: few(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.2/32', '10.0.0.5', 'fd00::1')),
  net: few(net),
  ipPort: few(
    fc
      .tuple(
        fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.5'),
        fc.constantFrom('tcp', 'udp', 'sctp'),
        range,
      )
      .map(([address, name, { first }]) => `${address},${name}:${first}`),
  ),
};
const kindOf = (id: string) => (id.startsWith('n') ? 'ipPort' : id === 's:c' ? 'net' : 'ip');
const setUpdate = fc
  .constantFrom(...addressSets, ...portSets)
  .chain((id) =>
    members[kindOf(id)].map(
      (list): FelixMessage => ({ type: 'ipSetUpdate', id, kind: kindOf(id), members: list }),
    ),
  );
const setDelta = fc
  .constantFrom(...addressSets, ...portSets)
  .chain((id) =>
    fc
      .tuple(members[kindOf(id)], members[kindOf(id)])
      .map(([added, removed]): FelixMessage => ({ type: 'ipSetDelta', id, added, removed })),
  );
const tiers = fc.tuple(
  fc.subarray(policyIds.slice(0, 2)),
  fc.subarray(policyIds.slice(2)),
  fc.constantFrom('', 'Pass', 'Deny'),
);
const endpointUpdate = fc
  .record({
    pod: fc.constantFrom(...pods),
    ingress: tiers,
    egress: tiers,
    names: fc.subarray(profiles),
    up: fc.nat(9),
  })
  .map(
    ({ pod, ingress, egress, names, up }): FelixMessage => ({
      type: 'workloadEndpointUpdate',
      id: podId(pod),
      endpoint: {
        state: up === 0 ? 'inactive' : 'active',
        profiles: names,
        ipv4Nets:
          up === 1 ? ['10.0.0.2/32', '10.0.0.3/32'] : [pod === 'ns/one' ? '10.0.0.2/32' : '10.0.0.5/32'],
        tiers: [
          { name: 'one', ingress: ingress[0], egress: egress[0], defaultAction: ingress[2] },
          { name: 'default', ingress: ingress[1], egress: egress[1], defaultAction: egress[2] },
        ],
      },
    }),
  );
const message = (withUnsupported: boolean): fc.Arbitrary<FelixMessage> =>
  fc.oneof(
    setUpdate,
    setDelta,
    fc
      .tuple(fc.constantFrom(...policyIds), rules(withUnsupported))
      .map(([id, all]): FelixMessage => ({ type: 'policyUpdate', id, policy: policyOf(all) })),
    fc
      .tuple(fc.constantFrom(...profiles), rules(withUnsupported))
      .map(([name, all]): FelixMessage => ({ type: 'profileUpdate', name, policy: policyOf(all) })),
    endpointUpdate,
    fc.oneof(
      fc.constantFrom(...policyIds).map((id): FelixMessage => ({ type: 'policyRemove', id })),
      fc.constantFrom(...profiles).map((name): FelixMessage => ({ type: 'profileRemove', name })),
      fc.constantFrom(...addressSets, ...portSets).map((id): FelixMessage => ({ type: 'ipSetRemove', id })),
      fc
        .constantFrom(...pods)
        .map((pod): FelixMessage => ({ type: 'workloadEndpointRemove', id: podId(pod) })),
    ),
  );

/** What Felix says first: everything that there is. */
const world = (withUnsupported: boolean) =>
  fc
    .tuple(
      ...[...addressSets, ...portSets].map((id) =>
        members[kindOf(id)].map(
          (list): FelixMessage => ({ type: 'ipSetUpdate', id, kind: kindOf(id), members: list }),
        ),
      ),
      ...policyIds.map((id) =>
        rules(withUnsupported).map(
          (all): FelixMessage => ({ type: 'policyUpdate', id, policy: policyOf(all) }),
        ),
      ),
      ...profiles.map((name) =>
        rules(withUnsupported).map(
          (all): FelixMessage => ({ type: 'profileUpdate', name, policy: policyOf(all) }),
        ),
      ),
      endpointUpdate,
      endpointUpdate,
    )
    .map((messages): FelixMessage[] => messages);

const others = [1, 2, 3, 4, 5, 6, 200].map((host) => base + host).concat(0x01020304);

function* packets(pod: string, direction: 'ingress' | 'egress'): Generator<Packet> {
  const own = base + (pod === 'ns/one' ? 2 : 5);
  for (const other of others) {
    const [source, destination] = direction === 'ingress' ? [other, own] : [own, other];
    for (const protocol of [6, 17, 132]) {
      for (const port of [79, 80, 81, 82, 83, 85]) {
        yield { source, destination, protocol, ports: { source: 80, destination: port }, icmp: undefined };
      }
    }
    yield { source, destination, protocol: 1, ports: undefined, icmp: { type: 8, code: 0 } };
    yield { source, destination, protocol: 1, ports: undefined, icmp: { type: 3, code: 1 } };
    yield { source, destination, protocol: 47, ports: undefined, icmp: undefined };
  }
}

/** Whether everything was carried that decides about a pod; a rule that only logs decides nothing. */
function isExact(wire: WireSemantics, pod: string): boolean {
  const isolation = wire.isolations.get(pod);
  const names = [isolation?.ingress, isolation?.egress].flatMap(
    (direction) => direction?.tiers.flatMap(({ policies }) => policies) ?? [],
  );
  const conditions = [
    ...(isolation?.conditions ?? []),
    ...names.flatMap((name) => wire.policies.get(name)?.conditions ?? []),
  ];
  return conditions.every(({ reason }) => reason === 'LogNotSupported');
}

let exact = 0;
let denied = 0;

function compare(felixSide: FelixSemantics, wire: WireSemantics): void {
  for (const pod of pods) {
    for (const direction of ['ingress', 'egress'] as const) {
      const isCertain = isExact(wire, pod);
      for (const packet of packets(pod, direction)) {
        const expected = felixSide.allows(pod, direction, packet);
        const actual = wire.allows(pod, direction, packet);
        if (isCertain) exact += 1;
        if (actual === false && expected) denied += 1;
        if (actual !== expected && (isCertain || actual !== false)) {
          throw new Error(
            `${pod} ${direction} ${JSON.stringify(packet)}: Felix ${expected}, the wire ${actual}`,
          );
        }
      }
    }
  }
}

describe('the wanted objects', () => {
  it('mean what Felix means', () => {
    exact = 0;
    fc.assert(
      fc.property(world(false), (messages) => {
        const [state, felixSide, wire] = [new FelixState(), new FelixSemantics(), new WireSemantics()];
        for (const one of messages) {
          expect(state.apply(one)).toBeUndefined();
          felixSide.apply(one);
        }
        for (const change of state.takeChanges()) wire.apply(change);
        compare(felixSide, wire);
      }),
      { numRuns: 400 },
    );
    expect(exact).toBeGreaterThan(100_000);
  });

  it('never allow more than Felix, whatever they cannot carry', () => {
    denied = 0;
    fc.assert(
      fc.property(world(true), (messages) => {
        const [state, felixSide, wire] = [new FelixState(), new FelixSemantics(), new WireSemantics()];
        for (const one of messages) {
          state.apply(one);
          felixSide.apply(one);
        }
        for (const change of state.takeChanges()) wire.apply(change);
        compare(felixSide, wire);
      }),
      { numRuns: 400 },
    );
    expect(denied).toBeGreaterThan(0);
  });

  it('follow every change, and end as if all had been said at once', () => {
    fc.assert(
      fc.property(
        world(true),
        fc.array(fc.tuple(message(true), fc.boolean()), { maxLength: 40 }),
        (first, later) => {
          const [state, felixSide, wire] = [new FelixState(), new FelixSemantics(), new WireSemantics()];
          const steps: (readonly [FelixMessage, boolean])[] = [
            ...first.map((one) => [one, false] as const),
            ...later,
          ];
          for (const [one, isTaken] of steps) {
            state.apply(one);
            felixSide.apply(one);
            if (!isTaken) continue;
            for (const change of state.takeChanges()) wire.apply(change);
            const complete = new WireSemantics();
            for (const object of state.objects()) complete.upsert(object);
            expect(wire.contents()).toEqual(complete.contents());
          }
          for (const change of state.takeChanges()) wire.apply(change);
          expect(state.takeChanges()).toEqual([]);
          compare(felixSide, wire);
          expect(wire.contents()).toEqual(retold(felixSide).contents());
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** What a state makes of it that hears nothing but how things stand. */
function retold(felixSide: FelixSemantics): WireSemantics {
  const state = new FelixState();
  for (const [id, set] of felixSide.sets) {
    state.apply({ type: 'ipSetUpdate', id, kind: kindOf(id), members: [...set] });
  }
  for (const id of policyIds) {
    const known = felixSide.policies.get(JSON.stringify(id));
    if (known !== undefined) state.apply({ type: 'policyUpdate', id, policy: known });
  }
  for (const [name, known] of felixSide.profiles) state.apply({ type: 'profileUpdate', name, policy: known });
  for (const [pod, known] of felixSide.endpoints) {
    state.apply({ type: 'workloadEndpointUpdate', id: podId(pod), endpoint: known });
  }
  const wire = new WireSemantics();
  for (const change of state.takeChanges()) wire.apply(change);
  return wire;
}
