import { pino } from 'pino';
import { expect, it } from 'vitest';
import { HostGateway, type Neighbours } from './host-gateway.js';

const node = (name: string, ...internalAddresses: string[]) => ({
  name,
  podCidrs: [`10.244.${name}.0/24`],
  internalAddresses,
});

it('routes to nodes that are neighbours, asks for those that are not known, and says once which are none', async () => {
  const known = new Map([['192.0.2.2', '02:00:00:00:00:02']]);
  const asked: string[] = [];
  const neighbours: Neighbours = {
    known: async () => new Map(known),
    ask: async (address) => {
      asked.push(address);
      if (address === '192.0.2.3') known.set(address, '02:00:00:00:00:03');
    },
  };
  const log: string[] = [];
  const gateway = new HostGateway({
    uplink: { interface: 'P4TAP_9', mac: '02:00:00:00:00:01' },
    logger: pino({ level: 'warn' }, { write: (line: string) => void log.push(line) }),
    neighbours,
    answerMs: 1,
  });
  const nodes = [node('2', '192.0.2.2'), node('3', '192.0.2.3'), node('4', '192.0.2.4', '198.51.100.4')];
  const route = { interfaceName: 'P4TAP_9', sourceMac: '02:00:00:00:00:01' };
  const routes = [
    { cidr: '10.244.2.0/24', nextHopMac: '02:00:00:00:00:02', ...route },
    { cidr: '10.244.3.0/24', nextHopMac: '02:00:00:00:00:03', ...route },
  ];
  expect(await gateway.routes(nodes)).toEqual(routes);
  expect(asked).toEqual(['192.0.2.3', '192.0.2.4', '198.51.100.4']);
  expect(await gateway.routes(nodes)).toEqual(routes);
  expect(log).toHaveLength(1);
  expect(log[0]).toMatch(/"node":"4"/);
  expect(await gateway.routes([{ ...node('5'), podCidrs: [] }])).toEqual([]);
  expect(asked).toHaveLength(5);
});

it('asks the kernel', async () => {
  const uplink = { interface: 'P4TAP_9', mac: '02:00:00:00:00:01' };
  const gateway = new HostGateway({ uplink, logger: pino({ level: 'silent' }), answerMs: 1 });
  // The node itself is nobody's neighbour.
  expect(await gateway.routes([node('6', '127.0.0.1')])).toEqual([]);
});
