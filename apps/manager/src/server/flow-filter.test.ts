import type { FlowFilter } from '@infra-offload/infra-api';
import { ipv4 } from '@infra-offload/net';
import { describe, expect, it } from 'vitest';
import type { FlowEntry } from '../drivers/flow-table.js';
import { objectKey, type WantedState } from '../model/objects.js';
import { aPod, aService } from '../testing/core.js';
import { matchOfFilter } from './flow-filter.js';

const objects: readonly WantedState[] = [
  aPod(1),
  aService('web', 10, [2]),
  aService('dns', 11, [], { protocol: 'UDP' }),
];
const wanted = {
  statuses: () => objects.map((object) => [objectKey(object), undefined] as const),
  object: (key: string) => objects.find((object) => objectKey(object) === key),
};
const filter = (more: Partial<FlowFilter>): FlowFilter => ({
  pod: '',
  service: '',
  address: '',
  port: 0,
  protocol: 0,
  state: '',
  ...more,
});
const match = (more: Partial<FlowFilter> = {}) => matchOfFilter(filter(more), wanted);

const CLIENT = { address: aPod(1).ip, port: 40_000 };
const VIP = { address: ipv4('10.96.0.10'), port: 80 };
const SERVER = { address: ipv4('10.244.1.2'), port: 8080 };
const flow: FlowEntry = {
  original: { protocol: 6, source: CLIENT, destination: VIP },
  reply: { protocol: 6, source: SERVER, destination: CLIENT },
  isReply: false,
  idleMs: 0,
  timeoutMs: 1,
  state: undefined,
  isDispensable: false,
  cell: undefined,
};

describe('a filter of flows', () => {
  it.each<[Partial<FlowFilter>, boolean]>([
    [{}, true],
    [{ protocol: 6 }, true],
    [{ protocol: 17 }, false],
    [{ address: '10.244.1.1' }, true],
    [{ address: '10.96.0.10' }, true],
    [{ address: '10.244.1.2' }, true],
    [{ address: '10.244.1.3' }, false],
    [{ port: 40_000 }, true],
    [{ port: 80 }, true],
    [{ port: 8080 }, true],
    [{ port: 443 }, false],
    [{ pod: 'default/pod-1' }, true],
    [{ service: 'default/web' }, true],
    [{ service: 'default/dns' }, false],
    [{ service: 'default/web', protocol: 17 }, false],
  ])('%j fits a flow of a pod to a service: %s', (more, fits) => {
    expect(match(more).fits(flow)).toBe(fits);
  });

  it('takes a service for its address, its port and its protocol together', () => {
    const { fits } = match({ service: 'default/web' });
    const to = (destination: typeof VIP, protocol = 6): FlowEntry => ({
      ...flow,
      original: { ...flow.original, protocol, destination },
    });
    expect(fits(to(VIP))).toBe(true);
    expect(fits(to({ ...VIP, port: 81 }))).toBe(false);
    expect(fits(to({ ...VIP, address: ipv4('10.96.0.11') }))).toBe(false);
    expect(fits(to(VIP, 17))).toBe(false);
  });

  it('takes a pod for an end of a flow only, not for what was addressed', () => {
    const toPod = { ...flow, original: { ...flow.original, source: SERVER, destination: CLIENT } };
    expect(match({ pod: 'default/pod-1' }).fits(toPod)).toBe(false);
    expect(match({ pod: 'default/pod-1' }).fits({ ...toPod, reply: { ...flow.reply, source: CLIENT } })).toBe(
      true,
    );
  });

  it.each<[Partial<FlowFilter>, unknown]>([
    [{}, [{}]],
    [{ protocol: 17 }, [{ protocol: 17 }]],
    [{ port: 53 }, [{ source: { port: 53 } }, { destination: { port: 53 } }]],
    [
      { pod: 'default/pod-1', protocol: 6 },
      [
        { protocol: 6, source: { address: aPod(1).ip } },
        { protocol: 6, destination: { address: aPod(1).ip } },
      ],
    ],
    [
      { address: '10.244.1.2', pod: 'default/pod-1' },
      [{ source: { address: SERVER.address } }, { destination: { address: SERVER.address } }],
    ],
    [{ service: 'default/web' }, [{ protocol: 6, destination: VIP }]],
  ])('%j is read from the device in parts: %j', (more, selections) => {
    expect(match(more).selections).toEqual(selections);
  });

  it('is whole only if it leaves nothing out, and passes a state on', () => {
    expect(matchOfFilter(undefined, wanted)).toMatchObject({ isWhole: true, state: undefined });
    expect(match({ protocol: 6 }).isWhole).toBe(false);
    expect(match({ state: 'established' })).toMatchObject({ isWhole: false, state: 'established' });
  });

  it.each<[Partial<FlowFilter>, string, string]>([
    [{ port: 65_536 }, 'INVALID_OBJECT', 'port: 65536 is not in 0..65535'],
    [{ protocol: 256 }, 'INVALID_OBJECT', 'protocol: 256 is not in 0..255'],
    [{ address: '10.0.0.256' }, 'INVALID_OBJECT', 'address: "10.0.0.256" is no IPv4 address'],
    [{ pod: 'default/gone' }, 'NOT_FOUND', 'pod: there is no pod default/gone on this node'],
    [{ service: 'default/gone' }, 'NOT_FOUND', 'service: there is no service default/gone'],
  ])('%j is refused', (more, code, message) => {
    expect(() => match(more)).toThrow(expect.objectContaining({ code, message }));
  });

  it('takes the largest port and protocol', () => {
    expect(match({ port: 65_535, protocol: 255 }).isWhole).toBe(false);
  });
});
