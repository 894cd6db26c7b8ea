import { emptyGroupPlan, planGroup } from '@infra-offload/lb-model';
import { ipv4, ipv4Prefix, mac, POD_GATEWAY_MAC } from '@infra-offload/net';
import { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeObject, PodObject, ServiceObject } from '../../model/objects.js';
import type { CompileContext } from '../driver.js';
import { dpdkDriver } from './driver.js';
import type { DpdkRow } from './rows.js';
import { isolationKeys } from './tables/policies.js';
import { groupRow } from './tables/services.js';

const driver = dpdkDriver({ gatewayMac: POD_GATEWAY_MAC, endsDeniedFlows: true });

const uint32 = fc.nat(0xffff_ffff);
const address = uint32.map(ipv4);
const hardwareAddress = fc.nat(2 ** 48 - 1).map(mac);
const port = fc.nat(65_535);
const hop = { port: uint32, dstMac: hardwareAddress, srcMac: hardwareAddress };
const length = fc.nat(32);
const policyId = fc.integer({ min: 1, max: 65_535 });
const classes = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const anyRow: fc.Arbitrary<DpdkRow> = fc.oneof(
  fc.record({
    table: fc.constantFrom('policy_egress' as const, 'policy_ingress' as const),
    podIp: address,
    id: policyId,
  }),
  fc.record({ table: fc.constant('policy_peer' as const), id: policyId, ip: address, mask: classes }),
  fc.tuple(policyId, address, length, classes).map(
    ([id, within, prefix, mask]): DpdkRow => ({
      table: 'policy_cidr',
      id,
      ...ipv4Prefix(within, prefix),
      mask,
      requires: [],
    }),
  ),
  fc.tuple(policyId, fc.option(fc.nat(255)), port, fc.nat(16), classes).map(
    ([id, protocol, bits, prefix, mask]): DpdkRow => ({
      table: 'policy_port',
      id,
      protocol: protocol ?? undefined,
      port: protocol === null ? 0 : bits & (0xffff << (16 - prefix)),
      length: protocol === null ? 0 : prefix,
      mask,
      requires: [],
    }),
  ),
  fc.tuple(uint32, address, uint32).map(
    ([number, podIp, since]): DpdkRow => ({
      table: 'port_table',
      port: number,
      role: 'pod',
      podIp,
      since,
      requires: isolationKeys(podIp),
    }),
  ),
  fc.record({
    table: fc.constant('port_table' as const),
    port: uint32,
    role: fc.constantFrom('host' as const, 'uplink' as const),
  }),
  fc.record({ table: fc.constant('arp_table' as const), ip: address, mac: hardwareAddress }),
  fc
    .record({ table: fc.constant('pod_forward' as const), ip: address, ...hop, since: uint32 })
    .map((row) => ({ ...row, requires: isolationKeys(row.ip) })),
  fc
    .tuple(address, length, fc.option(fc.record({ ...hop, source: address, masquerades: fc.boolean() })))
    .map(([within, prefix, next]): DpdkRow => {
      const row = { table: 'route_table', ...ipv4Prefix(within, prefix) } as const;
      return next === null ? { ...row, action: 'blackhole' } : { ...row, action: 'nexthop', ...next };
    }),
  fc.record({
    table: fc.constant('endpoint' as const),
    id: uint32,
    ip: address,
    port,
    isDraining: fc.boolean(),
  }),
  fc.record({ table: fc.constant('service_address' as const), ip: address }),
  fc.record({ table: fc.constant('answer_source' as const), portKind: fc.nat(2), ip: address }),
  fc.record({ table: fc.constant('member' as const), id: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ table: fc.constant('endpoint_group' as const), id: fc.nat(65_535) }),
  fc.record({
    table: fc.constant('service' as const),
    ip: address,
    protocol: fc.nat(255),
    port,
    id: fc.nat(65_535),
    flags: fc.nat(7),
    affinityProfile: fc.nat(7),
  }),
  fc
    .tuple(
      fc.nat(65_535),
      fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 100 }),
    )
    .map(([id, slots, weight]) =>
      groupRow(
        id,
        slots.sort((a, b) => a - b).map((slot) => ({ slot, weight })),
      ),
    ),
);

describe('rows and entities', () => {
  it('property: a row is the same after a trip over the wire, and has its own table and key', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const entity = Entity.decode(Entity.encode(driver.toEntity(row)).finish());
        const back = driver.fromEntity(entity);
        expect(back).toEqual(row);
        if (back === undefined) return;
        expect(driver.equal(row, back)).toBe(true);
        expect(driver.key(back)).toBe(driver.key(row));
        expect(driver.tables).toContain(driver.table(row));
        expect(driver.phase(row)).toBeLessThan(driver.phases);
      }),
    );
  });

  it('property: rows with one key are of one table, and equal only if they say the same', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (a, b) => {
        if (driver.equal(a, b)) expect(driver.key(a)).toBe(driver.key(b));
        if (driver.key(a) === driver.key(b)) expect(driver.table(a)).toBe(driver.table(b));
      }),
    );
  });

  it('what the driver never writes has the key of what it stands in the way of', () => {
    const { arp_table: arp, endpoint_group: groups, service, port_table: ports } = k8sDp.tables;
    const { policy_port: policyPorts } = k8sDp.tables;
    const allow = policyPorts.actions.set_port_classes({ mask: 1n });
    const foreign = [
      arp.entry({ target_ip: 5 }, arp.actions.arp_forward({ port: 1 })),
      groups.entry({ group_id: 5 }, groups.member(3)),
      groups.entry({ group_id: 5 }, groups.group(6)),
      service.entry(
        { dst_ip: 1, protocol: 6, dst_port: 80 },
        service.actions.set_service({
          group_id: 1,
          endpoint_base: 0,
          service_id: 1,
          flags: 0,
          affinity_profile: 0,
        }),
      ),
      policyPorts.entry({ policy_id: 7 }, allow, { priority: 5 }),
      policyPorts.entry({ policy_id: 7, dst_port: { value: 1, mask: 0x00ff } }, allow, { priority: 2 }),
      k8sDp.actionProfiles.endpoint_selector.member(
        3,
        k8sDp.actionProfiles.endpoint_selector.actions.select_endpoint({ endpoint_id: 4 }),
      ),
    ];
    expect(
      foreign.map((entity) => {
        const row = driver.fromEntity(entity);
        return row?.table === 'foreign' && row.key;
      }),
    ).toEqual([
      'arp_table/5',
      'endpoint_group/5',
      'endpoint_group/5',
      'service/1/6/80',
      'policy_port/7/0&0/0&0@5',
      'policy_port/7/0&0/1&255@2',
      'member/3',
    ]);
    expect(driver.fromEntity(ports.defaultEntry())).toBeUndefined();
  });
});

const PORTS: Record<string, number> = { host0: 0, tap1: 1, tap2: 2, up0: 9 };
const context: CompileContext = {
  since: 1_800_000_000,
  port: (name) => {
    const found = PORTS[name];
    if (found !== undefined) return { kind: 'known', port: found };
    return name === 'later' ? { kind: 'unknown' } : { kind: 'missing', message: `no ${name}` };
  },
  profiles: () => ({ ingress: undefined, egress: undefined }),
  holder: () => undefined,
  resident: () => undefined,
};
const pod: PodObject = {
  kind: 'pod',
  attachmentId: 'c/eth0',
  namespace: 'n',
  name: 'p',
  interfaceName: 'tap1',
  mac: mac(0x0200_0000_0001),
  ip: ipv4(0x0af4_0101),
};
const nodeObject: NodeObject = {
  kind: 'node',
  name: 'n',
  host: { interfaceName: 'host0', mac: mac(0x0200_0000_0009), addresses: [ipv4(0x0a00_0001)] },
  serviceCidrs: [ipv4Prefix(ipv4('10.96.0.0'), 16)],
  routes: [],
  addresses: [],
  unsupportedAddresses: [],
};

describe('pods and nodes', () => {
  it('a pod is three rows', () => {
    const { since } = context;
    expect(driver.pod(pod, context)).toEqual({
      rows: [
        { table: 'port_table', port: 1, role: 'pod', podIp: pod.ip, since, requires: [] },
        {
          table: 'pod_forward',
          ip: pod.ip,
          port: 1,
          dstMac: pod.mac,
          srcMac: POD_GATEWAY_MAC,
          since,
          requires: [],
        },
        { table: 'arp_table', ip: pod.ip, mac: POD_GATEWAY_MAC },
      ],
      conditions: [],
    });
  });

  it('a pod without port, or without its address, has no rows', () => {
    expect(driver.pod({ ...pod, interfaceName: 'later' }, context)).toMatchObject({
      rows: [],
      conditions: [{ severity: 'pending', reason: 'InterfaceUnknown' }],
    });
    expect(driver.pod({ ...pod, interfaceName: 'gone' }, context)).toMatchObject({
      rows: [],
      conditions: [{ severity: 'degraded', reason: 'InterfaceNotFound', message: 'no gone' }],
    });
    const held: CompileContext = {
      ...context,
      holder: (key) => (key.startsWith('port/') ? 'pod/other/eth0' : undefined),
    };
    expect(driver.pod(pod, held)).toMatchObject({
      rows: [],
      conditions: [
        { reason: 'InterfaceConflict', message: 'port 1 (interface tap1) is held by pod other/eth0' },
      ],
    });
  });

  it('a node answers for the gateway and its addresses, and drops unknown service addresses', () => {
    expect(driver.node(nodeObject, context)).toEqual({
      rows: [
        { table: 'port_table', port: 0, role: 'host' },
        { table: 'answer_source', portKind: 0, ip: 0x0a00_0001 },
        { table: 'answer_source', portKind: 2, ip: 0x0a00_0001 },
        { table: 'arp_table', ip: 0xa9fe_0101, mac: 0x0200_0000_0009 },
        { table: 'arp_table', ip: 0x0a00_0001, mac: 0x0200_0000_0009 },
        { table: 'route_table', address: 0x0a60_0000, length: 16, action: 'blackhole' },
      ],
      conditions: [],
    });
  });

  it('a route makes its interface an uplink; one that covers a host address does not take it away', () => {
    const route = {
      interfaceName: 'up0',
      nextHopMac: mac(2),
      sourceMac: mac(4),
      cidr: ipv4Prefix(ipv4('10.0.0.0'), 8),
    };
    const { rows, conditions } = driver.node({ ...nodeObject, routes: [route] }, context);
    expect(conditions).toEqual([]);
    expect(rows).toContainEqual({ table: 'port_table', port: 9, role: 'uplink' });
    expect(rows).toContainEqual({
      table: 'pod_forward',
      ip: 0x0a00_0001,
      port: 0,
      dstMac: 0x0200_0000_0009,
      srcMac: POD_GATEWAY_MAC,
      since: 0,
    });
    const lost = driver.node({ ...nodeObject, routes: [{ ...route, interfaceName: 'gone' }] }, context);
    expect(lost.conditions).toMatchObject([
      { reason: 'InterfaceNotFound', message: 'route 10.0.0.0/8: no gone' },
    ]);
  });

  it('an uplink is open before there are routes', () => {
    const { rows } = driver.node({ ...nodeObject, uplinkInterface: 'up0' }, context);
    expect(rows).toContainEqual({ table: 'port_table', port: 9, role: 'uplink' });
    expect(driver.node({ ...nodeObject, uplinkInterface: 'gone' }, context).conditions).toMatchObject([
      { severity: 'degraded', reason: 'InterfaceNotFound', message: 'uplink gone: no gone' },
    ]);
  });

  it('a host interface that is not port 0 is said', () => {
    const host = { interfaceName: 'tap2', mac: mac(2), addresses: [] };
    expect(driver.node({ ...nodeObject, host }, context).conditions).toMatchObject([
      { reason: 'HostPortMismatch' },
    ]);
  });
});

const web: ServiceObject = {
  kind: 'service',
  namespace: 'n',
  name: 'web',
  portName: '',
  protocol: 'TCP',
  frontends: [{ address: ipv4(1), port: 80 }],
  endpoints: [],
  hasEndpointsElsewhere: false,
  affinitySeconds: undefined,
  unsupportedAddresses: [],
  agentConditions: [],
};

describe('services', () => {
  it.each([
    [1, 0, true],
    [10, 0, false],
    [11, 1, true],
    [60, 2, false],
    [120, 3, false],
    [301, 5, true],
    [10_800, 11, false],
    [43_200, 14, false],
    [43_201, 15, true],
    [86_400, 15, false],
  ])('affinity of %i s takes timeout %i', (affinitySeconds, profile, said) => {
    const plan = emptyGroupPlan('k', 255);
    const { rows, conditions } = driver.service(
      { ...web, affinitySeconds },
      { id: 7, plan, buckets: [], protocol: 'TCP', frontend: undefined },
      context,
    );
    expect(rows).toEqual([
      { table: 'service', ip: 1, protocol: 6, port: 80, id: 7, flags: 3, affinityProfile: profile },
      { table: 'service_address', ip: 1 },
    ]);
    expect(conditions.some(({ reason }) => reason === 'AffinityTimeoutChanged')).toBe(said);
  });

  it.each([
    [false, 2, 'NoEndpoints'],
    [true, 6, 'NoLocalEndpoints'],
  ])(
    'a service without endpoints is refused, unless it has some elsewhere (%s)',
    (isElsewhere, flags, reason) => {
      const plan = emptyGroupPlan('k', 255);
      const { rows, conditions } = driver.service(
        { ...web, hasEndpointsElsewhere: isElsewhere },
        { id: 7, plan, buckets: [], protocol: 'TCP', frontend: undefined },
        context,
      );
      expect(rows).toContainEqual(expect.objectContaining({ table: 'service', flags }));
      expect(conditions).toEqual([expect.objectContaining({ severity: 'note', reason })]);
    },
  );

  it('property: groups name only endpoints that are there, whatever came and went', () => {
    const endpoint = fc.record({
      address: fc.nat(5).map(ipv4),
      port: fc.constant(80),
      weight: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(endpoint, { maxLength: 6 }), { minLength: 1, maxLength: 8 }),
        (versions) => {
          let plan = emptyGroupPlan('k', 4);
          versions.forEach((endpoints, i) => {
            plan = planGroup(plan, { key: 'k', endpoints }, { now: i, drainMs: 2, restMs: 1 });
            const { rows } = driver.service(
              { ...web, endpoints },
              { id: 3, plan, buckets: [], protocol: 'TCP', frontend: undefined },
              context,
            );
            const keys = new Set(rows.map((row) => driver.key(row)));
            expect(keys.size).toBe(rows.length);
            for (const row of rows) {
              for (const key of driver.requires(row)) {
                if (!String(key).startsWith('member/')) expect(keys).toContain(key);
              }
            }
          });
        },
      ),
    );
  });
});
