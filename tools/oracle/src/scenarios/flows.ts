import type { Scenario, Side, Step } from '../scenario.js';
import { EXTERNAL } from './external.js';
import { FRAGMENTS } from './fragments.js';
import { REFUSALS } from './refusals.js';

const SERVICE = { service: true } as const;
const DENY_WEB = { pod: 'web-1', direction: 'ingress', allow: [] } as const;
const ONLY_FRIEND = { pod: 'web-1', direction: 'ingress', allow: [{ peers: ['friend'] }] } as const;

const sends = (flow: string, ...sides: readonly Side[]): Step[] =>
  sides.map((side) => ({ do: 'send', flow, side }));
const closes = (flow: string, ...sides: readonly Side[]): Step[] =>
  sides.map((side) => ({ do: 'close', flow, side }));

/** After it, netfilter and the pipeline differ (expected.ts). */
const SERVER_RESETS = 'server resets';

/** Ways in which a connection ends, so that its port is free again. */
const ENDS: Readonly<Record<string, readonly Step[]>> = {
  'client closes first': closes('a', 'client', 'server'),
  'server closes first': closes('a', 'server', 'client'),
  'client resets': [{ do: 'reset', flow: 'a', side: 'client' }],
  [SERVER_RESETS]: [{ do: 'reset', flow: 'a', side: 'server' }],
  'client half-closes, and server resets': [
    { do: 'end', flow: 'a', side: 'client' },
    { do: 'reset', flow: 'a', side: 'server' },
    { do: 'close', flow: 'a', side: 'client' },
  ],
};

const DESTINATIONS = { 'through a service': SERVICE, 'between pods': { pod: 'web-1' } } as const;

function connections(): Scenario[] {
  return Object.entries(DESTINATIONS).flatMap(([where, to]) => {
    const open = { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to, port: 0 } as const;
    const scenarios: [string, readonly Step[]][] = [
      [
        'large messages',
        [
          { do: 'send', flow: 'a', side: 'client', size: 200_000 },
          { do: 'send', flow: 'a', side: 'server', size: 200_000 },
        ],
      ],
      [
        'the client half-closes',
        [
          { do: 'end', flow: 'a', side: 'client' },
          ...sends('a', 'server', 'server'),
          ...closes('a', 'server', 'client'),
        ],
      ],
      [
        'the server half-closes',
        [
          { do: 'end', flow: 'a', side: 'server' },
          ...sends('a', 'client', 'client'),
          ...closes('a', 'client', 'server'),
        ],
      ],
      ...Object.entries(ENDS),
    ];
    return scenarios.map(([name, steps]) => ({
      name: `TCP ${where}: ${name}`,
      endpoints: ['web-1', 'web-2'],
      steps: [open, ...sends('a', 'client', 'server'), ...steps],
    }));
  });
}

/** A SYN on an old flow: from a port that is used again, when the endpoint has left in between, and when policy denies it. */
function recurringPorts(): Scenario[] {
  const open = (flow: string) =>
    ({ do: 'open', flow, protocol: 'tcp', from: 'client', to: SERVICE, port: 0 }) as const;
  const left = Object.entries(ENDS)
    .filter(([how]) => how !== SERVER_RESETS)
    .map(
      ([how, steps]): Scenario => ({
        name: `recurring source port, ${how}, endpoint left`,
        endpoints: ['web-1', 'web-2'],
        steps: [
          open('a'),
          ...sends('a', 'client'),
          ...steps,
          { do: 'endpoints', pods: ['web-2'] },
          open('b'),
          ...sends('b', 'server', 'client'),
        ],
      }),
    );
  const denied = Object.entries(ENDS).map(
    ([how, steps]): Scenario => ({
      name: `recurring source port, ${how}, denied by then`,
      endpoints: ['web-1'],
      steps: [
        open('a'),
        ...steps,
        { do: 'policies', policies: [DENY_WEB] },
        open('b'),
        open('c'),
        { do: 'policies', policies: [] },
        open('d'),
        ...sends('d', 'client', 'server'),
      ],
    }),
  );
  return [...left, ...denied];
}

const ENDPOINTS: readonly Scenario[] = [
  {
    name: 'a TCP connection stays at an endpoint that has left',
    endpoints: ['web-1', 'web-2'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
      { do: 'endpoints', pods: ['web-2'] },
      ...sends('a', 'client', 'server'),
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      { do: 'endpoints', pods: [] },
      ...sends('a', 'server', 'client'),
      ...sends('b', 'server', 'client'),
    ],
  },
  {
    name: 'a UDP flow whose endpoint leaves moves at once',
    endpoints: ['web-1', 'web-2'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      ...sends('a', 'server', 'client', 'client'),
      { do: 'endpoints', pods: ['web-2'] },
      ...sends('a', 'client', 'server', 'client'),
      { do: 'endpoints', pods: ['web-1', 'web-2'] },
      ...sends('a', 'client', 'server'),
    ],
  },
  {
    name: 'a UDP flow that was not answered moves at once',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      { do: 'endpoints', pods: ['web-2'] },
      ...sends('a', 'client', 'client', 'server'),
    ],
  },
  {
    name: 'a UDP server answers late, and more than once',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      { do: 'open', flow: 'b', protocol: 'udp', from: 'friend', to: SERVICE, port: 0 },
      ...sends('b', 'client', 'client', 'server'),
      ...sends('a', 'client', 'server', 'server', 'client', 'server'),
    ],
  },
  {
    name: 'the node reaches pods and services',
    endpoints: ['web-1'],
    steps: [
      { do: 'policies', policies: [DENY_WEB] },
      ...(['tcp', 'udp'] as const).flatMap((protocol): Step[] => [
        { do: 'open', flow: `${protocol}-pod`, protocol, from: 'node', to: { pod: 'web-1' }, port: 0 },
        ...sends(`${protocol}-pod`, 'server', 'client'),
        { do: 'open', flow: `${protocol}-service`, protocol, from: 'node', to: SERVICE, port: 1 },
        ...sends(`${protocol}-service`, 'server', 'client'),
      ]),
    ],
  },
  {
    name: 'what leaves the cluster has the address of the node',
    endpoints: [],
    steps: (['tcp', 'udp'] as const).flatMap((protocol, port): Step[] => [
      { do: 'open', flow: protocol, protocol, from: 'client', to: { pod: 'outside' }, port },
      ...sends(protocol, 'server', 'client', 'server', 'client'),
      // Their ports are the node's to give.
      { do: 'open', flow: `${protocol}-2`, protocol, from: 'friend', to: { pod: 'outside' }, port: port + 2 },
      ...sends(`${protocol}-2`, 'server', 'client'),
    ]),
  },
  {
    name: 'SCTP goes through a service whose port is that of its endpoints',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'sctp', from: 'client', to: SERVICE, port: 0 },
      { do: 'open', flow: 'b', protocol: 'sctp', from: 'friend', to: SERVICE, port: 0 },
    ],
  },
  {
    name: 'an endpoint does not serve',
    endpoints: ['web-1'],
    steps: [
      { do: 'unserve', pod: 'web-1', protocol: 'tcp' },
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: { pod: 'web-1' }, port: 1 },
      {
        do: 'open',
        flow: 'c',
        protocol: 'udp',
        from: 'client',
        to: { pod: 'web-1', port: 'unserved' },
        port: 1,
      },
      { do: 'serve', pod: 'web-1', protocol: 'tcp' },
      { do: 'open', flow: 'd', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
    ],
  },
];

function hairpins(): Scenario[] {
  return (['tcp', 'udp'] as const).map((protocol) => ({
    name: `${protocol}: a pod reaches itself through a service, and stays there`,
    endpoints: ['client'],
    steps: [
      { do: 'open', flow: 'a', protocol, from: 'client', to: SERVICE, port: 0 },
      ...sends('a', 'server', 'client'),
      { do: 'endpoints', pods: ['client', 'web-1', 'web-2'] },
      ...sends('a', 'client', 'server', 'client', 'client', 'client', 'client', 'server'),
      { do: 'policies', policies: [{ pod: 'client', direction: 'ingress', allow: [] }] },
      ...sends('a', 'client', 'server'),
    ],
  }));
}

/** Two flows of which the answers would be the same. */
function takenPorts(): Scenario[] {
  const [service, pod] = [SERVICE, { pod: 'web-1' } as const];
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    [
      [service, pod],
      [pod, service],
    ].map(([first = service, second = pod]) => ({
      name: `${protocol}: source port taken, ${'service' in first ? 'service' : 'pod'} first`,
      endpoints: ['web-1'] as const,
      steps: [
        { do: 'open', flow: 'a', protocol, from: 'client', to: first, port: 0 },
        ...sends('a', 'server'),
        { do: 'open', flow: 'b', protocol, from: 'client', to: second, port: 0 },
        ...sends('b', 'server', 'client', 'server'),
        ...sends('a', 'client', 'server'),
      ] as const,
    })),
  );
}

/** Pods that are replaced by others at their addresses. */
const PODS: readonly Scenario[] = [
  {
    name: 'a pod with a used address, under deny-all, gets nothing of the flows before',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: { pod: 'web-1' }, port: 0 },
      { do: 'open', flow: 'b', protocol: 'udp', from: 'client', to: SERVICE, port: 1 },
      { do: 'open', flow: 'c', protocol: 'tcp', from: 'client', to: { pod: 'web-1' }, port: 2 },
      ...sends('a', 'server'),
      ...sends('b', 'server'),
      { do: 'policies', policies: [DENY_WEB] },
      { do: 'replace', pod: 'web-1' },
      ...sends('a', 'client'),
      ...sends('b', 'client'),
      ...sends('c', 'client'),
      { do: 'policies', policies: [] },
      ...sends('a', 'client', 'client'),
    ],
  },
  {
    name: 'a pod with a used address resets connections that it does not know',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: { pod: 'web-1' }, port: 0 },
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      { do: 'replace', pod: 'web-1' },
      ...sends('a', 'client'),
      ...sends('b', 'client'),
      { do: 'open', flow: 'c', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      ...sends('c', 'server', 'client'),
    ],
  },
];

const POLICIES: readonly Scenario[] = [
  {
    name: 'SCTP between pods',
    endpoints: [],
    steps: [
      { do: 'open', flow: 'a', protocol: 'sctp', from: 'client', to: { pod: 'web-1' }, port: 0 },
      { do: 'policies', policies: [DENY_WEB] },
      { do: 'open', flow: 'b', protocol: 'sctp', from: 'client', to: { pod: 'web-1' }, port: 1 },
      { do: 'open', flow: 'c', protocol: 'sctp', from: 'web-1', to: { pod: 'client' }, port: 1 },
    ],
  },
  {
    name: 'a new policy cuts the flows that it denies, and no others',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: { pod: 'web-1' }, port: 0 },
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'friend', to: { pod: 'web-1' }, port: 0 },
      { do: 'open', flow: 'c', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      { do: 'open', flow: 'd', protocol: 'tcp', from: 'friend', to: SERVICE, port: 1 },
      { do: 'open', flow: 'e', protocol: 'udp', from: 'client', to: SERVICE, port: 2 },
      { do: 'open', flow: 'f', protocol: 'udp', from: 'friend', to: SERVICE, port: 2 },
      { do: 'open', flow: 'g', protocol: 'tcp', from: 'web-1', to: { pod: 'client' }, port: 3 },
      { do: 'policies', policies: [ONLY_FRIEND] },
      ...sends('a', 'client'),
      ...sends('b', 'client', 'server'),
      ...sends('c', 'client'),
      ...sends('d', 'server', 'client'),
      ...sends('e', 'client', 'client'),
      ...sends('f', 'client', 'server'),
      ...sends('g', 'client', 'server'),
    ],
  },
  {
    name: 'what a policy has cut does not begin again from the other side',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'tcp', from: 'client', to: { pod: 'web-1' }, port: 0 },
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      { do: 'open', flow: 'c', protocol: 'udp', from: 'client', to: SERVICE, port: 2 },
      { do: 'policies', policies: [DENY_WEB] },
      ...sends('a', 'server', 'client', 'server'),
      ...sends('b', 'server', 'client', 'server'),
      ...sends('c', 'server', 'client', 'server'),
    ],
  },
  {
    name: 'answers pass, whatever the policies of who asks',
    endpoints: ['web-1'],
    steps: [
      { do: 'policies', policies: [{ pod: 'client', direction: 'ingress', allow: [] }] },
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      ...sends('a', 'server', 'server', 'client', 'server'),
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
      ...sends('b', 'server', 'client'),
      { do: 'open', flow: 'c', protocol: 'tcp', from: 'web-1', to: { pod: 'client' }, port: 0 },
      { do: 'open', flow: 'd', protocol: 'tcp', from: 'client', to: SERVICE, port: 1 },
      { do: 'end', flow: 'd', side: 'client' },
      ...sends('d', 'server', 'server'),
    ],
  },
  {
    name: 'egress of one protocol',
    endpoints: ['web-1'],
    steps: [
      {
        do: 'policies',
        policies: [{ pod: 'client', direction: 'egress', allow: [{ peers: ['web-1'], protocol: 'udp' }] }],
      },
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      { do: 'open', flow: 'b', protocol: 'tcp', from: 'client', to: SERVICE, port: 0 },
      { do: 'open', flow: 'c', protocol: 'udp', from: 'client', to: { pod: 'friend' }, port: 1 },
      ...sends('a', 'client', 'server'),
      { do: 'open', flow: 'd', protocol: 'tcp', from: 'friend', to: { pod: 'client' }, port: 2 },
      { do: 'endpoints', pods: ['web-2'] },
      ...sends('a', 'client'),
    ],
  },
  {
    name: 'UDP passes again when its policy has gone',
    endpoints: ['web-1'],
    steps: [
      { do: 'open', flow: 'a', protocol: 'udp', from: 'client', to: SERVICE, port: 0 },
      ...sends('a', 'server'),
      { do: 'policies', policies: [DENY_WEB] },
      ...sends('a', 'client'),
      { do: 'policies', policies: [] },
      ...sends('a', 'client', 'client'),
    ],
  },
];

/** A side is gone without a word, and the client's port is used again. */
function vanished(): Scenario[] {
  const open = (flow: string) =>
    ({ do: 'open', flow, protocol: 'tcp', from: 'client', to: SERVICE, port: 0 }) as const;
  const between: Readonly<Record<string, readonly Step[]>> = {
    'the client vanishes': [{ do: 'vanish', flow: 'a', side: 'client' }],
    'the client vanishes, the endpoint leaves': [
      { do: 'vanish', flow: 'a', side: 'client' },
      { do: 'endpoints', pods: ['web-2'] },
    ],
    'the server vanishes': [{ do: 'vanish', flow: 'a', side: 'server' }, ...sends('a', 'client')],
  };
  return Object.entries(between).map(([what, steps]) => ({
    name: `${what}, and the port is used again`,
    endpoints: ['web-1'],
    steps: [open('a'), ...steps, open('b'), ...sends('b', 'client', 'server')],
  }));
}

/** What is the same on netfilter and here: the rows of the table of flows. */
export const SCENARIOS: readonly Scenario[] = [
  ...connections(),
  ...recurringPorts(),
  ...ENDPOINTS,
  ...hairpins(),
  ...takenPorts(),
  ...PODS,
  ...POLICIES,
  ...vanished(),
  ...REFUSALS,
  ...FRAGMENTS,
  ...EXTERNAL,
];
