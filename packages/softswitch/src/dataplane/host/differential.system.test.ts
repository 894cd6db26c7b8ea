import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatIPv4, ipv4 } from '@infra-offload/net';
import { insert, modify, remove } from '@infra-offload/p4rt';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpArtifacts, k8sDpDeviceConfig, k8sDpP4Info, POLICY_CLASSES } from '@infra-offload/p4src';
import { arpRequest, packet } from '@infra-offload/swx/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Forwarding } from '../../entities/forwarding.js';
import { loadConfig } from '../../pipeline/config.js';
import { MemoryPorts } from '../../ports/memory.js';
import { readAll } from '../../testing/forwarding.js';
import { compiled, dpdkHeaders, dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import type { Dataplane } from '../dataplane.js';
import { LocalEngine } from './engine/local.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';
import { injectBody, readPackets } from './packets.js';
import { Operation } from './protocol.js';

const PORTS = 8;
const PODS = ['10.244.0.1', '10.244.0.2', '10.244.0.3', '10.244.0.4'].map(ipv4);
/** What routes translate sources to. */
const SOURCES = ['10.244.0.0', '192.0.2.1'];
const VIPS = ['10.96.0.1', '10.96.0.2', '10.96.0.3', '10.96.0.4'].map(ipv4);
const OUTSIDE = ['192.168.0.5', '8.8.8.8', '1.1.1.1', '169.254.1.1', '10.96.3.3', ...SOURCES].map(ipv4);
const PACKETS = 2500;
/** Packets in one request, which the host still runs one after the other. */
const REQUEST = 250;

const t = k8sDp.tables;
const profile = k8sDp.actionProfiles.endpoint_selector;

interface Input {
  readonly port: number;
  readonly packet: Uint8Array;
}

/** The same generator on both sides: numbers from 0 below `n`. */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % n;
  };
}

const variants =
  dpdkHeaders === undefined
    ? (['the specification'] as const)
    : (['the specification', 'compiled code'] as const);

describe.skipIf(!dpdkInstalled).each(variants)('the engine and DPDK, running %s, do the same', (variant) => {
  let directory: string;
  let ports: MemoryPorts;
  let engine: HostDataplane;
  let dpdk: HostDataplane;
  let ours: Forwarding;
  let theirs: Forwarding;

  const load = (dataplane: Dataplane): Forwarding => {
    const config = { p4info: k8sDpP4Info().p4info, p4DeviceConfig: k8sDpDeviceConfig(), cookie: undefined };
    const forwarding = Forwarding.begin(loadConfig(dataplane, config));
    dataplane.activate(forwarding.pipeline);
    return forwarding;
  };

  beforeAll(async () => {
    ports = new MemoryPorts(PORTS);
    // DPDK's clock is its own; here nothing expires, there nothing within the time that this takes.
    engine = new HostDataplane(ports, new LocalEngine({ now: () => 0 }));
    directory = mkdtempSync(join(tmpdir(), 'differential-'));
    const code = variant === 'compiled code' ? compiled(k8sDpArtifacts.spec, PORTS, directory) : [];
    const args = ['--ports', `${PORTS}`, ...code];
    dpdk = new HostDataplane(new MemoryPorts(PORTS), await HostProcesses.open(dpdkProgram(args)));
    ours = load(engine);
    theirs = load(dpdk);
    await write(setUp());
  });

  afterAll(async () => {
    await dpdk?.stop();
    rmSync(directory, { recursive: true });
  });

  async function write(updates: readonly Update[]): Promise<void> {
    for (const forwarding of [ours, theirs]) {
      for (const update of updates) forwarding.update(update, undefined);
      await forwarding.pipeline.commit();
    }
  }

  function throughEngine(inputs: readonly Input[]): string[] {
    const out: string[] = [];
    let cause = 0;
    ports.onTransmit((port, packet) => {
      if (port < PORTS) out.push(`${cause} -> ${port} ${Buffer.from(packet).toString('hex')}`);
    });
    for (const { port, packet } of inputs) {
      engine.receive(port, packet.slice(), packet.length);
      cause++;
    }
    return out;
  }

  async function throughDpdk(inputs: readonly Input[]): Promise<string[]> {
    const host = (await dpdk.whenReady()) ?? expect.unreachable('no host');
    const emitted = readPackets(await host.request(Operation.INJECT, injectBody(inputs)));
    return emitted.map(
      ({ cause, port, packet }) => `${cause} -> ${port} ${Buffer.from(packet).toString('hex')}`,
    );
  }

  /** Sends the packets through both and tells how many came out. */
  async function compare(inputs: readonly Input[]): Promise<number> {
    let sent = 0;
    for (let at = 0; at < inputs.length; at += REQUEST) {
      const part = inputs.slice(at, at + REQUEST);
      const expected = throughEngine(part);
      expect(await throughDpdk(part), `packets ${at}..`).toEqual(expected);
      sent += expected.length;
    }
    return sent;
  }

  function compareCounters(): void {
    for (const request of [
      k8sDp.counters.drop_counter.all(),
      k8sDp.counters.service_counter.cell(1),
      k8sDp.counters.service_counter.cell(2),
      k8sDp.counters.service_counter.cell(3),
      ...[5, 6].flatMap((policy) => [
        k8sDp.counters.policy_denied.cell(policy),
        ...Array.from({ length: POLICY_CLASSES }, (_, i) =>
          k8sDp.counters.policy_allowed.cell(policy * POLICY_CLASSES + i),
        ),
      ]),
      k8sDp.registers.denials.all(),
      k8sDp.registers.denied_ends.all(),
      k8sDp.registers.denied_what.all(),
    ]) {
      const counts = readAll(ours, request);
      expect(readAll(theirs, request)).toEqual(counts);
      expect(counts.length).toBeGreaterThan(0);
    }
  }

  it.each([1, 2, 3])('random traffic, seed %i', async (seed) => {
    expect(await compare(traffic(random(seed)))).toBeGreaterThan(PACKETS / 8);
    compareCounters();
  });

  it('a TCP connection through a service, both directions', async () => {
    const [client = 0, server = 0] = PODS;
    const there = (flags: number): Input => tcp(2, client, VIPS[3] ?? 0, 4242, 80, flags);
    const back = (flags: number): Input => tcp(3, server, client, 8001, 4242, flags);
    expect(
      await compare([there(2), back(0x12), there(0x10), there(0x18), back(0x18), there(0x11), back(0x11)]),
    ).toBe(7);
  });

  it('a pod that reaches itself through a service', async () => {
    const [pod = 0] = PODS;
    const inputs = Array.from({ length: 64 }, (_, i) => tcp(2, pod, VIPS[0] ?? 0, 20_000 + i, 80, 2));
    const replies = inputs.map((_, i) => tcp(2, pod, ipv4('169.254.1.1'), 8000, 20_000 + i, 0x12));
    expect(await compare([...inputs, ...replies])).toBeGreaterThan(64);
  });

  it('clients with affinity stay with their endpoint', async () => {
    const inputs = Array.from({ length: 40 }, (_, i) =>
      tcp(2, PODS[0] ?? 0, VIPS[1] ?? 0, 30_000 + i, 80, 2),
    );
    const before = throughEngine(inputs).length;
    expect(before).toBe(40);
    expect((await throughDpdk(inputs)).length).toBe(40);
    expect(await compare(inputs)).toBe(40);
  });

  it('truncated and senseless frames', async () => {
    const next = random(77);
    const whole = tcp(2, PODS[0] ?? 0, VIPS[0] ?? 0, 1, 80, 2).packet;
    const inputs: Input[] = [];
    for (let length = 1; length < whole.length; length++)
      inputs.push({ port: 2, packet: whole.slice(0, length) });
    for (let i = 0; i < 300; i++) {
      const packet = whole.slice();
      for (let k = 0; k <= next(3); k++) packet[12 + next(packet.length - 12)] = next(256);
      inputs.push({ port: next(PORTS), packet });
    }
    await compare(inputs);
    compareCounters();
  });

  it('after changes of every kind', async () => {
    const next = random(9);
    const group = (members: [number, number][]): Entity =>
      profile.group(
        1,
        members.map(([member, weight]) => ({ member, weight })),
      );
    await write([
      modify(group([[2, 1]])),
      remove(t.endpoint.key({ endpoint_id: 257 })),
      modify(
        t.endpoint.entry(
          { endpoint_id: 258 },
          t.endpoint.actions.set_endpoint({ ip: PODS[3] ?? 0, port: 9000, flags: 0 }),
        ),
      ),
      remove(t.policy_ingress.key({ pod_ip: PODS[2] ?? 0 })),
      insert(t.route_table.entry({ dst: '1.1.0.0/16' }, t.route_table.actions.unreachable({}))),
      raiseEpoch(2),
    ]);
    await compare(traffic(next));
    await write([
      modify(
        group([
          [2, 3],
          [3, 100],
        ]),
      ),
      insert(
        t.endpoint.entry(
          { endpoint_id: 257 },
          t.endpoint.actions.set_endpoint({ ip: PODS[1] ?? 0, port: 9001, flags: 0 }),
        ),
      ),
      remove(t.route_table.key({ dst: '1.1.0.0/16' })),
      raiseEpoch(3),
    ]);
    await compare(traffic(next));
    compareCounters();
  });
});

function tcp(
  port: number,
  source: number,
  target: number,
  sourcePort: number,
  targetPort: number,
  flags: number,
): Input {
  const payload = flags & 8 ? new Uint8Array([1, 2, 3]) : new Uint8Array(0);
  const l4 = { protocol: 'tcp', sourcePort, targetPort, flags, payload } as const;
  return { port, packet: packet({ source: formatIPv4(ipv4(source)), target: formatIPv4(ipv4(target)), l4 }) };
}

/** Packets of all kinds, many of them of flows that go on. */
function traffic(next: (n: number) => number): Input[] {
  const pick = <T>(values: readonly T[], otherwise: T): T => values[next(values.length)] ?? otherwise;
  const frame = (port: number): Uint8Array => {
    const own = PODS[port - 2];
    const source = own !== undefined && next(12) > 0 ? own : pick([...PODS, ...OUTSIDE], ipv4(0));
    const target = next(2) ? pick(VIPS, ipv4(0)) : pick([...PODS, ...OUTSIDE], ipv4(0));
    const common = {
      source: formatIPv4(source),
      target: formatIPv4(target),
      ttl: pick([64, 64, 64, 2, 1, 0], 64),
      ...(next(8) ? {} : { vlan: 5 }),
    };
    switch (next(16)) {
      case 0:
        return arpRequest({
          operation: pick<1 | 2>([1, 1, 2], 1),
          senderMac: '02:00:00:00:00:02',
          sender: common.source,
          target: pick(['169.254.1.1', '10.0.0.7', ...PODS.map(formatIPv4)], '0.0.0.0'),
        });
      case 1:
        return packet({ ...common, icmpEcho: { type: pick<0 | 8>([0, 8], 8), identifier: next(4) } });
      case 2:
        return packet({
          ...common,
          protocol: pick([132, 47, 253], 47),
          body: new Uint8Array(24).fill(0x5a),
          fragmentOffset: pick([0, 0x2000, 0x4000], 0),
        });
      case 3:
        return new Uint8Array(60).fill(next(256), 12);
      default: {
        const reply = next(2) === 1;
        const ephemeral = 1000 + next(40);
        const l4 = {
          protocol: pick(['tcp', 'udp'] as const, 'tcp'),
          sourcePort: reply ? 8000 + next(4) : ephemeral,
          targetPort: reply ? ephemeral : pick([80, 80, 80, 8000, 8001, 8002, 81], 80),
          flags: next(64),
          noChecksum: next(4) === 0,
          payload: new Uint8Array(next(20)).map(() => next(256)),
        };
        const odd = next(30) ? {} : { fragmentOffset: pick([7, 0x2000, 0x2001], 7) };
        return packet({
          ...common,
          l4,
          ...odd,
          ...(next(40) ? {} : { versionIhl: pick([0x46, 0x4f, 0x65], 0x46) }),
        });
      }
    }
  };
  return Array.from({ length: PACKETS }, () => {
    const port = next(7);
    return { port, packet: frame(port) };
  });
}

/** Has all flows checked with their next packets. */
function raiseEpoch(epoch: number): Update {
  return modify(t.flow_epoch.defaultEntry(t.flow_epoch.defaultActions.set_flow_epoch({ epoch, flags: 1 })));
}

/** Pods on ports 2 to 5, services with and without affinity, policies, routes. */
function setUp(): Update[] {
  const updates = [
    t.port_table.entry({ input_port: 0 }, t.port_table.actions.set_host_port({})),
    t.port_table.entry({ input_port: 1 }, t.port_table.actions.set_uplink_port({})),
    t.arp_table.entry(
      { target_ip: '169.254.1.1' },
      t.arp_table.actions.arp_reply({ mac: '02:aa:00:00:00:01' }),
    ),
    t.arp_table.entry({ target_ip: '10.0.0.7' }, t.arp_table.actions.arp_forward({ port: 1 })),
    t.route_table.entry(
      { dst: '192.168.0.0/24' },
      t.route_table.actions.set_nexthop({ port: 1, dst_mac: 5, src_mac: 6, source_ip: '10.244.0.0' }),
    ),
    t.route_table.entry(
      { dst: '8.0.0.0/8' },
      t.route_table.actions.masquerade_nexthop({ port: 1, dst_mac: 7, src_mac: 8, source_ip: '192.0.2.1' }),
    ),
    t.route_table.entry({ dst: '10.96.0.0/16' }, t.route_table.actions.unreachable({})),
    t.policy_egress.entry(
      { pod_ip: PODS[3] ?? 0 },
      t.policy_egress.actions.set_policy_egress({ policy_id: 5 }),
    ),
    t.policy_ingress.entry(
      { pod_ip: PODS[2] ?? 0 },
      t.policy_ingress.actions.set_policy_ingress({ policy_id: 6 }),
    ),
    t.policy_peer.entry(
      { policy_id: 6, peer_ip: PODS[0] ?? 0 },
      t.policy_peer.actions.set_peer_classes({ mask: 1n << 63n }),
    ),
  ];
  for (const [i, pod] of PODS.entries()) {
    updates.push(
      t.port_table.entry({ input_port: 2 + i }, t.port_table.actions.set_pod_port({ pod_ip: pod, since: 1 })),
      t.pod_forward.entry(
        { pod_ip: pod },
        t.pod_forward.actions.forward({
          port: 2 + i,
          dst_mac: 0x0200_0000_0010 + i,
          src_mac: 0x02aa_0000_0001,
          since: 1,
        }),
      ),
    );
    for (const base of [256, 512, 768, 1024]) {
      updates.push(
        t.endpoint.entry(
          { endpoint_id: base + i + 1 },
          t.endpoint.actions.set_endpoint({ ip: pod, port: 8000 + i, flags: 0 }),
        ),
      );
    }
  }
  for (const policy_id of [5, 6]) {
    const cidr = t.policy_cidr.actions.add_cidr_classes;
    const port = t.policy_port.actions.set_port_classes;
    updates.push(
      t.policy_cidr.entry({ policy_id, peer_ip: '10.244.0.0/16' }, cidr({ mask: 2n })),
      t.policy_cidr.entry({ policy_id, peer_ip: '10.244.0.2/32' }, cidr({ mask: 0xf_0000_0000n })),
      t.policy_port.entry(
        { policy_id, protocol: { value: 6, mask: 0xff }, dst_port: { value: 8000, mask: 0xfffc } },
        port({ mask: (1n << 63n) | 2n }),
        { priority: 10 },
      ),
      t.policy_port.entry(
        { policy_id, protocol: { value: 6, mask: 0xff }, dst_port: { value: 8002, mask: 0xffff } },
        port({ mask: 0xf_0000_0000n }),
        { priority: 20 },
      ),
      t.policy_port.entry({ policy_id }, port({ mask: 2n }), { priority: 1 }),
    );
  }
  const members = Array.from({ length: 255 }, (_, i) =>
    profile.member(i + 1, profile.actions.select_endpoint({ endpoint_id: i + 1 })),
  );
  const weights: [number, number][][] = [
    [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
    ],
    [
      [2, 5],
      [4, 3],
    ],
    [
      [1, 4],
      [3, 8],
      [2, 12],
      [4, 100],
    ],
    [[2, 1]],
  ];
  const services = weights.flatMap((group, i) => {
    const id = i + 1;
    const action = t.service.actions.set_service({
      group_id: id,
      endpoint_base: 256 * id,
      service_id: id,
      flags: id === 2 ? 1 : 0,
      affinity_profile: 5,
    });
    return [
      profile.group(
        id,
        group.map(([member, weight]) => ({ member, weight })),
      ),
      t.endpoint_group.entry({ group_id: id }, t.endpoint_group.group(id)),
      ...[6, 17].map((protocol) => t.service.entry({ dst_ip: VIPS[i] ?? 0, protocol, dst_port: 80 }, action)),
    ];
  });
  return [raiseEpoch(1), ...[...updates, ...members, ...services].map(insert)];
}
