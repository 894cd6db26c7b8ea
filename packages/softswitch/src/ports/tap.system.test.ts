import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { DescriptorPorts } from '../dataplane/host/engine/descriptor-ports.js';
import type { Logger } from '../logger.js';
import { type Libc, loadLibc } from './libc.js';
import type { PacketHandler, PortStatistics } from './provider.js';
import { type AttachedPort, type PortSink, type SinkStatistics, TapPorts } from './tap.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) await cleanup();
});

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A network namespace that is gone after the test. */
function namespace(): string {
  const name = `sswt-${randomBytes(4).toString('hex')}`;
  ip('netns', 'add', name);
  cleanups.push(() => existsSync(`/run/netns/${name}`) && ip('netns', 'del', name));
  return name;
}

/** Serves ports as a data plane does, and gives their packets to `receive`. */
class Served implements PortSink {
  readonly #tap: TapPorts;
  readonly #libc: Libc;
  #descriptors: DescriptorPorts | undefined;
  unknownPort = 0;

  constructor(tap: TapPorts, libc: Libc) {
    this.#tap = tap;
    this.#libc = libc;
    tap.lendTo(this);
  }

  start(receive: PacketHandler): void {
    this.#descriptors = new DescriptorPorts(this.#libc, receive, (port) => this.#tap.lost(port));
    for (const port of this.#tap.lent()) this.attach(port);
    this.#descriptors.start();
  }

  /** The two ends of a wire: ports 0 and 1. */
  wire(): void {
    this.start((port, buffer, length) => this.transmit(1 - port, buffer.subarray(0, length)));
  }

  transmit(port: number, packet: Uint8Array): void {
    if (!this.#descriptors?.transmit(port, packet)) this.unknownPort++;
  }

  attach({ number, descriptor }: AttachedPort): void {
    if (descriptor !== undefined) this.#descriptors?.attach(number, this.#libc.duplicate(descriptor));
  }

  detach(number: number): void {
    this.#descriptors?.detach(number);
  }

  statistics(): SinkStatistics {
    const ports = this.#tap.list().flatMap(({ number }) => {
      const statistics: PortStatistics | undefined = this.#descriptors?.statistics(number);
      return statistics === undefined ? [] : [{ number, ...statistics }];
    });
    return { unknownPort: this.unknownPort, ports };
  }

  async stop(): Promise<void> {
    await this.#descriptors?.stop();
  }
}

async function open(
  count: number,
  logger?: Logger,
): Promise<{ ports: TapPorts; served: Served; prefix: string }> {
  const prefix = `t${randomBytes(3).toString('hex')}_`;
  const ports = await TapPorts.open({ prefix, count, ...(logger === undefined ? {} : { logger }) });
  const served = new Served(ports, await loadLibc());
  cleanups.push(async () => {
    await ports.stop();
    await served.stop();
  });
  return { ports, served, prefix };
}

function attach(name: string, netns: string, address: string): void {
  ip('link', 'set', name, 'netns', netns, 'name', 'eth0');
  ip('-n', netns, 'addr', 'add', address, 'dev', 'eth0');
  ip('-n', netns, 'link', 'set', 'eth0', 'up');
}

async function ping(netns: string, address: string): Promise<void> {
  const { execFile } = await import('node:child_process');
  await new Promise<void>((resolve, reject) => {
    execFile('ip', ['netns', 'exec', netns, 'ping', '-c', '3', '-i', '0.05', '-W', '2', address], (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

describe('TAP ports', () => {
  it('devices have the numbers, MAC addresses and MTU that were said, are up, and are gone after stop', async () => {
    const { ports, served, prefix } = await open(2);
    ports.create({ name: `${prefix}7`, mtu: 9000 });
    expect(ports.list().map(({ number, mtu, mac }) => ({ number, mtu, mac }))).toEqual([
      { number: 0, mtu: 1500, mac: '02:50:34:00:00:00' },
      { number: 1, mtu: 1500, mac: '02:50:34:00:00:01' },
      { number: 7, mtu: 9000, mac: '02:50:34:00:00:07' },
    ]);
    const shown = JSON.parse(ip('-json', 'link', 'show', `${prefix}7`))[0];
    expect(shown).toMatchObject({ mtu: 9000, address: '02:50:34:00:00:07' });
    expect(shown.flags).toContain('UP');
    await ports.stop();
    await served.stop();
    expect(existsSync(`/sys/class/net/${prefix}7`)).toBe(false);
  });

  it('devices send nothing of their own: they have no IPv6 addresses', async () => {
    const { ports, prefix } = await open(1);
    ports.create({ name: `${prefix}7`, mtu: 1000 });
    for (const number of [0, 7]) {
      expect(ip('-6', 'address', 'show', 'dev', `${prefix}${number}`)).toBe('');
      const { flags } = JSON.parse(ip('-json', 'link', 'show', `${prefix}${number}`))[0];
      expect(flags).toContain('UP');
    }
  });

  it('packets flow between namespaces and are counted', async () => {
    const { ports, served, prefix } = await open(2);
    const [a, b] = [namespace(), namespace()];
    served.wire();
    attach(`${prefix}0`, a, '10.9.0.1/24');
    attach(`${prefix}1`, b, '10.9.0.2/24');
    await ping(a, '10.9.0.2');
    const statistics = ports.statistics(0);
    expect(statistics?.rxPackets).toBeGreaterThanOrEqual(4);
    expect(statistics?.txBytes).toBeGreaterThanOrEqual(3 * 98);
  });

  it('a device that dies with its namespace is made again under its name and number, and works', async () => {
    const messages: string[] = [];
    const note = (_: object, message: string): unknown => messages.push(message);
    const { served, prefix } = await open(2, { debug: note, info: note, warn: note, error: note });
    const [a, b, c] = [namespace(), namespace(), namespace()];
    served.wire();
    attach(`${prefix}0`, a, '10.9.0.1/24');
    attach(`${prefix}1`, b, '10.9.0.2/24');
    await ping(a, '10.9.0.2');
    ip('netns', 'del', b);
    await expect.poll(() => existsSync(`/sys/class/net/${prefix}1`)).toBe(true);
    expect(messages).toEqual([expect.stringContaining('is gone'), expect.stringContaining('is back')]);
    attach(`${prefix}1`, c, '10.9.0.2/24');
    ip('-n', a, 'neigh', 'flush', 'all');
    await ping(a, '10.9.0.2');
  });

  it('packets that a port does not take are errors, not exceptions', async () => {
    const { ports, served, prefix } = await open(1);
    served.start(() => undefined);
    ip('link', 'set', `${prefix}0`, 'down');
    served.transmit(0, new Uint8Array(64));
    served.transmit(0, new Uint8Array(3));
    served.transmit(5, new Uint8Array(64));
    expect(ports.statistics(0)).toMatchObject({ txPackets: 0, txErrors: 2 });
    expect(ports.unknownPortDrops).toBe(1);
  });

  it('a name that exists is ALREADY_EXISTS, and nothing made before it is left', async () => {
    const { prefix } = await open(2);
    const again = TapPorts.open({ prefix: prefix.slice(0, -1), count: 0 });
    cleanups.push(async () => (await again).stop());
    const ports = await again;
    expect(() => ports.create({ name: `${prefix}0` })).toThrow(
      expect.objectContaining({ code: 'ALREADY_EXISTS', message: expect.stringContaining('exists already') }),
    );
    expect(ports.list()).toEqual([]);
    for (const request of [
      { name: 'a b' },
      { name: 'x'.repeat(16) },
      { name: 'ok', mtu: 10 },
      { name: 'ok', number: -1 },
    ]) {
      expect(() => ports.create(request)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });

  it('nothing is done while nothing happens', async () => {
    const { served, prefix } = await open(2);
    for (const i of [0, 1]) ip('link', 'set', `${prefix}${i}`, 'down');
    served.start(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [before, start] = [process.cpuUsage(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(before);
    // A loop would take all of it.
    expect((user + system) / 1000).toBeLessThan((performance.now() - start) / 2);
  });
});
