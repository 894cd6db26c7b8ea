/**
 * Our program, its first version, and others, side by side on DPDK: compiled, with huge pages if there are any, one after
 * the other within each round, since machines change their speed as they like. Packets are UDP of 60 bytes.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type DataplaneEntry,
  HostDataplane,
  HostProcesses,
  MemoryPorts,
  type Pipeline,
  type ReplayedPacket,
  replay,
} from '@infra-offload/softswitch';
import { reserveHugePages } from '../../scripts/huge-pages.mjs';
import { udpFrame } from './frames.lib.js';

const CLIENT = 0x0af40001;
const SERVER = 0x0af40002;
const VIP = 0x0a600001;
const CLIENT_PORT = 2;
const SERVER_PORT = 3;
const UPLINK_PORT = 1;
const PORTS = 4;
/** Megabytes of a process. */
const MEMORY = 768;
const ROUNDS = 5;
const MILLISECONDS = 400;
/** New flows fill the tables; these are far from full. */
const NEW_FLOWS_MILLISECONDS = 100;
/** More than that are not begun in this time. */
const MOST_NEW_FLOWS = 1_000_000;
/** Packets with a growing source port make so many flows. */
const PORT_NUMBERS = 65_536;
/** Time in which every flow has a packet. */
const WARM_UP = new Map([
  [1024, 50],
  [PORT_NUMBERS, 400],
  [8 * PORT_NUMBERS, 3000],
]);
/** Services, each at a port of its own. */
const SERVICES = 8;
const SERVICE_PORT = 80;
const TARGET_PORT = 8080;

interface Program {
  readonly name: string;
  readonly dataplane: HostDataplane;
}

type Flow = (service: number, clientPort: number) => Uint8Array;
interface Load {
  readonly name: string;
  readonly there: Flow;
  readonly back: Flow;
}

type Counter = NonNullable<ReplayedPacket['counter']>;
const SOURCE_PORT: Counter = { offset: 34, bytes: 2 };
const DESTINATION_PORT: Counter = { offset: 36, bytes: 2 };
const SOURCE: Counter = { offset: 26, bytes: 4 };
/** From there on, a packet of another client each time. */
const newFlows = (client: number) =>
  new Map([[UPLINK_PORT, [{ packet: udpFrame(client, VIP, 1234, SERVICE_PORT), counter: SOURCE }]]]);
const LOADS: readonly Load[] = [
  {
    name: 'through a service (NAT)',
    there: (service, port) => udpFrame(CLIENT, VIP, port, SERVICE_PORT + service),
    back: (service, port) => udpFrame(SERVER, CLIENT, TARGET_PORT + service, port),
  },
  {
    name: 'pod to pod',
    there: (service, port) => udpFrame(CLIENT, SERVER, port, 9000 + service),
    back: (service, port) => udpFrame(SERVER, CLIENT, 9000 + service, port),
  },
];

/** So many flows, both ways. */
function packetsOf({ there, back }: Load, flows: number): Map<number, ReplayedPacket[]> {
  if (flows < PORT_NUMBERS) {
    const ports = Array.from({ length: flows }, (_, i) => 10_000 + i);
    return new Map([
      [CLIENT_PORT, ports.map((port) => ({ packet: there(0, port) }))],
      [SERVER_PORT, ports.map((port) => ({ packet: back(0, port) }))],
    ]);
  }
  const services = Array.from({ length: flows / PORT_NUMBERS }, (_, i) => i);
  return new Map([
    [CLIENT_PORT, services.map((i) => ({ packet: there(i, 0), counter: SOURCE_PORT }))],
    [SERVER_PORT, services.map((i) => ({ packet: back(i, 0), counter: DESTINATION_PORT }))],
  ]);
}

/** Two pods, and services of one of them. Arguments that a version of the program does not have are left out. */
function setUpOurs(pipeline: Pipeline): void {
  const { tables } = pipeline.schema;
  const set = (table: string, key: readonly number[], action: string, args: DataplaneEntry['args']): void => {
    const known = tables.get(table)?.actions;
    // Version 1 has another name for what an endpoint does.
    const name = known?.has(action) ? action : 'dnat';
    const taken = args.slice(0, known?.get(name)?.params.length);
    pipeline.tableSet(table, { key: key.map((value) => ({ value })), action: name, args: taken });
  };
  for (const [port, pod] of [
    [CLIENT_PORT, CLIENT],
    [SERVER_PORT, SERVER],
  ] as const) {
    set('port_table', [port], 'set_pod_port', [pod, 1]);
    set('pod_forward', [pod], 'forward', [port, 2n, 3n, 1]);
  }
  set('port_table', [UPLINK_PORT], 'set_uplink_port', []);
  if (tables.has('flow_epoch')) pipeline.tableSetDefault('flow_epoch', 'set_flow_epoch', [1, 0]);
  set('endpoint_selector', [1], 'select_endpoint', [1]);
  pipeline.selectorSet('endpoint_selector_sel', 1, [{ member: 1, weight: 1 }]);
  set('endpoint_group', [1], 'endpoint_group_set_group_id', [1]);
  for (let service = 0; service < SERVICES; service++) {
    const base = 256 * (service + 1);
    set('endpoint', [base + 1], 'set_endpoint', [SERVER, TARGET_PORT + service, 0]);
    set('service', [VIP, 17, SERVICE_PORT + service], 'set_service', [1, base, service + 1, 0, 0]);
  }
}

/** The same in the tables of k8s-infra-offload's program for DPDK. */
function setUpIpdk(pipeline: Pipeline): void {
  const set = (table: string, key: readonly number[], action: string, args: DataplaneEntry['args']): void =>
    pipeline.tableSet(table, { key: key.map((value) => ({ value })), action, args });
  // Pods are on the host's side: policies are asked.
  for (const port of [CLIENT_PORT, SERVER_PORT]) pipeline.registerWrite('direction', port, 1n);
  set('ipv4_to_port_table', [CLIENT], 'set_dest_mac_vport', [CLIENT_PORT, 2n]);
  set('ipv4_to_port_table', [SERVER], 'set_dest_mac_vport', [SERVER_PORT, 3n]);
  for (let service = 0; service < SERVICES; service++) {
    const member = service + 1;
    set('write_dest_ip_table', [member], 'update_dst_ip', [SERVER, TARGET_PORT + service]);
    set('write_source_ip_table', [member], 'update_src_ip', [VIP, SERVICE_PORT + service]);
    set('as_sl3_udp', [member], 'set_default_lb_dest_1', [member]);
    pipeline.selectorSet('as_sl3_udp_sel', member, [{ member, weight: 1 }]);
    set('tx_balance_udp', [VIP, SERVICE_PORT + service], 'tx_balance_udp_set_group_id', [member]);
    set('set_meta_udp', [SERVER, TARGET_PORT + service], 'set_key_for_reverse_ct_1', [member]);
  }
}

interface Tools {
  readonly binary: string;
  readonly headers: string;
  /** For what is compiled. */
  readonly directory: string;
}

async function start(file: string, index: number, args: readonly string[], tools: Tools): Promise<Program> {
  const name = `${basename(dirname(file))}/${basename(file)}`;
  const library = join(tools.directory, `program-${index}.so`);
  execFileSync(
    tools.binary,
    ['--spec', file, '--ports', `${PORTS}`, '--compile', library, '--headers', tools.headers],
    { stdio: 'ignore' },
  );
  const source = await HostProcesses.open({
    kind: 'dpdk',
    name,
    command: tools.binary,
    args: ['--ports', `${PORTS}`, '--library', library, ...args],
  });
  const dataplane = new HostDataplane(new MemoryPorts(PORTS), source);
  const pipeline = dataplane.load(readFileSync(file, 'utf8'), file);
  dataplane.activate(pipeline);
  if (pipeline.schema.tables.has('tx_balance_udp')) setUpIpdk(pipeline);
  else setUpOurs(pipeline);
  await pipeline.commit();
  return { name, dataplane };
}

type Packets = ReadonlyMap<number, readonly ReplayedPacket[]>;

function run({ name, dataplane: { host } }: Program, milliseconds: number, packets: Packets) {
  if (host === undefined) throw new Error(`${name} is not running`);
  return replay(host, milliseconds, packets);
}

/** Million packets that are sent on for each second of CPU. */
async function measure(program: Program, milliseconds: number, packets: Packets): Promise<number> {
  const { transmitted, cpuSeconds } = await run(program, milliseconds, packets);
  if (transmitted === 0) throw new Error(`${program.name} sends nothing on`);
  return transmitted / cpuSeconds / 1e6;
}

async function compareLoad(
  programs: readonly Program[],
  title: string,
  rateOf: (program: Program) => Promise<number>,
): Promise<void> {
  const rates = new Map<Program, number[]>(programs.map((program) => [program, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [program, list] of rates) list.push(await rateOf(program));
  const medians = [...rates.values()].map((list) => list.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0);
  console.log(`  ${title.padEnd(42)}${medians.map((rate) => rate.toFixed(2).padStart(10)).join('')}`);
}

/** Runs the programs of those files, the first of which are the project's, and prints a table. */
export async function comparePrograms(files: readonly string[], tools: Tools): Promise<void> {
  const reserved = reserveHugePages(MEMORY * files.length);
  const isHuge = reserved.giveBack !== undefined;
  const args = isHuge ? ['--huge', '--memory', `${MEMORY}`] : [];
  const programs: Program[] = [];
  try {
    for (const [i, file] of files.entries()) programs.push(await start(file, i, args, tools));
    console.log(
      `\nprograms side by side, compiled, ${isHuge ? 'huge pages' : `no huge pages: ${reserved.reason}`}`,
    );
    console.log(`  M packets/s, median of ${ROUNDS}: ${programs.map(({ name }) => name).join(', ')}`);
    let client = 0x14000000;
    await compareLoad(programs, 'new flows, to a service', (program) => {
      client += MOST_NEW_FLOWS;
      return measure(program, NEW_FLOWS_MILLISECONDS, newFlows(client));
    });
    for (const [flows, warmUp] of WARM_UP)
      for (const load of LOADS) {
        const packets = packetsOf(load, flows);
        await compareLoad(programs, `${load.name}, ${flows.toLocaleString('en')} flows`, async (program) => {
          // The client speaks first. What was forgotten in the rounds of the others begins anew here.
          await run(program, warmUp, new Map([...packets].filter(([port]) => port === CLIENT_PORT)));
          await run(program, warmUp, packets);
          return measure(program, MILLISECONDS, packets);
        });
      }
  } finally {
    for (const { dataplane } of programs) await dataplane.stop();
    reserved.giveBack?.();
  }
}
