/**
 * Packets a second through our pipeline in the engine, one core, no I/O: `tsx bench/src/swx-nat.ts [spec]`. Version 1 of the
 * program, to compare with, is bench/k8s-dp-1/k8s_dp.spec.
 */
import { readFileSync } from 'node:fs';
import { parseSpec, SwxPipeline } from '@infra-offload/swx';
import { tcpFrame } from './frames.lib.js';

const FLOWS = 1000;
const SECONDS = 2;
const BURST = 2000;
const CLIENT = 0x0af40001;
const SERVER = 0x0af40002;
const VIP = 0x0a600001;
const SYN = 2;
const ACK = 16;

const specFile = process.argv[2] ?? new URL('../../p4src/dpdk/k8s_dp.spec', import.meta.url);
const spec = parseSpec(readFileSync(specFile, 'utf8'), { file: 'k8s_dp.spec' });
let sent = 0;
let last: Uint8Array = new Uint8Array();
const pipeline = new SwxPipeline(spec, {
  onTransmit: (_port, packet) => {
    sent++;
    last = packet;
  },
});
/** Sets an entry. Version 1 has fewer arguments, and another name for what an endpoint does. */
function set(
  table: string,
  key: readonly number[],
  action: string,
  args: readonly (number | bigint)[],
): void {
  const name = spec.actions.has(action) ? action : 'dnat';
  const count = spec.actions.get(name)?.args?.fields.length ?? 0;
  const entry = { key: key.map((value) => ({ value })), action: name, args: args.slice(0, count) };
  pipeline.tableSet(table, entry);
}

for (const [port, address] of [
  [2, CLIENT],
  [3, SERVER],
] as const) {
  set('port_table', [port], 'set_pod_port', [address, 0]);
  set('pod_forward', [address], 'forward', [port, 2n, 3n, 0]);
}
set('port_table', [1], 'set_uplink_port', []);
set('endpoint_selector', [1], 'select_endpoint', [1]);
set('endpoint', [257], 'set_endpoint', [SERVER, 8080, 0]);
pipeline.selectorSet('endpoint_selector_sel', 1, [{ member: 1, weight: 1 }]);
set('endpoint_group', [1], 'endpoint_group_set_group_id', [1]);
set('service', [VIP, 6, 80], 'set_service', [1, 256, 1, 0, 0]);

interface Input {
  readonly port: number;
  readonly packet: Uint8Array;
}

function tcp(
  port: number,
  source: number,
  target: number,
  sourcePort: number,
  targetPort: number,
  flags = ACK,
): Input {
  return { port, packet: tcpFrame(source, target, sourcePort, targetPort, flags) };
}

/** Seconds of CPU time that this process has taken: what others have of the machine does not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Runs the inputs in turn for some seconds; packets a second. */
function measure(inputs: readonly Input[], seconds = SECONDS, run: (input: Input) => void = forward): number {
  let next = 0;
  let packets = 0;
  const start = cpuSeconds();
  let elapsed = 0;
  while (elapsed < seconds) {
    for (let i = 0; i < BURST; i++) {
      const input = inputs[next++];
      if (next === inputs.length) next = 0;
      if (input !== undefined) run(input);
    }
    packets += BURST;
    elapsed = cpuSeconds() - start;
  }
  return packets / elapsed;
}

const forward = ({ port, packet }: Input): void => pipeline.process(port, packet);
const flows = Array.from({ length: FLOWS }, (_, i) => 10_000 + i);
const sets = {
  'pod to pod, established, both directions': flows.flatMap((port) => [
    tcp(2, CLIENT, SERVER, port, 9000),
    tcp(3, SERVER, CLIENT, 9000, port),
  ]),
  'service NAT, established, forward': flows.map((port) => tcp(2, CLIENT, VIP, port, 80)),
  'service NAT, established, reply': flows.map((port) => tcp(3, SERVER, CLIENT, 8080, port)),
  'service NAT, established, both directions': flows.flatMap((port) => [
    tcp(2, CLIENT, VIP, port, 80),
    tcp(3, SERVER, CLIENT, 8080, port),
  ]),
};
for (const port of flows) {
  forward(tcp(2, CLIENT, VIP, port, 80, SYN));
  forward(tcp(3, SERVER, CLIENT, 8080, port, SYN | ACK));
  forward(tcp(2, CLIENT, VIP, port, 80));
  forward(tcp(2, CLIENT, SERVER, port, 9000, SYN));
  forward(tcp(3, SERVER, CLIENT, 9000, port, SYN | ACK));
  forward(tcp(2, CLIENT, SERVER, port, 9000));
}
const report = (name: string, rate: number): void =>
  console.log(`${name.padEnd(52)} ${Math.round(rate).toLocaleString('en')} packets/s`);
for (const inputs of Object.values(sets)) measure(inputs, 0.5);
let mixed = 0;
for (const [name, inputs] of Object.entries(sets)) {
  const before = sent;
  const rate = measure(inputs);
  report(name, rate);
  mixed = rate;
  if (sent === before) throw new Error(`no packet came out: ${name}`);
}

// New flows: each packet is the first of its flow, and is learned in both directions.
let flow = 0;
const started = cpuSeconds();
const NEW_FLOWS = 400_000;
while (flow < NEW_FLOWS) {
  const client = tcp(2, CLIENT, VIP, 1024 + (flow % 60_000), 80, SYN);
  new DataView(client.packet.buffer).setUint32(26, 0x0b000000 + Math.floor(flow / 60_000));
  forward({ port: 1, packet: client.packet });
  flow++;
}
report('service NAT, new flows (learned both ways)', NEW_FLOWS / (cpuSeconds() - started));

const traced = sets['service NAT, established, both directions'];
const traceRate = measure(traced, 1, ({ port, packet }) => void pipeline.trace(port, packet));
report('service NAT, traced step by step', traceRate);
console.log(`${'compiled against traced'.padEnd(52)} ${Math.round(mixed / traceRate)}x`);
console.log(
  'last packet:',
  last.length,
  'bytes; stats:',
  JSON.stringify({ ...pipeline.stats, tables: undefined }),
);
