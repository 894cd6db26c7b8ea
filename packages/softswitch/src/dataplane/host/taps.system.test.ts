import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { GnmiClient, insert, P4RuntimeSession, remove } from '@infra-offload/p4rt';
import { k8sDp, k8sDpArtifacts, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { afterEach, describe, expect, it } from 'vitest';
import { TapPorts } from '../../ports/tap.js';
import { Softswitch } from '../../softswitch.js';
import { dpdkInstalled, dpdkProgram } from '../../testing/swx-host.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';

const PODS = ['10.244.7.1', '10.244.7.2'];
const GATEWAY = '02:aa:00:00:00:01';
const t = k8sDp.tables;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) await cleanup();
});

const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

async function start(ports: TapPorts, dataplane: HostDataplane): Promise<Softswitch> {
  const freePort = '127.0.0.1:0';
  const softswitch = await Softswitch.start({
    p4runtimeAddress: freePort,
    gnmiAddress: freePort,
    ports,
    dataplane,
  });
  cleanups.push(() => softswitch.stop());
  return softswitch;
}

/** A softswitch, and a session of its primary. */
async function serve(ports: TapPorts, dataplane: HostDataplane) {
  const softswitch = await start(ports, dataplane);
  const session = await P4RuntimeSession.open({
    address: softswitch.p4runtimeAddress,
    deviceId: 1,
    electionId: 1n,
  });
  cleanups.push(() => session.close());
  return { softswitch, session };
}

/** A switch on DPDK whose ports 0 and 1 are in two namespaces, as pods. */
class World {
  readonly prefix = `d${randomBytes(3).toString('hex')}_`;
  readonly namespaces: string[] = [];

  private constructor(
    readonly ports: TapPorts,
    readonly dataplane: HostDataplane,
    readonly softswitch: Softswitch,
    readonly session: P4RuntimeSession,
  ) {}

  static async start(): Promise<World> {
    const prefix = `d${randomBytes(3).toString('hex')}_`;
    const ports = await TapPorts.open({ prefix, count: 2 });
    const dataplane = new HostDataplane(ports, await HostProcesses.open(dpdkProgram(['--ports', '8'])));
    const { softswitch, session } = await serve(ports, dataplane);
    await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
    const world = new World(ports, dataplane, softswitch, session);
    for (const number of PODS.keys()) await world.attach(`${prefix}${number}`, number);
    return world;
  }

  /** Moves a port's device into a new namespace, and tells the switch of the pod there. */
  async attach(device: string, number: number): Promise<void> {
    const netns = `swxt-${randomBytes(4).toString('hex')}`;
    ip('netns', 'add', netns);
    cleanups.push(() => existsSync(`/run/netns/${netns}`) && ip('netns', 'del', netns));
    this.namespaces[number] = netns;
    const pod = PODS[number] ?? `10.244.7.${number + 1}`;
    ip('link', 'set', device, 'netns', netns, 'name', 'eth0');
    ip('-n', netns, 'addr', 'add', `${pod}/32`, 'dev', 'eth0');
    ip('-n', netns, 'link', 'set', 'eth0', 'up');
    ip('-n', netns, 'route', 'add', '169.254.1.1', 'dev', 'eth0', 'scope', 'link');
    ip('-n', netns, 'route', 'add', 'default', 'via', '169.254.1.1', 'dev', 'eth0');
    ip('-n', netns, 'neigh', 'replace', '169.254.1.1', 'lladdr', GATEWAY, 'dev', 'eth0');
    const [link] = JSON.parse(ip('-n', netns, '-json', 'link', 'show', 'eth0'));
    await this.session.write([
      insert(
        t.port_table.entry(
          { input_port: number },
          t.port_table.actions.set_pod_port({ pod_ip: pod, since: 0 }),
        ),
      ),
      insert(
        t.pod_forward.entry(
          { pod_ip: pod },
          t.pod_forward.actions.forward({
            port: number,
            dst_mac: String(link.address),
            src_mac: GATEWAY,
            since: 0,
          }),
        ),
      ),
    ]);
  }

  ping(from: number, to: number): Promise<string> {
    const target = PODS[to] ?? `10.244.7.${to + 1}`;
    const args = [
      'netns',
      'exec',
      this.namespaces[from] ?? '',
      'ping',
      '-c',
      '5',
      '-i',
      '0.05',
      '-W',
      '2',
      target,
    ];
    return new Promise((resolve) => execFile('ip', args, (_error, stdout) => resolve(stdout)));
  }

  async entries(): Promise<string[]> {
    const found: string[] = [];
    for await (const entity of this.session.read([t.port_table.all(), t.pod_forward.all()]))
      found.push(JSON.stringify(entity, (_key, value) => (typeof value === 'bigint' ? `${value}` : value)));
    return found.sort();
  }
}

describe.skipIf(!dpdkInstalled)('TAP ports on DPDK', () => {
  it('pods talk, are counted, and go on talking after the host was killed', async () => {
    const world = await World.start();
    expect(await world.ping(0, 1)).toContain('5 received');
    expect(world.ports.statistics(0)?.rxPackets).toBeGreaterThanOrEqual(5);
    expect(world.ports.statistics(1)?.txPackets).toBeGreaterThanOrEqual(5);

    const before = await world.entries();
    const first = world.dataplane.host;
    // A hundred packets in two seconds, and the host is killed among them.
    const args = [
      'netns',
      'exec',
      world.namespaces[0] ?? '',
      'ping',
      '-q',
      '-c',
      '100',
      '-i',
      '0.02',
      '-W',
      '60',
      PODS[1] ?? '',
    ];
    const pinging = spawn('ip', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    pinging.stdout.on('data', (data) => {
      output += data;
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    process.kill(first?.greeting.pid ?? 0, 'SIGKILL');
    await expect.poll(() => [undefined, first].includes(world.dataplane.host)).toBe(false);
    await new Promise((resolve) => pinging.on('close', resolve));
    expect(world.dataplane.restarts).toBe(1);
    const received = Number(/(\d+) received/.exec(output)?.[1]);
    // Packets wait in the devices meanwhile; only those that the host had read are lost.
    expect(received, output).toBeGreaterThan(95);
    expect(await world.entries()).toEqual(before);
    expect(await world.ping(1, 0)).toContain('5 received');
    await world.session.write([remove(t.pod_forward.key({ pod_ip: PODS[1] ?? '' }))]);
  });

  it('a write while the host is away is in the next one', async () => {
    const world = await World.start();
    process.kill(world.dataplane.host?.greeting.pid ?? 0, 'SIGKILL');
    const entry = t.service.entry(
      { dst_ip: '10.96.0.1', protocol: 6, dst_port: 80 },
      t.service.actions.set_service({
        group_id: 1,
        endpoint_base: 1,
        service_id: 1,
        flags: 0,
        affinity_profile: 0,
      }),
    );
    await world.session.write([insert(entry)]);
    const names = [...k8sDpArtifacts.spec.matchAll(/^table (\S+)/gm)].map(([, name]) => name);
    const tables = world.dataplane.statistics()?.tables.map(({ entries }, i) => [names[i], entries]);
    expect(tables).toEqual(
      expect.arrayContaining([
        ['port_table', 2],
        ['service', 1],
      ]),
    );
    expect(await world.ping(0, 1)).toContain('5 received');
  });

  it('gNMI makes ports that carry packets, tells of them and removes them', async () => {
    const world = await World.start();
    const gnmi = await GnmiClient.connect({ address: world.softswitch.gnmiAddress });
    cleanups.push(() => gnmi.close());
    const name = `${world.prefix}5`;
    const path = `interfaces/virtual-interface[name=${name}]`;
    await gnmi.set({ update: [{ path: `${path}/config/port-type`, value: 'TAP' }] });
    const [number] = await gnmi.get([`${path}/config/tdi-portin-id`]);
    expect(Number(number?.value)).toBe(5);
    await world.attach(name, 5);
    expect(await world.ping(5, 0)).toContain('5 received');
    const [packets] = await gnmi.get([`${path}/state/counters/in-pkts`]);
    expect(Number(packets?.value)).toBeGreaterThanOrEqual(5);
    await gnmi.set({ delete: [path] });
    expect(await world.ping(5, 0)).not.toContain('5 received');
    expect(await world.ping(0, 1)).toContain('5 received');
  });

  it('gNMI makes ports as IPDK does, leaf by leaf, whether there is a pipeline yet or not', async () => {
    const prefix = `d${randomBytes(3).toString('hex')}_`;
    const ports = await TapPorts.open({ prefix, count: 0 });
    const dataplane = new HostDataplane(ports, await HostProcesses.open(dpdkProgram(['--ports', '8'])));
    const softswitch = await start(ports, dataplane);
    const gnmi = await GnmiClient.connect({ address: softswitch.gnmiAddress });
    cleanups.push(() => gnmi.close());
    const make = async (number: number): Promise<void> => {
      const config = `interfaces/virtual-interface[name=${prefix}${number}]/config`;
      const leaves = {
        'device-type': 'VIRTUAL_INTERFACE',
        'pipeline-name': 'pipe',
        'mempool-name': 'MEMPOOL0',
        mtu: 1500,
        'port-type': 'TAP',
      };
      await gnmi.set({
        update: Object.entries(leaves).map(([leaf, value]) => ({ path: `${config}/${leaf}`, value })),
      });
      const [id] = await gnmi.get([`${config}/tdi-portin-id`]);
      expect(Number(id?.value)).toBe(number);
      ip('link', 'set', `${prefix}${number}`, 'mtu', '1280');
    };
    for (let number = 0; number < 3; number++) await make(number);
    const address = softswitch.p4runtimeAddress;
    const session = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 1n });
    cleanups.push(() => session.close());
    await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
    await make(3);
    expect(dataplane.statistics()?.ports.map(({ number, name }) => ({ number, name }))).toEqual(
      [0, 1, 2, 3].map((number) => ({ number, name: `${prefix}${number}` })),
    );
    // There are 8 places.
    await expect(
      gnmi.set({
        update: [{ path: `interfaces/virtual-interface[name=${prefix}8]/config/port-type`, value: 'TAP' }],
      }),
    ).rejects.toThrow(/there are 8 slots/);
    expect(ports.find(`${prefix}8`)).toBeUndefined();
    expect(existsSync(`/sys/class/net/${prefix}8`)).toBe(false);
  });

  it('a device that is gone with its namespace is made again', async () => {
    const world = await World.start();
    ip('netns', 'del', world.namespaces[1] ?? '');
    const [, port] = world.ports.list();
    await expect.poll(() => existsSync(`/sys/class/net/${port?.name}`)).toBe(true);
    await world.session.write([
      remove(t.port_table.key({ input_port: 1 })),
      remove(t.pod_forward.key({ pod_ip: PODS[1] ?? '' })),
    ]);
    await world.attach(port?.name ?? '', 1);
    expect(await world.ping(0, 1)).toContain('5 received');
  });

  it('a host that cannot be run is named in the answer', async () => {
    const ports = await TapPorts.open({ prefix: 'none_', count: 0 });
    const dataplane = new HostDataplane(
      ports,
      await HostProcesses.open(dpdkProgram([], '/nonexistent/swx-host')),
    );
    const { session } = await serve(ports, dataplane);
    const set = session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
    await expect(set).rejects.toThrow(/swx-host does not start: cannot run \/nonexistent\/swx-host/);
  });
});
