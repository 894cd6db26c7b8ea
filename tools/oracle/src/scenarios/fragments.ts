import type { Scenario, Step } from '../scenario.js';

const SERVICE = { service: true } as const;
/** More than a packet holds: six fragments. */
const LARGE = 8_192;

const open = (flow: string, more: Partial<Extract<Step, { do: 'open' }>> = {}): Step => ({
  ...{ do: 'open', flow, protocol: 'udp', from: 'client', to: SERVICE, port: 0, size: LARGE },
  ...more,
});
const large = (flow: string, ...sides: readonly ('client' | 'server')[]): Step[] =>
  sides.map((side) => ({ do: 'send', flow, side, size: LARGE }));

/** Datagrams that are sent in fragments. */
export const FRAGMENTS: readonly Scenario[] = [
  {
    name: 'fragments go through a service, both ways, and follow when the endpoint leaves',
    endpoints: ['web-1'],
    steps: [
      open('a'),
      ...large('a', 'server', 'client', 'server'),
      { do: 'send', flow: 'a', side: 'client' },
      ...large('a', 'server'),
      { do: 'endpoints', pods: ['web-2'] },
      // On DPDK the fragments right behind the first one may come before an endpoint is chosen anew.
      { do: 'send', flow: 'a', side: 'client' },
      ...large('a', 'client', 'server'),
    ],
  },
  {
    name: 'fragments come back to the pod that sent them through a service',
    endpoints: ['client'],
    steps: [open('a'), ...large('a', 'server', 'client')],
  },
  {
    name: 'fragments go between pods, from the node, and to it',
    endpoints: [],
    steps: [
      open('a', { to: { pod: 'web-1' } }),
      ...large('a', 'server', 'client'),
      open('b', { from: 'node', to: { pod: 'web-1' }, port: 1 }),
      ...large('b', 'server', 'client'),
      open('c', { to: { pod: 'node' }, port: 2 }),
      ...large('c', 'server', 'client'),
    ],
  },
  {
    name: 'fragments reach an isolated pod whose policy allows the port, and no other',
    endpoints: ['web-1'],
    steps: [
      {
        do: 'policies',
        policies: [
          { pod: 'web-1', direction: 'ingress', allow: [{ peers: ['client'], protocol: 'udp' }] },
          { pod: 'web-2', direction: 'ingress', allow: [{ peers: ['client'], protocol: 'tcp' }] },
        ],
      },
      open('a', { to: { pod: 'web-1' } }),
      ...large('a', 'server', 'client'),
      open('b', { from: 'friend', to: { pod: 'web-1' }, port: 1 }),
      open('c', { to: { pod: 'web-2' }, port: 2 }),
      open('d', { port: 3 }),
    ],
  },
];
