import {
  type Actor,
  type Endpoint,
  EXTERNALS,
  type Protocol,
  type Scenario,
  type ServiceAddress,
  type Side,
  type Step,
} from '../scenario.js';

const CLIENTS = ['client', 'node', 'outside'] as const;
const STREAMS = ['tcp', 'udp'] as const;
const POLICIES = ['Cluster', 'Local'] as const;

const sends = (flow: string, ...sides: readonly Side[]): Step[] =>
  sides.map((side) => ({ do: 'send', flow, side }));

function open(
  flow: string,
  protocol: Protocol,
  from: Actor,
  at: ServiceAddress,
  port = 0,
  size?: number,
): Step {
  const base = { do: 'open', flow, protocol, from, to: { service: true, at }, port } as const;
  return size === undefined ? base : { ...base, size };
}

/** Opens the service at each of its addresses. */
function everywhere(protocol: Protocol, from: Actor, isAnswered: boolean): Step[] {
  return EXTERNALS.flatMap((at, port) => [
    open(at, protocol, from, at, port),
    ...(isAnswered ? sends(at, 'server', 'client') : []),
  ]);
}

/** Who reaches which endpoints, and who is refused. */
function reach(): Scenario[] {
  const wheres: Readonly<Record<string, readonly Endpoint[]>> = {
    'a pod': ['web-1'],
    'a pod of another node': ['far'],
    nobody: [],
  };
  return POLICIES.flatMap((externalTrafficPolicy) =>
    STREAMS.flatMap((protocol) =>
      Object.entries(wheres).flatMap(([where, endpoints]) =>
        CLIENTS.map((from): Scenario => {
          const isFar = endpoints.includes('far') && externalTrafficPolicy === 'Local' && from === 'outside';
          return {
            name: `${protocol}, externalTrafficPolicy ${externalTrafficPolicy}: the way of ${from} to ${where}`,
            endpoints,
            service: { externalTrafficPolicy },
            steps: everywhere(protocol, from, endpoints.length > 0 && !isFar),
          };
        }),
      ),
    ),
  );
}

const TRAFFIC_POLICIES: readonly Scenario[] = STREAMS.flatMap((protocol): Scenario[] => [
  {
    name: `${protocol}, externalTrafficPolicy Local: who comes from outside reaches pods of this node only`,
    endpoints: ['web-1', 'far'],
    service: { externalTrafficPolicy: 'Local' },
    steps: Array.from({ length: 6 }, (_, port) => [
      open(`n${port}`, protocol, 'outside', 'outerNodePort', port),
      open(`e${port}`, protocol, 'outside', 'externalIP', port + 6),
    ]).flat(),
  },
  {
    name: `${protocol}, internalTrafficPolicy Local: the ClusterIP leads to pods of this node only`,
    endpoints: ['web-1', 'far'],
    service: { internalTrafficPolicy: 'Local' },
    steps: [
      ...CLIENTS.flatMap((from, index) =>
        Array.from({ length: 4 }, (_, port) =>
          open(`${from}-${port}`, protocol, from, 'clusterIP', 4 * index + port),
        ),
      ),
      { do: 'endpoints', pods: ['far'] },
      ...CLIENTS.map((from, port) => open(`${from}-none`, protocol, from, 'clusterIP', 12 + port)),
    ],
  },
  {
    name: `${protocol}, internalTrafficPolicy Local: other addresses lead to other nodes`,
    endpoints: ['far'],
    service: { internalTrafficPolicy: 'Local' },
    steps: CLIENTS.flatMap((from, index) => [
      open(`${from}-port`, protocol, from, 'nodePort', 2 * index),
      open(`${from}-address`, protocol, from, 'externalIP', 2 * index + 1),
    ]),
  },
  {
    name: `${protocol}: the ClusterIP leads to a pod of another node, and machines outside to pods`,
    endpoints: ['far'],
    steps: [
      ...CLIENTS.flatMap((from, port) => [
        open(from, protocol, from, 'clusterIP', port),
        ...sends(from, 'server', 'client'),
      ]),
      { do: 'endpoints', pods: ['web-1'] },
      ...CLIENTS.flatMap((from, port) => [
        open(`${from}-2`, protocol, from, 'clusterIP', 3 + port),
        ...sends(`${from}-2`, 'server', 'client'),
      ]),
    ],
  },
]);

function sourceRanges(): Scenario[] {
  return POLICIES.flatMap((externalTrafficPolicy) =>
    STREAMS.flatMap((protocol) =>
      CLIENTS.flatMap((source) =>
        (['web-1', 'far'] as const).map(
          (endpoint): Scenario => ({
            name: `${protocol}, externalTrafficPolicy ${externalTrafficPolicy}: a load balancer for ${source} only, with ${endpoint} behind it`,
            endpoints: [endpoint],
            service: { externalTrafficPolicy, sources: [source] },
            steps: [...CLIENTS, 'friend' as const].map((from, port) =>
              open(from, protocol, from, 'balancer', port),
            ),
          }),
        ),
      ),
    ),
  );
}

function hairpins(): Scenario[] {
  return POLICIES.flatMap((externalTrafficPolicy) =>
    STREAMS.map(
      (protocol): Scenario => ({
        name: `${protocol}, externalTrafficPolicy ${externalTrafficPolicy}: a pod reaches itself from outside`,
        endpoints: ['client'],
        service: { externalTrafficPolicy },
        steps: everywhere(protocol, 'client', true),
      }),
    ),
  );
}

/** Ways in which a connection ends, so that its port is free again. */
const ENDS: Readonly<Record<string, readonly Step[]>> = {
  'client closes first': [
    { do: 'close', flow: 'a', side: 'client' },
    { do: 'close', flow: 'a', side: 'server' },
  ],
  'server closes first': [
    { do: 'close', flow: 'a', side: 'server' },
    { do: 'close', flow: 'a', side: 'client' },
  ],
  'client resets': [{ do: 'reset', flow: 'a', side: 'client' }],
};

function recurringPorts(): Scenario[] {
  return Object.entries(ENDS).flatMap(([how, steps]) =>
    CLIENTS.flatMap((from) =>
      (['outerNodePort', 'externalIP'] as const).map(
        (at): Scenario => ({
          name: `recurring source port of ${from} at ${at}, ${how}, endpoint left`,
          endpoints: ['web-1'],
          steps: [
            open('a', 'tcp', from, at),
            ...sends('a', 'client', 'server'),
            ...steps,
            { do: 'endpoints', pods: ['web-2'] },
            open('b', 'tcp', from, at),
            ...sends('b', 'server', 'client'),
          ],
        }),
      ),
    ),
  );
}

/** Endpoints leave and do not serve, and what of it comes back. */
const ENDPOINTS: readonly Scenario[] = CLIENTS.flatMap((from): Scenario[] => [
  {
    name: `endpoints behind node ports leave, and ${from} notices only of UDP`,
    endpoints: ['web-1'],
    steps: [
      open('tcp', 'tcp', from, 'outerNodePort', 0),
      open('udp', 'udp', from, 'outerNodePort', 1),
      open('udp-2', 'udp', from, 'nodePort', 2),
      ...sends('udp', 'server'),
      { do: 'endpoints', pods: ['far'] },
      ...sends('tcp', 'client', 'server'),
      ...sends('udp', 'client', 'server', 'client'),
      ...sends('udp-2', 'client', 'server'),
      { do: 'endpoints', pods: ['web-2'] },
      ...sends('udp', 'client', 'server', 'client'),
      { do: 'endpoints', pods: [] },
      ...sends('tcp', 'client', 'server'),
      ...sends('udp', 'client'),
      open('refused', 'tcp', from, 'outerNodePort', 3),
    ],
  },
  {
    name: `what a pod behind a node port does not serve refuses ${from}`,
    endpoints: ['web-1'],
    steps: [
      { do: 'unserve', pod: 'web-1', protocol: 'udp' },
      { do: 'unserve', pod: 'web-1', protocol: 'tcp' },
      ...STREAMS.flatMap((protocol, index) =>
        EXTERNALS.map((at, port) => open(`${protocol}-${at}`, protocol, from, at, 4 * index + port)),
      ),
    ],
  },
  {
    name: `fragments of ${from} go through node ports and external addresses`,
    endpoints: ['web-1'],
    steps: EXTERNALS.flatMap((at, port): Step[] => [
      open(at, 'udp', from, at, port, 8_192),
      { do: 'send', flow: at, side: 'server', size: 8_192 },
      { do: 'send', flow: at, side: 'client', size: 8_192 },
    ]),
  },
]);

function takenPorts(): Scenario[] {
  return CLIENTS.flatMap((from) =>
    STREAMS.map(
      (protocol): Scenario => ({
        name: `${protocol}: source port taken, ${from} at several addresses of a service`,
        endpoints: ['web-1'],
        steps: [
          open('a', protocol, from, 'outerNodePort'),
          ...sends('a', 'server'),
          open('b', protocol, from, 'nodePort'),
          ...sends('b', 'server', 'client'),
          open('c', protocol, from, 'externalIP'),
          ...sends('c', 'server', 'client'),
          ...sends('a', 'client', 'server'),
          ...sends('b', 'client', 'server'),
        ],
      }),
    ),
  );
}

const NETWORK_POLICIES: readonly Scenario[] = STREAMS.flatMap((protocol): Scenario[] => [
  {
    name: `${protocol}: an isolated pod behind a node port is for its node only`,
    endpoints: ['web-1'],
    steps: [
      { do: 'policies', policies: [{ pod: 'web-1', direction: 'ingress', allow: [] }] },
      ...CLIENTS.flatMap((from, index) => [
        open(`${from}-port`, protocol, from, 'outerNodePort', 2 * index),
        open(`${from}-address`, protocol, from, 'externalIP', 2 * index + 1),
      ]),
    ],
  },
  {
    name: `${protocol}: an isolated pod behind a node port is for those that its policy names`,
    endpoints: ['web-1'],
    steps: [
      {
        do: 'policies',
        policies: [{ pod: 'web-1', direction: 'ingress', allow: [{ peers: ['outside', 'friend'] }] }],
      },
      ...(['client', 'friend', 'outside'] as const).flatMap((from, index) => [
        open(`${from}-port`, protocol, from, 'outerNodePort', 2 * index),
        open(`${from}-address`, protocol, from, 'externalIP', 2 * index + 1),
      ]),
      { do: 'endpoints', pods: ['web-2'] },
      open('anybody', protocol, 'outside', 'outerNodePort', 7),
    ],
  },
  {
    name: `${protocol}: a new policy cuts flows through node ports`,
    endpoints: ['web-1'],
    steps: [
      ...(['client', 'friend', 'outside', 'node'] as const).map((from, port) =>
        open(from, protocol, from, 'nodePort', port),
      ),
      {
        do: 'policies',
        policies: [{ pod: 'web-1', direction: 'ingress', allow: [{ peers: ['friend'] }] }],
      },
      ...(['client', 'friend', 'outside', 'node'] as const).flatMap((from) => sends(from, 'client')),
    ],
  },
  {
    name: `${protocol}: egress to the endpoint behind an external address decides`,
    endpoints: ['web-1'],
    steps: [
      {
        do: 'policies',
        policies: [{ pod: 'client', direction: 'egress', allow: [{ peers: ['web-1', 'outside'] }] }],
      },
      ...(['nodePort', 'externalIP', 'balancer'] as const).map((at, port) =>
        open(at, protocol, 'client', at, port),
      ),
      { do: 'open', flow: 'out', protocol, from: 'client', to: { pod: 'outside' }, port: 3 },
      { do: 'endpoints', pods: ['web-2'] },
      ...(['nodePort', 'externalIP', 'balancer'] as const).map((at, port) =>
        open(`${at}-2`, protocol, 'client', at, 4 + port),
      ),
      { do: 'endpoints', pods: ['far'] },
      open('far', protocol, 'client', 'nodePort', 8),
    ],
  },
]);

/** Flows of pods that go through the kernel of their node, which has translated them. */
const BY_THE_KERNEL: readonly Scenario[] = (['web-1', 'client'] as const).map((endpoint) => ({
  name: `answers of ${endpoint} to a pod by way of the kernel come when policies have changed`,
  endpoints: [endpoint],
  steps: [
    ...STREAMS.map((protocol, port) => open(protocol, protocol, 'client', 'outerNodePort', port)),
    { do: 'policies', policies: [{ pod: 'web-2', direction: 'ingress', allow: [] }] },
    ...STREAMS.flatMap((protocol) => sends(protocol, 'server', 'client', 'server')),
  ],
}));

const SCTP: Scenario = {
  name: 'SCTP goes through external addresses',
  endpoints: ['web-1'],
  steps: CLIENTS.flatMap((from, index) => [
    open(`${from}-address`, 'sctp', from, 'externalIP', 2 * index),
    open(`${from}-balancer`, 'sctp', from, 'balancer', 2 * index + 1),
  ]),
};

/** Services at node ports, external and load balancer addresses. */
export const EXTERNAL: readonly Scenario[] = [
  ...reach(),
  ...TRAFFIC_POLICIES,
  ...sourceRanges(),
  ...hairpins(),
  ...recurringPorts(),
  ...ENDPOINTS,
  ...takenPorts(),
  ...NETWORK_POLICIES,
  ...BY_THE_KERNEL,
  SCTP,
];
