import { Backoff } from '@infra-offload/base';
import { type Mac, mac } from '@infra-offload/net';
import { MemoryPorts, Softswitch } from '@infra-offload/softswitch';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { PortLookup } from '../drivers/driver.js';
import { ManagerError } from '../errors.js';
import { createLoggers } from '../log.js';
import { GnmiPorts } from './gnmi.js';
import { InterfacePorts } from './interface-ports.js';
import { PortResolver, type PortSource } from './port-resolver.js';

const logger = createLoggers({ level: 'silent', modules: {} }).target;
const missing = () => new ManagerError('NOT_FOUND', 'no such interface');
const away = () => new ManagerError('TARGET_UNAVAILABLE', 'away');

afterEach(() => vi.restoreAllMocks());

describe('ports of interfaces', () => {
  const target: PortSource = { portOf: async () => 7 };
  const ports = (kind: ConstructorParameters<typeof InterfacePorts>[0], known = new Map<string, Mac>()) =>
    new InterfacePorts(kind, target, (name) => known.get(name));
  const MAC = mac(0x000d_0000_0318);

  it('of devices are in their MAC addresses, told by whoever asks or by who wants the interface', async () => {
    expect(await ports('sriov').portOf('vf0', MAC)).toBe(29);
    expect(await ports('cdq', new Map([['vf0', MAC]])).portOf('vf0')).toBe(29);
  });

  it('are asked of the target where they are not', async () => {
    expect(await ports('tap').portOf('tap0', MAC)).toBe(7);
    expect(await ports('sriov').portOf('uplink')).toBe(7);
  });

  it('are asked of the target by the name of the interface', async () => {
    const asked: string[] = [];
    const source: PortSource = {
      portOf: async (name) => {
        asked.push(name);
        throw away();
      },
    };
    for (const kind of ['tap', 'sriov'] as const)
      await expect(new InterfacePorts(kind, source, () => undefined).portOf('x0')).rejects.toMatchObject({
        code: 'TARGET_UNAVAILABLE',
      });
    expect(asked).toEqual(['x0', 'x0']);
  });

  it('are none where the kind has none', async () => {
    await expect(ports('ipvlan').portOf('eth0', MAC)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'eth0 is not a port of the target: interfaceType is ipvlan; use tap, sriov or cdq',
      details: { interface: 'eth0' },
    });
  });
});

describe('ports that gNMI tells', () => {
  it('are numbers, or errors that say whether the interface or the target is missing', async () => {
    const softswitch = await Softswitch.start({
      p4runtimeAddress: '127.0.0.1:0',
      gnmiAddress: '127.0.0.1:0',
      ports: new MemoryPorts(3),
    });
    const ports = new GnmiPorts({ address: softswitch.gnmiAddress });
    expect(await ports.portOf('mem2')).toBe(2);
    await expect(ports.portOf('mem9')).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('the target has no interface mem9: '),
      details: { interface: 'mem9' },
    });
    // Closed, it asks nobody any more, although the target is there.
    const closed = new GnmiPorts({ address: softswitch.gnmiAddress });
    expect(await closed.portOf('mem1')).toBe(1);
    closed.close();
    await expect(closed.portOf('mem1')).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
    await softswitch.stop();
    await expect(ports.portOf('mem2')).rejects.toMatchObject({
      code: 'TARGET_UNAVAILABLE',
      message: expect.stringContaining('the target cannot be asked for the port of mem2: '),
      details: { interface: 'mem2' },
    });
    ports.close();
  });
});

describe('a resolver of ports', () => {
  /** A target that answers with what is in `answers`, in order. */
  function resolver(...answers: readonly (number | (() => Error))[]) {
    const asked: (readonly [string, number | undefined])[] = [];
    const found: (readonly [string, PortLookup])[] = [];
    const wanted = new Set(['a']);
    const left = [...answers];
    const source: PortSource = {
      portOf: async (name, own) => {
        asked.push([name, own]);
        const answer = left.shift();
        if (typeof answer === 'number') return answer;
        throw answer?.() ?? away();
      },
    };
    const made = new PortResolver(
      source,
      (name) => wanted.has(name),
      (name, port) => void found.push([name, port]),
      logger,
    );
    return { resolver: made, asked, found, wanted };
  }
  const turns = async () => {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  };

  it('tells the answer, but never within the call', async () => {
    const { resolver: ports, found, asked } = resolver(3);
    ports.request('a');
    expect(asked).toEqual([]);
    await turns();
    expect(found).toEqual([['a', { kind: 'known', port: 3 }]]);
    // And asks again when it is asked to.
    ports.request('a');
    await turns();
    expect(asked).toHaveLength(2);
    ports.stop();
  });

  it('asks once at a time for an interface that nobody else asks for', async () => {
    const { resolver: ports, asked } = resolver(3);
    ports.request('a');
    ports.request('a');
    ports.request('unwanted');
    await turns();
    expect(asked).toEqual([['a', undefined]]);
    ports.stop();
  });

  it('goes on asking until there is an answer, and tells that the interface is missing meanwhile', async () => {
    const warnings = vi.spyOn(logger, 'warn');
    const pauses = vi.spyOn(Backoff.prototype, 'next');
    const { resolver: ports, asked, found } = resolver(away, missing, 4);
    ports.request('a');
    // Not without a pause.
    await turns();
    expect(asked).toHaveLength(1);
    await expect.poll(() => found).toHaveLength(2);
    // Once, however often it asks.
    expect(warnings.mock.calls).toEqual([[{ interface: 'a', reason: 'away' }, 'port not known yet']]);
    expect(found).toEqual([
      ['a', { kind: 'missing', message: 'no such interface' }],
      ['a', { kind: 'known', port: 4 }],
    ]);
    expect(asked).toHaveLength(3);
    const [first, second] = pauses.mock.results.map(({ value }) => value);
    expect(first).toBeGreaterThanOrEqual(100);
    expect(second).toBeGreaterThanOrEqual(200);
    ports.stop();
  });

  it('asks no more for what nobody wants any more, or after its end', async () => {
    const { resolver: ports, asked, wanted } = resolver(missing, missing, missing);
    ports.request('a');
    await expect.poll(() => asked.length).toBe(1);
    wanted.delete('a');
    const other = resolver(missing, missing, missing);
    other.resolver.request('a');
    await expect.poll(() => other.asked.length).toBe(1);
    other.resolver.stop();
    other.resolver.request('a');
    // Two pauses of one that began later, however short, are longer than the first of another, however long.
    const later = resolver(missing, missing, 1);
    later.resolver.request('a');
    await expect.poll(() => later.found).toContainEqual(['a', { kind: 'known', port: 1 }]);
    expect([asked.length, other.asked.length]).toEqual([1, 1]);
    ports.stop();
    later.resolver.stop();
  });

  it('tells a caller that waits, and everybody else', async () => {
    const { resolver: ports, asked, found } = resolver(5, missing);
    expect(await ports.lookup('a', mac(12))).toBe(5);
    expect(asked).toEqual([['a', 12]]);
    expect(found).toEqual([['a', { kind: 'known', port: 5 }]]);
    await expect(ports.lookup('a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    ports.stop();
  });
});
