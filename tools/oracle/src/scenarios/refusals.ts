import type { Scenario, Step } from '../scenario.js';

const SERVICE = { service: true } as const;
const NO_SUCH_PORT = { service: true, port: 'unserved' } as const;

/** Who is answered that there is nothing, at once; by the node, or by a pod with an ICMP error. */
export const REFUSALS: readonly Scenario[] = [
  ...(['tcp', 'udp'] as const).flatMap((protocol): Scenario[] => [
    {
      name: `${protocol}: a service without endpoints refuses, until it has one again`,
      endpoints: [],
      steps: [
        { do: 'open', flow: 'a', protocol, from: 'client', to: SERVICE, port: 0 },
        { do: 'open', flow: 'b', protocol, from: 'node', to: SERVICE, port: 1 },
        { do: 'endpoints', pods: ['web-1'] },
        { do: 'open', flow: 'c', protocol, from: 'client', to: SERVICE, port: 3 },
        { do: 'send', flow: 'c', side: 'server' },
        { do: 'endpoints', pods: [] },
        ...(protocol === 'udp' ? [{ do: 'send', flow: 'c', side: 'client' } as const] : []),
        { do: 'open', flow: 'd', protocol, from: 'client', to: SERVICE, port: 2 },
      ],
    },
    {
      name: `${protocol}: a port that a service does not have refuses`,
      endpoints: ['web-1'],
      steps: [
        { do: 'open', flow: 'a', protocol, from: 'client', to: NO_SUCH_PORT, port: 0 },
        { do: 'open', flow: 'b', protocol, from: 'node', to: NO_SUCH_PORT, port: 0 },
        { do: 'open', flow: 'c', protocol, from: 'client', to: SERVICE, port: 0 },
      ],
    },
    {
      name: `${protocol}: what nobody serves refuses pods without egress, too`,
      endpoints: [],
      steps: [
        { do: 'policies', policies: [{ pod: 'client', direction: 'egress', allow: [] }] },
        { do: 'open', flow: 'a', protocol, from: 'client', to: SERVICE, port: 0 },
        { do: 'open', flow: 'b', protocol, from: 'client', to: NO_SUCH_PORT, port: 1 },
        { do: 'open', flow: 'c', protocol, from: 'client', to: { pod: 'web-1' }, port: 2 },
      ],
    },
  ]),
  {
    name: 'an ICMP error comes back through a service, and after the flow was answered',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      { do: 'send', flow: 'a', side: 'server' },
      { do: 'unserve', pod: 'web-1', protocol: 'udp' },
      { do: 'open', flow: 'b', protocol: 'udp', from: 'friend', to: SERVICE, port: 1 },
      { do: 'open', flow: 'c', protocol: 'udp', from: 'web-1', to: SERVICE, port: 2 },
      { do: 'send', flow: 'a', side: 'client' },
    ],
  },
  {
    name: 'ICMP errors reach isolated pods about what they have sent',
    endpoints: ['web-1'],
    steps: [
      { do: 'unserve', pod: 'web-1', protocol: 'udp' },
      { do: 'policies', policies: [{ pod: 'client', direction: 'ingress', allow: [] }] },
      {
        do: 'open',
        flow: 'a',
        protocol: 'udp',
        from: 'client',
        to: { pod: 'web-1', port: 'unserved' },
        port: 0,
      },
      { do: 'open', flow: 'b', protocol: 'udp', from: 'client', to: SERVICE, port: 1 },
    ],
  },
  {
    name: 'a TCP connection stays at an endpoint that has left a service without others',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
      { do: 'endpoints', pods: [] },
      ...(['client', 'server'] as const).map((side): Step => ({ do: 'send', flow: 'a', side, size: 30_000 })),
    ],
  },
];
