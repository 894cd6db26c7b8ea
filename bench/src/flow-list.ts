/**
 * A million flows, listed while two pods ping each other 500 times a second, on both data planes: by the host alone, through
 * P4Runtime as bytes, and as entities, by another process. CPU seconds tell what it costs on a machine that does other things, too.
 * Needs root: `pnpm build && make swx-host && node scripts/bench.mjs flow-list`
 */

import { execFile, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { ipv4, ipv4Bytes } from '@infra-offload/net';
import { insert, P4RuntimeSession } from '@infra-offload/p4rt';
import { type Entity, P4RuntimeClient, P4RuntimeService, ReadRequest } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { type Host, HostDataplane, HostProcesses, Softswitch, TapPorts } from '@infra-offload/softswitch';

const BINARY = fileURLToPath(new URL('../../tools/swx-host/build/swx-host', import.meta.url));
const ENGINE = fileURLToPath(new URL('../../packages/softswitch/dist/swx-engine.js', import.meta.url));
/** The engine has room for half as many: `size` is entries there, and buckets of four of them in DPDK. */
const FLOWS = { engine: 500_000, dpdk: 1_000_000 };
const INJECTED = 2000;
const UPLINK = 5;
const PODS = ['10.244.9.1', '10.244.9.2'] as const;
const [SERVER] = PODS;
const GATEWAY = '02:aa:00:00:00:01';
/** What the host is asked for; tools/swx-host/README.md. */
const [ADD_PORT, INJECT, LIST_LEARNED] = [9, 11, 25] as const;
const MEMORY = 3;
const LIST_END = 0xffff_ffff;
const t = k8sDp.tables;

interface Listing {
  readonly entries: number;
  readonly bytes: number;
  readonly seconds: number;
  /** CPU seconds of the process that reads, if it is another one. */
  readonly reader?: number;
}

/** CPU seconds of this process. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** CPU seconds of the first thread of a process: that of the control socket (proc(5); 100 ticks a second). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Entries of a ReadResponse without taking it apart: each is a field of one byte tag and a length. */
function count(message: Buffer): number {
  let entries = 0;
  for (let at = 0; at < message.length; entries++) {
    let length = 0;
    at++;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    at += length;
  }
  return entries;
}

/** Reads all entries through P4Runtime. */
async function read(target: string, decoded: boolean): Promise<Listing> {
  const client = new P4RuntimeClient(target, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  const { path, requestSerialize, responseDeserialize } = P4RuntimeService.read;
  const request = ReadRequest.create({ deviceId: 1n, entities: [t.conntrack.all()] });
  const started = performance.now();
  const before = cpu();
  let [entries, bytes] = [0, 0];
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    (message: Buffer) => {
      bytes += message.length;
      entries += decoded ? responseDeserialize(message).entities.length : count(message);
      return message.length;
    },
    request,
  );
  for await (const _ of call);
  client.close();
  return { entries, bytes, seconds: (performance.now() - started) / 1000, reader: cpu() - before };
}

const [address, decode] = process.argv.slice(2);
if (address !== undefined) process.send?.(await read(address, decode === 'true'));
else {
  for (const [name, kind, command, ...args] of [
    ['engine', 'engine', process.execPath, ENGINE],
    ['dpdk', 'dpdk', BINARY, '--ports', '8', '--memory', '1536'],
  ] as const)
    await measure(name, await HostProcesses.open({ kind, name, command, args }));
}

/** Another process that reads. */
async function controller(target: string, decoded: boolean): Promise<Listing> {
  const child = fork(fileURLToPath(import.meta.url), [target, `${decoded}`]);
  const [listing] = await once(child, 'message');
  await once(child, 'exit');
  return listing;
}

async function listHost(host: Host): Promise<Listing> {
  const started = performance.now();
  let [entries, bytes] = [0, 0];
  const learner = host.description.learners.findIndex(({ name }) => name === 'conntrack');
  for (let cursor = 0; cursor !== LIST_END; ) {
    const body = Buffer.alloc(10);
    body.writeUInt16LE(learner);
    body.writeUInt32LE(cursor, 2);
    body.writeUInt32LE(8192, 6);
    const reader = await host.request(LIST_LEARNED, body);
    cursor = reader.u32();
    entries += reader.u32();
    bytes += reader.rest;
  }
  return { entries, bytes, seconds: (performance.now() - started) / 1000 };
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** Makes a port's device that of a pod in a namespace. */
function attach(device: string, port: number, namespace: string): Entity[] {
  const pod = PODS[port] ?? SERVER;
  ip('netns', 'add', namespace);
  ip('link', 'set', device, 'netns', namespace, 'name', 'eth0');
  for (const command of [
    `addr add ${pod}/32 dev eth0`,
    'link set eth0 up',
    'route add 169.254.1.1 dev eth0 scope link',
    'route add default via 169.254.1.1 dev eth0',
    `neigh replace 169.254.1.1 lladdr ${GATEWAY} dev eth0`,
  ])
    ip('-n', namespace, ...command.split(' '));
  const [{ address }] = JSON.parse(ip('-n', namespace, '-json', 'link', 'show', 'eth0'));
  return [
    t.port_table.entry({ input_port: port }, t.port_table.actions.set_pod_port({ pod_ip: pod, since: 0 })),
    t.pod_forward.entry(
      { pod_ip: pod },
      t.pod_forward.actions.forward({ port, dst_mac: address, src_mac: GATEWAY, since: 0 }),
    ),
  ];
}

/** Opens flows from addresses outside to a pod. */
async function fill(host: Host, flows: number): Promise<void> {
  const packet = Buffer.alloc(64);
  packet.writeUInt16BE(0x0800, 12);
  packet.set([0x45, 0, 0, 50], 14);
  packet.set([64, 17], 22);
  packet.set(ipv4Bytes(ipv4(SERVER)), 30);
  packet.set([0x30, 0x39, 0, 80, 0, 30], 34);
  const head = Buffer.from([UPLINK, 0, packet.length, 0]);
  for (let flow = 0; flow < flows; flow += INJECTED) {
    const body = [Buffer.from([INJECTED & 255, INJECTED >> 8])];
    for (let i = 0; i < INJECTED; i++) {
      packet.writeUInt32BE(0x1400_0000 + flow + i, 26);
      body.push(head, Buffer.from(packet));
    }
    await host.request(INJECT, Buffer.concat(body));
  }
}

async function pinged<T>(namespace: string, what: string, work: () => Promise<T>): Promise<T> {
  const ping = promisify(execFile)('ip', [
    ...['netns', 'exec', namespace, 'ping', '-q', '-i', '0.002', '-c', '2000', '-W', '2', PODS[1]],
  ]).catch((error: { stdout: string }) => error);
  const result = await work();
  const { stdout } = await ping;
  const lost = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  const times = /= ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(stdout);
  console.log(
    `  ${what.padEnd(28)} ${Number(lost?.[1]) - Number(lost?.[2])} of ${lost?.[1]} pings lost, ms: average ${times?.[2]}, worst ${times?.[3]}`,
  );
  return result;
}

async function measure(name: keyof typeof FLOWS, source: HostProcesses): Promise<void> {
  console.log(`\n${name}`);
  const prefix = `fl${process.pid % 10_000}_`;
  const namespaces = PODS.map((_, i) => `${prefix}${i}`);
  const ports = await TapPorts.open({ prefix, count: PODS.length });
  const dataplane = new HostDataplane(ports, source);
  const addresses = { p4runtimeAddress: '127.0.0.1:0', gnmiAddress: '127.0.0.1:0' };
  const softswitch = await Softswitch.start({ ...addresses, ports, dataplane });
  try {
    const target = softswitch.p4runtimeAddress;
    const session = await P4RuntimeSession.open({ address: target, deviceId: 1, electionId: 1n });
    await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
    const pods = namespaces.flatMap((namespace, i) => attach(`${prefix}${i}`, i, namespace));
    const uplink = t.port_table.entry({ input_port: UPLINK }, t.port_table.actions.set_uplink_port({}));
    await session.write([uplink, ...pods].map(insert));
    const { host } = dataplane;
    const [namespace] = namespaces;
    if (host === undefined || namespace === undefined) throw new Error('no host');
    const port = Buffer.from([UPLINK, 0, MEMORY, 6, 0, ...Buffer.from('uplink'), 0, 6, 0, 0]);
    await host.request(ADD_PORT, port);
    // Those that are not answered end after 30 s: what is listed later is opened again.
    const list = async (what: string, work: () => Promise<Listing>): Promise<void> => {
      await fill(host, FLOWS[name]);
      const before = [cpuOf(host.greeting.pid), cpu()] as const;
      const { entries, bytes, seconds, reader } = await pinged(namespace, what, work);
      const million = (each: number): string => ((each * 1e6) / entries).toFixed(2);
      const [plane, own] = [cpuOf(host.greeting.pid) - before[0], cpu() - before[1]];
      console.log(
        `  ${what.padEnd(28)} ${entries} entries, ${(bytes / 1e6).toFixed(0)} MB, in ${seconds.toFixed(2)} s; a million: ${million(seconds)} s; ` +
          `CPU s: data plane ${million(plane)}, softswitch ${million(own)}${reader === undefined ? '' : `, reader ${million(reader)}`}`,
      );
    };
    await pinged(namespace, 'no list', async () => undefined);
    await list('host', () => listHost(host));
    await list('P4Runtime, bytes', () => controller(target, false));
    await list('P4Runtime, entities', () => controller(target, true));
    session.close();
  } finally {
    await softswitch.stop();
    for (const namespace of namespaces) ip('netns', 'del', namespace);
  }
}
