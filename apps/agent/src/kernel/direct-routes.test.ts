import { expect, it } from 'vitest';
import type { LinkWithAddresses } from '../interfaces/iproute.js';
import type { NodeFacts } from '../kubernetes/cluster-nodes.js';
import { directRoutes } from './direct-routes.js';

const link = (local: string, prefixlen: number): LinkWithAddresses => ({
  ifindex: 2,
  ifname: 'eth0',
  flags: ['UP'],
  mtu: 1500,
  addr_info: [{ family: 'inet', local, prefixlen }],
});
const node = (number: number, address: string): NodeFacts => ({
  name: `node-${number}`,
  podCidrs: [`10.244.${number}.0/24`],
  internalAddresses: [address],
  inPodRange: undefined,
});

it('there are routes to nodes on a network of this one', () => {
  const nodes = [node(1, '192.0.2.200'), node(2, '198.51.100.1'), node(3, '203.0.113.9')];
  const links = [link('127.0.0.1', 8), link('192.0.2.1', 24), link('198.51.100.1', 32)];
  expect(directRoutes(nodes, links)).toEqual([{ cidr: '10.244.1.0/24', via: '192.0.2.200' }]);
});
