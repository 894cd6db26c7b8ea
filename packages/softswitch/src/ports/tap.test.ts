import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { Logger } from '../logger.js';
import type { PortProvider } from './provider.js';
import { TapPorts } from './tap.js';

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

async function open(count: number, logger?: Logger): Promise<{ ports: TapPorts; prefix: string }> {
  const prefix = `t${randomBytes(3).toString('hex')}_`;
  const ports = await TapPorts.open({ prefix, count, ...(logger === undefined ? {} : { logger }) });
  cleanups.push(() => ports.stop());
  return { ports, prefix };
}

/** Ports 0 and 1 are the two ends of a wire. */
function wire(ports: PortProvider): Promise<void> {
  return ports.start((port, buffer, length) => ports.transmit(1 - port, buffer.subarray(0, length)));
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

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

describe('TAP ports', () => {
  test('devices have the numbers, MAC addresses and MTU that were said, are up, and are gone after stop', async () => {
    const { ports, prefix } = await open(2);
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
    expect(existsSync(`/sys/class/net/${prefix}7`)).toBe(false);
  });

  test('packets flow between namespaces and are counted', async () => {
    const { ports, prefix } = await open(2);
    const [a, b] = [namespace(), namespace()];
    await wire(ports);
    attach(`${prefix}0`, a, '10.9.0.1/24');
    attach(`${prefix}1`, b, '10.9.0.2/24');
    await ping(a, '10.9.0.2');
    const statistics = ports.statistics(0);
    expect(statistics?.rxPackets).toBeGreaterThanOrEqual(4);
    expect(statistics?.txBytes).toBeGreaterThanOrEqual(3 * 98);
  });

  test('a device that dies with its namespace is made again under its name and number, and works', async () => {
    const messages: string[] = [];
    const note = (_: object, message: string): unknown => messages.push(message);
    const { ports, prefix } = await open(2, { debug: note, info: note, warn: note, error: note });
    const [a, b, c] = [namespace(), namespace(), namespace()];
    await wire(ports);
    attach(`${prefix}0`, a, '10.9.0.1/24');
    attach(`${prefix}1`, b, '10.9.0.2/24');
    await ping(a, '10.9.0.2');
    ip('netns', 'del', b);
    await until(() => existsSync(`/sys/class/net/${prefix}1`));
    expect(messages).toEqual([expect.stringContaining('is gone'), expect.stringContaining('is back')]);
    attach(`${prefix}1`, c, '10.9.0.2/24');
    ip('-n', a, 'neigh', 'flush', 'all');
    await ping(a, '10.9.0.2');
  });

  test('packets that a port does not take are errors, not exceptions', async () => {
    const { ports, prefix } = await open(1);
    await ports.start(() => undefined);
    ip('link', 'set', `${prefix}0`, 'down');
    ports.transmit(0, new Uint8Array(64));
    ports.transmit(0, new Uint8Array(3));
    ports.transmit(5, new Uint8Array(64));
    expect(ports.statistics(0)).toMatchObject({ txPackets: 0, txErrors: 2 });
    expect(ports.unknownPortDrops).toBe(1);
  });

  test('a name that exists is ALREADY_EXISTS, and nothing made before it is left', async () => {
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

  test('nothing is done while nothing happens', async () => {
    const { ports, prefix } = await open(2);
    for (const i of [0, 1]) ip('link', 'set', `${prefix}${i}`, 'down');
    await ports.start(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(150);
  });
});
