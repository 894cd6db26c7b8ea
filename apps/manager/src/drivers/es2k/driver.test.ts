import { emptyGroupPlan, planGroup, restoreGroupPlan } from '@infra-offload/lb-model';
import { type IPv4, ipv4, mac, POD_GATEWAY_MAC } from '@infra-offload/net';
import { P4Program } from '@infra-offload/p4info';
import { es2kDpArtifacts, es2kDpDeviceConfig, es2kDpP4Info } from '@infra-offload/p4src';
import { ServiceError } from '@infra-offload/service';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodObject, ServiceObject } from '../../model/objects.js';
import type { CompileContext, Resident, ServiceAllocation } from '../driver.js';
import { es2kDriver } from './driver.js';
import { isEs2kProgram } from './program.js';
import type { Es2kRow } from './rows.js';

const options = { deviceConfig: es2kDpDeviceConfig(), gatewayMac: POD_GATEWAY_MAC };
const driver = es2kDriver({ ...options, program: es2kDpP4Info() });

/** The P4Info of the portable program with some of its text changed. */
function changed(...edits: readonly (readonly [RegExp, string])[]): P4Program {
  let text = es2kDpArtifacts.p4info;
  for (const [pattern, by] of edits) {
    expect(text).toMatch(pattern);
    text = text.replace(pattern, by);
  }
  return P4Program.parse(text);
}

/** Without the tables whose names match. */
function without(tables: RegExp): P4Program {
  const blocks = es2kDpArtifacts.p4info.split(/^(?=\w+ \{$)/m);
  return P4Program.parse(
    blocks.filter((block) => !block.startsWith('tables') || !tables.test(block)).join(''),
  );
}

const SERVICE_TABLES = /alias: "(?:ipv4_to_port_table_tx_|service_flow|tx_balance|write_|rx_src|pinned)/;
const POLICY_TABLES = /alias: "(?:acl_|tcp_dport|udp_dport|check_acl)/;

const residents = new Map<IPv4, Resident>([
  [ipv4(21), { port: 1, mac: mac(0xa1) }],
  [ipv4(22), { port: 2, mac: mac(0xa2) }],
]);
const context: CompileContext = {
  since: 0,
  port: (name) => (name === 'tap1' ? { kind: 'known', port: 1 } : { kind: 'missing', message: `no ${name}` }),
  holder: () => undefined,
  resident: (address) => residents.get(address),
  profiles: () => ({ ingress: undefined, egress: undefined }),
};
const pod: PodObject = {
  ...{ kind: 'pod', attachmentId: 'c/eth0', namespace: 'n', name: 'p', interfaceName: 'tap1' },
  mac: mac(0xa1),
  ip: ipv4(21),
};
const web: ServiceObject = {
  ...{ kind: 'service', namespace: 'n', name: 'web', portName: '', protocol: 'TCP' },
  frontends: [{ address: ipv4(9), port: 80 }],
  endpoints: [
    { address: ipv4(21), port: 8080, weight: 1 },
    { address: ipv4(22), port: 8080, weight: 1 },
  ],
  hasEndpointsElsewhere: false,
  affinitySeconds: undefined,
  unsupportedAddresses: [],
  agentConditions: [],
};

function allocation(service: ServiceObject, id = 3): ServiceAllocation {
  const { slots } = driver.limits;
  const times = { now: 0, drainMs: 0, restMs: 1 };
  const plan = planGroup(emptyGroupPlan('k', slots), { key: 'k', endpoints: service.endpoints }, times);
  const buckets = Array.from({ length: 64 }, (_, i) =>
    plan.slots.length === 0 ? 0 : (i % plan.slots.length) + 1,
  );
  return { id, plan, buckets, protocol: service.protocol, frontend: service.frontends[0] };
}

const keys = (rows: readonly Es2kRow[]) => rows.map((row) => row.key);

describe('the driver', () => {
  it('writes the 16 meanings of TCP flags, and the verdicts', () => {
    const rows = driver.base();
    const flags = rows.filter(({ table }) => table === 'service_flow_packet_options');
    expect(flags.map(({ match, action }) => `${match.join('')} ${action}`).sort()).toEqual(
      [
        ...['10000', '11000', '11010'].map((key) => `${key} tcp_other_packets`),
        '10010 tcp_syn_packet',
        ...['10001', '10011', '10100', '10101', '10110', '10111'].map(
          (key) => `${key} tcp_fin_or_rst_packet`,
        ),
        ...['11001', '11011', '11100', '11101', '11110', '11111'].map(
          (key) => `${key} tcp_fin_or_rst_packet`,
        ),
      ].sort(),
    );
    const verdicts = rows.filter(({ table }) => table === 'check_acl_result');
    expect(verdicts).toHaveLength(12);
    expect(verdicts.filter(({ action }) => action === 'allow')).toHaveLength(9);
    expect(new Set(keys(rows)).size).toBe(rows.length);
  });

  it("a pod's rows lead to its port and to its MAC address", () => {
    const { rows, conditions } = driver.pod(pod, context);
    expect(conditions).toEqual([]);
    expect(rows.map(({ key, action, params }) => [key, action, ...params])).toEqual([
      ['pod_gateway_mac_mod_table/2', 'update_src_dst_mac', options.gatewayMac, 0xa1],
      ['ipv4_to_port_table_rx/21', 'set_dest_vport', 1],
      ['ipv4_to_port_table_tx/21', 'set_dest_mac_vport', 1, 2],
      ['ipv4_to_port_table_tx_tcp/21', 'set_dest_mac_vport', 1, 2],
      ['ipv4_to_port_table_tx_service/21', 'set_dest_mac_vport', 1, 2],
      ['arp_to_port_table/21', 'set_dest_vport', 1],
    ]);
  });

  it('a service has one row for each bucket, and two for each endpoint', () => {
    const { rows, conditions } = driver.service(web, allocation(web), context);
    expect(conditions).toEqual([]);
    const [vip, source, ...rest] = rows;
    expect([vip?.key, vip?.action]).toEqual(['ipv4_to_port_table_tx_tcp/9', 'set_vip_flag_tcp']);
    expect([source?.key, ...(source?.params ?? [])]).toEqual([
      'write_source_ip_table/3',
      options.gatewayMac,
      9,
      80,
    ]);
    const endpoints = rest.filter(({ table }) => table !== 'tx_balance');
    expect(endpoints.map(({ key, params }) => [key, ...params])).toEqual([
      [`write_dest_ip_table/${3 * 1024 + 1}`, options.gatewayMac, 0xa1, 21, 8080],
      ['rx_src_ip/21/6/8080', 3],
      [`write_dest_ip_table/${3 * 1024 + 2}`, options.gatewayMac, 0xa2, 22, 8080],
      ['rx_src_ip/22/6/8080', 3],
    ]);
    const buckets = rest.filter(({ table }) => table === 'tx_balance');
    expect(buckets).toHaveLength(64);
    expect(buckets[1]).toMatchObject({
      key: 'tx_balance/9/6/80/1',
      params: [2, 3 * 1024 + 2],
      requires: [`write_dest_ip_table/${3 * 1024 + 2}`, 'rx_src_ip/22/6/8080', 'write_source_ip_table/3'],
    });
  });

  it.each<[string, Partial<ServiceObject>, string]>([
    ['affinity', { affinitySeconds: 10_800 }, 'AffinityNotSupported'],
    ['a second frontend', { frontends: [...web.frontends, { address: ipv4(8), port: 80 }] }, 'OneFrontend'],
    [
      'an endpoint elsewhere',
      { endpoints: [{ address: ipv4(99), port: 1, weight: 1 }] },
      'EndpointsNotLocal',
    ],
    ["a pod's address", { frontends: [{ address: ipv4(21), port: 80 }] }, 'AddressConflict'],
    ['no endpoints', { endpoints: [] }, 'NoEndpoints'],
  ])('says what it leaves out: %s', (_, more, reason) => {
    const service = { ...web, ...more };
    const endpoints = driver.reachable(service, context);
    const { conditions } = driver.service(service, allocation({ ...service, endpoints }), context);
    expect(conditions.map((condition) => condition.reason)).toContain(reason);
    expect(conditions.every(({ message }) => message !== '')).toBe(true);
  });

  it('the rows of a service tell its id, slots and buckets', () => {
    const given = allocation(web);
    const [found, ...others] = driver.services(driver.service(web, given, context).rows);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      id: 3,
      frontends: [{ frontend: { address: 9, port: 80 }, protocol: 'TCP' }],
      buckets: given.buckets,
    });
    const times = { now: 0, drainMs: 0, restMs: 1 };
    const view = found?.view ?? { endpoints: [], members: [] };
    expect(restoreGroupPlan('k', driver.limits.slots, view, times)).toEqual(given.plan);
  });

  it('an endpoint of another service is left out of this one', () => {
    const held: CompileContext = {
      ...context,
      holder: (claim) => (claim === 'endpoint/21/8080/TCP' ? 'service/n/first:/TCP' : undefined),
    };
    expect(driver.reachable(web, held)).toEqual([{ address: 22, port: 8080, weight: 1 }]);
    const { conditions } = driver.service(
      web,
      allocation({ ...web, endpoints: web.endpoints.slice(1) }),
      held,
    );
    expect(conditions).toMatchObject([{ severity: 'degraded', reason: 'EndpointConflict' }]);
    expect(conditions[0]?.message).toContain('service n/first:/TCP');
  });

  it('SCTP is refused', () => {
    expect(driver.refusal({ ...web, protocol: 'SCTP' })?.reason).toBe('ProtocolNotSupported');
  });
});

describe('the program of a package', () => {
  it('is recognised by its tables', () => {
    expect(isEs2kProgram(es2kDpP4Info())).toBe(true);
    expect(isEs2kProgram(without(/alias: "ipv4_to_port_table_rx"/))).toBe(false);
  });

  it('may have services only, or policy only', () => {
    const services = es2kDriver({ ...options, program: without(POLICY_TABLES) });
    expect(services.base()).toHaveLength(16);
    expect(services.tables.some((table) => table.startsWith('acl'))).toBe(false);
    const policy = es2kDriver({ ...options, program: without(SERVICE_TABLES) });
    expect(policy.base()).toHaveLength(12);
    expect(policy.refusal(web)?.reason).toBe('ServicesNotInPackage');
    expect(policy.claims(web, context)).toEqual([]);
    expect(keys(policy.pod(pod, context).rows)).toEqual([
      'pod_gateway_mac_mod_table/2',
      'ipv4_to_port_table_rx/21',
      'ipv4_to_port_table_tx/21',
      'arp_to_port_table/21',
    ]);
  });

  it('may be of before 24.01: update_src_dst_mac takes one MAC address', () => {
    const older = es2kDriver({
      ...options,
      program: changed([
        /(alias: "update_src_dst_mac"\n\s*\}\n)\s*params \{\n\s*id: 1\n\s*name: "smac"\n\s*bitwidth: 48\n\s*\}\n(\s*params \{\n\s*)id: 2/,
        '$1$2id: 1',
      ]),
    });
    const [mac] = older.pod(pod, context).rows;
    expect(mac?.params).toEqual([0xa1]);
    if (mac === undefined) throw new Error('no row');
    expect(older.equal(older.fromEntity(older.toEntity(mac)) ?? mac, mac)).toBe(true);
  });

  it('may have other widths and other names of parameters', () => {
    const narrow = es2kDriver({
      ...options,
      program: changed(
        [/(name: "meta\.common\.hash\[5:0\]"\n\s*bitwidth: )8/, '$16'],
        [
          /(alias: "set_default_lb_dest"[\s\S]*?name: )"p"(\n\s*bitwidth: )32([\s\S]*?name: )"ptr"/,
          '$1"vport"$29$3"mod_ptr"',
        ],
      ),
    });
    const bucket = narrow
      .service(web, allocation(web), context)
      .rows.find(({ table }) => table === 'tx_balance');
    if (bucket === undefined) throw new Error('no row');
    expect(narrow.fromEntity(narrow.toEntity(bucket))).toMatchObject({
      key: bucket.key,
      params: bucket.params,
    });
    const far: CompileContext = { ...context, port: () => ({ kind: 'known', port: 600 }) };
    expect(narrow.pod(pod, far).conditions).toMatchObject([{ reason: 'PortOutOfRange' }]);
    expect(driver.pod(pod, far).conditions).toEqual([]);
  });

  it.each<[string, readonly [RegExp, string], RegExp]>([
    [
      'a table',
      [/(name: "k8s_dp_control\.rx_src_ip"\n\s*alias: )"rx_src_ip"/, '$1"rx_src"'],
      /no table rx_src_ip/,
    ],
    [
      'a key',
      [/(alias: "arp_to_port_table"\n\s*\}\n[\s\S]*?name: )"hdrs\.arp\.tpa"/, '$1"hdrs.arp.spa"'],
      /no key hdrs\.arp\.tpa in table arp_to_port_table: it has hdrs\.arp\.spa/,
    ],
    [
      'an action',
      [/(alias: )"set_vip_flag_tcp"/, '$1"set_vip"'],
      /no action set_vip_flag_tcp in table ipv4_to_port_table_tx_tcp/,
    ],
  ])('is refused when it lacks %s', (_, edit, message) => {
    const bind = () => es2kDriver({ ...options, program: changed(edit) });
    expect(bind).toThrow(ServiceError);
    expect(bind).toThrow(message);
  });
});

it('property: every row is read back as it was written', () => {
  const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
  fc.assert(
    fc.property(
      uint(32).map(ipv4),
      uint(48).map(mac),
      uint(16),
      fc.integer({ min: 1, max: driver.limits.serviceIds }),
      (ip, hardwareAddress, port, id) => {
        const at: CompileContext = {
          ...context,
          resident: (address) => (address === 5 ? { mac: hardwareAddress, port } : undefined),
        };
        const service = {
          ...web,
          frontends: [{ address: ip, port: port || 1 }],
          endpoints: [{ address: ipv4(5), port: port || 1, weight: 1 }],
        };
        fc.pre(ip !== 5);
        const rows = [
          ...driver.base(),
          ...driver.pod({ ...pod, ip, mac: hardwareAddress }, context).rows,
          ...driver.service(service, allocation(service, id), at).rows,
        ];
        for (const row of rows) {
          const back = driver.fromEntity(driver.toEntity(row));
          expect(back).toMatchObject({ key: row.key, action: row.action, params: row.params });
          for (const key of back?.requires ?? []) expect(row.requires).toContain(key);
          for (const key of row.requires) {
            const named = rows.find((other) => other.key === key);
            expect(named && driver.phase(named)).toBeLessThan(driver.phase(row));
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});
