/**
 * The same pipeline in the engine and on DPDK, in one run: packets a second of CPU, without any device; entries a second
 * through P4Runtime; and one change with 100,000 entries in place. Then our program beside its first version and those of
 * other `.spec` files: `SPECS=a.spec:b.spec`. Needs root for huge pages; without them it says so and does without.
 * `make swx-host && node scripts/bench.mjs dpdk`
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { insert, modify, P4RuntimeSession } from '@infra-offload/p4rt';
import type { Update } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import {
  HostDataplane,
  HostProcesses,
  LocalEngine,
  MemoryPorts,
  type ReplayedPacket,
  replay,
  Softswitch,
} from '@infra-offload/softswitch';
import { reserveHugePages } from '../../scripts/huge-pages.mjs';
import { comparePrograms } from './dpdk-programs.lib.js';
import { tcpFrame } from './frames.lib.js';

const BINARY = fileURLToPath(new URL('../../tools/swx-host/build/swx-host', import.meta.url));
const ENGINE = fileURLToPath(new URL('../../packages/softswitch/dist/swx-engine.js', import.meta.url));
const DPDK_HEADERS =
  process.env.DPDK_HEADERS ?? fileURLToPath(new URL('../../tools/swx-host/build/headers', import.meta.url));
const SPEC = fileURLToPath(new URL('../../p4src/dpdk/k8s_dp.spec', import.meta.url));
const CLIENT = 0x0af40001;
const SERVER = 0x0af40002;
const VIP = 0x0a600001;
const FLOWS = 1000;
const MILLISECONDS = 2000;
/** New flows fill the connection table; this is far from full. */
const NEW_FLOWS_MILLISECONDS = 150;
const ENTRIES = 100_000;
const HUGE_MEGABYTES = 768;
/** Programs to compare with ours: its first version, and what the environment names, separated by colons. */
const FIRST = fileURLToPath(new URL('../k8s-dp-1/k8s_dp.spec', import.meta.url));
const OTHERS = (process.env.SPECS ?? '').split(':').filter((file) => file !== '');
const t = k8sDp.tables;
const directory = mkdtempSync(join(tmpdir(), 'bench-dpdk-'));

interface Load {
  readonly name: string;
  readonly milliseconds: number;
  readonly packets: ReadonlyMap<number, readonly ReplayedPacket[]>;
}

const flows = Array.from({ length: FLOWS }, (_, i) => 10_000 + i);
/** What establishes the connections. */
const HANDSHAKES = flows.flatMap((port) => [
  { port: 2, packet: tcpFrame(CLIENT, VIP, port, 80, 2) },
  { port: 3, packet: tcpFrame(SERVER, CLIENT, 8080, port, 0x12) },
  { port: 2, packet: tcpFrame(CLIENT, VIP, port, 80, 0x10) },
  { port: 2, packet: tcpFrame(CLIENT, SERVER, port, 443, 2) },
  { port: 3, packet: tcpFrame(SERVER, CLIENT, 443, port, 0x12) },
  { port: 2, packet: tcpFrame(CLIENT, SERVER, port, 443, 0x10) },
]);
const LOADS: readonly Load[] = [
  {
    name: 'established, through a service (NAT)',
    milliseconds: MILLISECONDS,
    packets: new Map([
      [2, flows.map((port) => ({ packet: tcpFrame(CLIENT, VIP, port, 80, 0x10) }))],
      [3, flows.map((port) => ({ packet: tcpFrame(SERVER, CLIENT, 8080, port, 0x10) }))],
    ]),
  },
  {
    name: 'established, pod to pod',
    milliseconds: MILLISECONDS,
    packets: new Map([
      [2, flows.map((port) => ({ packet: tcpFrame(CLIENT, SERVER, port, 443, 0x10) }))],
      [3, flows.map((port) => ({ packet: tcpFrame(SERVER, CLIENT, 443, port, 0x10) }))],
    ]),
  },
  {
    name: 'new flows, to a service',
    milliseconds: NEW_FLOWS_MILLISECONDS,
    packets: new Map([
      [1, [{ packet: tcpFrame(0x14000000, VIP, 1234, 80, 2), counter: { offset: 26, bytes: 4 } }]],
    ]),
  },
];

function setUp(): Update[] {
  const profile = k8sDp.actionProfiles.endpoint_selector;
  const pods: [number, number][] = [
    [2, CLIENT],
    [3, SERVER],
  ];
  const service = { group_id: 1, endpoint_base: 256, service_id: 1, flags: 0, affinity_profile: 0 };
  const key = { dst_ip: VIP, protocol: 6, dst_port: 80 };
  const epoch = t.flow_epoch.defaultActions.set_flow_epoch({ epoch: 1, flags: 0 });
  const entries = [
    t.port_table.entry({ input_port: 1 }, t.port_table.actions.set_uplink_port({})),
    ...pods.flatMap(([port, pod]) => [
      t.port_table.entry({ input_port: port }, t.port_table.actions.set_pod_port({ pod_ip: pod, since: 1 })),
      t.pod_forward.entry(
        { pod_ip: pod },
        t.pod_forward.actions.forward({ port, dst_mac: 2, src_mac: 3, since: 1 }),
      ),
    ]),
    t.endpoint.entry(
      { endpoint_id: 257 },
      t.endpoint.actions.set_endpoint({ ip: SERVER, port: 8080, flags: 0 }),
    ),
    profile.member(1, profile.actions.select_endpoint({ endpoint_id: 1 })),
    profile.group(1, [{ member: 1, weight: 1 }]),
    t.endpoint_group.entry({ group_id: 1 }, t.endpoint_group.group(1)),
    t.service.entry(key, t.service.actions.set_service(service)),
  ];
  return [...entries.map(insert), modify(t.flow_epoch.defaultEntry(epoch))];
}

/** Runs a load in this process, as swx-host does in its own: packets for each second of CPU time. */
function replayHere(ports: MemoryPorts, dataplane: HostDataplane, load: Load): number {
  let transmitted = 0;
  ports.onTransmit(() => {
    transmitted++;
  });
  const sources = [...load.packets].map(([port, list]) => ({ port, list, next: 0, count: 0 }));
  const buffer = new Uint8Array(2048);
  const view = new DataView(buffer.buffer);
  const start = performance.now();
  const cpu = process.cpuUsage();
  let now = start;
  while (now - start < load.milliseconds) {
    for (let burst = 0; burst < 200; burst++) {
      for (const source of sources) {
        const item = source.list[source.next++ % source.list.length];
        if (item === undefined) continue;
        buffer.set(item.packet);
        const { counter } = item;
        if (counter !== undefined)
          view.setUint32(counter.offset, view.getUint32(counter.offset) + source.count++);
        dataplane.receive(source.port, buffer, item.packet.length);
      }
    }
    now = performance.now();
  }
  const { user, system } = process.cpuUsage(cpu);
  return transmitted / ((user + system) / 1e6);
}

interface Subject {
  readonly name: string;
  readonly dataplane: HostDataplane;
  readonly ports: MemoryPorts;
  /** Packets are given to it by calls, from here. */
  readonly isHere: boolean;
}

/** Each is only made when its turn comes. */
function subjects(): (() => Promise<Subject>)[] {
  const hosted =
    (name: string, kind: 'engine' | 'dpdk', command: string, ...args: string[]) =>
    async () => {
      const ports = new MemoryPorts(4);
      const source = await HostProcesses.open({ kind, name, command, args });
      return { name, ports, isHere: false, dataplane: new HostDataplane(ports, source) };
    };
  const dpdk = (name: string, ...args: string[]) => hosted(name, 'dpdk', BINARY, ...args);
  const list: (() => Promise<Subject>)[] = [
    async () => {
      const ports = new MemoryPorts(4);
      return {
        name: 'engine, in this process',
        ports,
        isHere: true,
        dataplane: new HostDataplane(ports, new LocalEngine()),
      };
    },
    hosted('engine', 'engine', process.execPath, ENGINE),
    dpdk('dpdk', '--ports', '4'),
    dpdk('dpdk, 128 port slots', '--ports', '128'),
  ];
  const huge = ['--ports', '4', '--huge', '--memory', `${HUGE_MEGABYTES}`];
  const library = join(directory, 'k8s_dp.so');
  const code = compile(library) ? ['--library', library] : [];
  if (code.length > 0) list.push(dpdk('dpdk, compiled', '--ports', '4', ...code));
  if (reserved.giveBack !== undefined) {
    list.push(dpdk('dpdk, huge pages', ...huge));
    if (code.length > 0) list.push(dpdk('dpdk, huge pages, compiled', ...huge, ...code));
  } else console.log(`no huge pages: ${reserved.reason}`);
  return list;
}

/** Compiles the program, if the headers of DPDK's source package are there (`make -C tools/swx-host headers`). */
function compile(output: string): boolean {
  if (!existsSync(DPDK_HEADERS)) {
    console.log('no compiled code: make -C tools/swx-host headers');
    return false;
  }
  execFileSync(BINARY, ['--spec', SPEC, '--ports', '4', '--compile', output, '--headers', DPDK_HEADERS], {
    stdio: 'ignore',
  });
  return true;
}

async function control(session: P4RuntimeSession): Promise<{ rate: number; change: number[] }> {
  const actions = t.service.actions;
  const args = { group_id: 1, endpoint_base: 256, service_id: 2, flags: 0, affinity_profile: 0 };
  const entry = (i: number, service_id = 2) =>
    t.service.entry(
      { dst_ip: 0x0b000000 + i, protocol: 6, dst_port: 80 },
      actions.set_service({ ...args, service_id }),
    );
  const started = performance.now();
  await session.write(Array.from({ length: ENTRIES }, (_, i) => insert(entry(i))));
  const rate = ENTRIES / ((performance.now() - started) / 1000);
  const change: number[] = [];
  for (let i = 0; i < 200; i++) {
    const before = performance.now();
    await session.write([modify(entry(i * 7, 3))]);
    change.push(performance.now() - before);
  }
  return { rate, change: change.sort((a, b) => a - b) };
}

async function measure({ name, dataplane, ports, isHere }: Subject): Promise<void> {
  const freePort = '127.0.0.1:0';
  const softswitch = await Softswitch.start({
    p4runtimeAddress: freePort,
    gnmiAddress: freePort,
    ports,
    dataplane,
  });
  const session = await P4RuntimeSession.open({
    address: softswitch.p4runtimeAddress,
    deviceId: 1,
    electionId: 1n,
    maxUpdatesPerWrite: 5000,
    deadlineMs: 60_000,
  });
  await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
  await session.write(setUp());
  for (const [i, { port, packet }] of HANDSHAKES.entries()) {
    ports.send(port, packet);
    // DPDK gets them through a socket, a thousand at a time at most.
    if (i % 500 === 499) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  console.log(`\n${name}`);
  for (const load of LOADS) {
    let rate: number;
    const { host } = dataplane;
    if (isHere) rate = replayHere(ports, dataplane, load);
    else if (host?.greeting.kind === 'dpdk') {
      const { cpuSeconds, transmitted } = await replay(host, load.milliseconds, load.packets);
      rate = transmitted / cpuSeconds;
    } else continue;
    console.log(`  ${load.name.padEnd(40)} ${(rate / 1e6).toFixed(2)} M packets/s`);
  }
  const { rate, change } = await control(session);
  const at = (share: number): string => (change[Math.floor(change.length * share)] ?? 0).toFixed(2);
  console.log(`  ${'entries through P4Runtime'.padEnd(40)} ${Math.round(rate).toLocaleString('en')} /s`);
  console.log(`  ${'one change, 100,000 entries in place'.padEnd(40)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  await session.close();
  await softswitch.stop();
}

const reserved = reserveHugePages(HUGE_MEGABYTES);
try {
  for (const subject of subjects()) await measure(await subject());
} finally {
  reserved.giveBack?.();
}
try {
  if (existsSync(DPDK_HEADERS))
    await comparePrograms([SPEC, FIRST, ...OTHERS], {
      binary: BINARY,
      headers: DPDK_HEADERS,
      directory,
    });
} finally {
  rmSync(directory, { recursive: true });
}
