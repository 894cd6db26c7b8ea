import { pino } from 'pino';
import { expect, it } from 'vitest';
import { HostGateway } from './host-gateway.js';
import type { Neighbours } from './neighbours.js';

const node = (name: string, ...internalAddresses: string[]) => ({
  name,
  podCidrs: [`10.244.${name}.0/24`],
  internalAddresses,
  inPodRange: { dataPlane: `10.244.${name}.0`, host: `10.244.${name}.1` },
});
const own = node('1', '192.0.2.1');

it('goes through data planes that answer, else through kernels that do, and says once who is no neighbour', async () => {
  const answers: Readonly<Record<string, string>> = {
    '10.244.2.0': '02:00:00:00:00:02',
    '192.0.2.3': '02:00:00:00:00:03',
  };
  const known = new Map<string, string>();
  const asked: string[] = [];
  const ask = (address: string) => {
    asked.push(address);
    const mac = answers[address];
    if (mac !== undefined) known.set(address, mac);
  };
  const neighbours: Neighbours = {
    known: async () => new Map(known),
    askOnLink: async (addresses, link) => {
      expect(link).toEqual(['192.0.2.1']);
      for (const address of addresses) ask(address);
    },
    ask: async (address) => ask(address),
  };
  const log: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void log.push(line) });
  const gateway = new HostGateway({ logger, neighbours, answerMs: 1 });
  const nodes = [node('2', '192.0.2.2'), node('3', '192.0.2.3'), node('4', '192.0.2.4', '198.51.100.4')];
  const ranges = [
    { cidr: '10.244.2.0/24', nextHopMac: '02:00:00:00:00:02', isDataPlane: true },
    { cidr: '192.0.2.2/32', nextHopMac: '02:00:00:00:00:02', isDataPlane: true },
    { cidr: '10.244.3.0/24', nextHopMac: '02:00:00:00:00:03', isDataPlane: false },
  ];
  expect(await gateway.ranges(nodes, own)).toEqual(ranges);
  expect(asked).toEqual([
    ...['10.244.2.0', '10.244.3.0', '10.244.4.0'],
    ...['192.0.2.3', '192.0.2.4', '198.51.100.4'],
  ]);
  expect(await gateway.ranges(nodes, own)).toEqual(ranges);
  expect(log).toHaveLength(1);
  expect(log[0]).toMatch(/"node":"4"/);
  expect(await gateway.ranges([{ ...node('5'), podCidrs: [] }], own)).toEqual([]);
});
