import {
  A,
  B,
  EVERYBODY,
  expressions,
  ipBlock,
  type Labels,
  namespaces,
  pods,
  policy,
  sctp,
  tcp,
  udp,
} from './objects.js';

/** One step of the truth table: what changes, and nothing else does. */
export interface Recipe {
  readonly title: string;
  /** Replaces all policies; absent: they stay. */
  readonly policies?: readonly object[];
  /** New labels of pods, by "namespace/name", and of namespaces. */
  readonly podLabels?: Readonly<Record<string, Labels>>;
  readonly namespaceLabels?: Readonly<Record<string, Labels>>;
}

/** `addresses`: of pods, by "namespace/name". Pods x, y, z / a, b, c have the labels `pod` and their namespaces `ns`. */
export function recipes(address: (pod: string) => string): readonly Recipe[] {
  const host = (pod: string) => `${address(pod)}/32`;
  return [
    { title: 'no policy: everything is open' },
    { title: 'ingress denied for a namespace', policies: [policy({})] },
    {
      title: 'ingress and egress denied for a namespace',
      policies: [policy({ policyTypes: ['Ingress', 'Egress'] })],
    },
    { title: 'egress denied for a namespace', policies: [policy({ policyTypes: ['Egress'] })] },
    {
      title: 'everything denied everywhere',
      policies: ['x', 'y', 'z'].map((namespace) => policy({ namespace, policyTypes: ['Ingress', 'Egress'] })),
    },
    {
      title: 'ingress rules, but only Egress among the types',
      policies: [policy({ policyTypes: ['Egress'], ingress: [{}] })],
    },
    { title: 'ingress allowed by an empty rule', policies: [policy({ ingress: [{}] })] },
    { title: 'egress rules make the type Egress', policies: [policy({ egress: [{}] })] },
    {
      title: 'ingress denied for one pod',
      policies: [policy({ podSelector: A })],
    },
    {
      title: 'ingress from the same namespace',
      policies: [policy({ ingress: [{ from: [{ podSelector: {} }] }] })],
    },
    {
      title: 'ingress from one pod of the same namespace',
      policies: [policy({ podSelector: A, ingress: [{ from: [pods({ pod: 'b' })] }] })],
    },
    {
      title: 'ingress from all namespaces',
      policies: [policy({ podSelector: A, ingress: [{ from: [EVERYBODY] }] })],
    },
    {
      title: 'ingress from a namespace by label',
      policies: [policy({ ingress: [{ from: [namespaces({ ns: 'y' })] }] })],
    },
    {
      title: 'ingress from a namespace by its name',
      policies: [policy({ ingress: [{ from: [namespaces({ 'kubernetes.io/metadata.name': 'z' })] }] })],
    },
    {
      title: 'ingress from pods of other namespaces: both selectors in one peer',
      policies: [policy({ ingress: [{ from: [{ ...namespaces({ ns: 'y' }), ...pods({ pod: 'b' }) }] }] })],
    },
    {
      title: 'ingress from either: two peers',
      policies: [policy({ ingress: [{ from: [namespaces({ ns: 'y' }), pods({ pod: 'b' })] }] })],
    },
    {
      title: 'matchExpressions In',
      policies: [
        policy({ podSelector: expressions('pod', 'In', ['a', 'b']), ingress: [{ from: [EVERYBODY] }] }),
        policy({ namespace: 'y', podSelector: expressions('pod', 'In', ['b', 'c']) }),
      ],
    },
    {
      title: 'matchExpressions NotIn, also where the key is missing',
      policies: [
        policy({ podSelector: expressions('pod', 'NotIn', ['a']) }),
        policy({ namespace: 'y', podSelector: expressions('tier', 'NotIn', ['db']) }),
      ],
    },
    {
      title: 'matchExpressions Exists and DoesNotExist',
      policies: [
        policy({ ingress: [{ from: [{ namespaceSelector: expressions('ns', 'Exists') }] }] }),
        policy({
          namespace: 'y',
          ingress: [{ from: [{ podSelector: expressions('pod', 'DoesNotExist') }] }],
        }),
      ],
    },
    {
      title: 'a peer that nobody is',
      policies: [policy({ ingress: [{ from: [pods({ pod: 'nobody' })] }] })],
    },
    { title: 'ingress to one TCP port', policies: [policy({ ingress: [{ ports: [tcp(80)] }] })] },
    {
      title: 'ingress to two ports of two protocols',
      policies: [policy({ ingress: [{ ports: [tcp(81), udp(53)] }] })],
    },
    { title: 'a port without protocol is TCP', policies: [policy({ ingress: [{ ports: [{ port: 80 }] }] })] },
    {
      title: 'a protocol without port is all its ports',
      policies: [policy({ ingress: [{ ports: [{ protocol: 'UDP' }] }] })],
    },
    { title: 'SCTP by port', policies: [policy({ ingress: [{ ports: [sctp(80)] }] })] },
    {
      title: 'SCTP by name, and TCP of the same number denied',
      policies: [policy({ ingress: [{ ports: [sctp('sigtran')] }] })],
    },
    {
      title: 'a range of ports',
      policies: [
        policy({ ingress: [{ ports: [tcp(80, 81)] }] }),
        policy({ namespace: 'y', ingress: [{ ports: [tcp(82, 32_768)] }] }),
      ],
    },
    {
      title: 'a named port, another number on each pod',
      policies: [policy({ ingress: [{ ports: [tcp('web')] }] })],
    },
    {
      title: 'egress to a named port: of the destination',
      policies: [
        policy({ policyTypes: ['Egress'], egress: [{ to: [EVERYBODY], ports: [tcp('web'), udp('dns')] }] }),
      ],
    },
    {
      title: 'peers and ports in one rule',
      policies: [policy({ podSelector: A, ingress: [{ from: [pods({ pod: 'b' })], ports: [tcp(80)] }] })],
    },
    {
      title: 'peers and ports in two rules',
      policies: [
        policy({
          podSelector: A,
          ingress: [
            { from: [namespaces({ ns: 'y' })], ports: [tcp(80)] },
            { from: [namespaces({ ns: 'z' })], ports: [udp(53)] },
          ],
        }),
      ],
    },
    {
      title: 'two policies on one pod: what either allows',
      policies: [
        policy({ podSelector: A, ingress: [{ from: [pods({ pod: 'b' })], ports: [tcp(80)] }] }),
        policy({ podSelector: A, ingress: [{ from: [EVERYBODY], ports: [tcp(81)] }] }),
      ],
    },
    {
      title: 'denied by default, and one exception by a second policy',
      policies: [
        policy({}),
        policy({
          podSelector: B,
          ingress: [{ from: [{ ...namespaces({ ns: 'z' }), ...pods({ pod: 'c' }) }] }],
        }),
      ],
    },
    {
      title: 'egress to DNS only',
      policies: [policy({ policyTypes: ['Egress'], egress: [{ ports: [udp(53), tcp(53)] }] })],
    },
    {
      title: 'egress to one namespace',
      policies: [policy({ policyTypes: ['Egress'], egress: [{ to: [namespaces({ ns: 'y' })] }] })],
    },
    {
      title: 'egress allowed, ingress at the other end denied',
      policies: [
        policy({ policyTypes: ['Egress'], egress: [{ to: [namespaces({ ns: 'y' })] }] }),
        policy({ namespace: 'y', podSelector: A }),
      ],
    },
    {
      title: 'an ipBlock of everything',
      policies: [policy({ ingress: [{ from: [ipBlock('0.0.0.0/0')] }] })],
    },
    {
      title: 'an ipBlock of everything but one pod',
      policies: [policy({ ingress: [{ from: [ipBlock('0.0.0.0/0', host('y/a'))] }] })],
    },
    { title: 'an ipBlock of one pod', policies: [policy({ ingress: [{ from: [ipBlock(host('z/b'))] }] })] },
    {
      title: 'an except that another rule allows, for one port',
      policies: [
        policy({
          ingress: [
            { from: [ipBlock('10.244.0.0/16', host('y/b'))] },
            { from: [namespaces({ ns: 'y' })], ports: [tcp(80)] },
          ],
        }),
      ],
    },
    {
      title: 'overlapping ipBlocks with different ports and excepts',
      policies: [
        policy({
          ingress: [
            { from: [ipBlock('10.244.0.0/16', '10.244.0.0/28')], ports: [tcp(80)] },
            { from: [ipBlock('10.244.0.0/29'), ipBlock(host('z/c'))], ports: [tcp(81), udp(80)] },
            { from: [ipBlock('10.0.0.0/8')], ports: [sctp(80)] },
          ],
        }),
      ],
    },
    {
      title: 'egress to an ipBlock with except',
      policies: [
        policy({
          policyTypes: ['Egress'],
          egress: [{ to: [ipBlock('10.244.0.0/24', host('y/c'), host('z/a'))], ports: [tcp(80), udp(80)] }],
        }),
      ],
    },
    {
      title: 'many ports and peers at once',
      policies: [
        policy({
          ingress: Array.from({ length: 40 }, (_, i) => ({
            from: [pods({ pod: i % 2 === 0 ? 'a' : 'b' }), namespaces({ ns: i % 3 === 0 ? 'y' : 'z' })],
            ports: [tcp(60 + i), udp(40 + 2 * i)],
          })),
        }),
      ],
    },
    {
      title: 'pods of two namespaces isolated from each other, each way',
      policies: [
        policy({
          policyTypes: ['Ingress', 'Egress'],
          ingress: [{ from: [{ podSelector: {} }] }],
          egress: [{ to: [{ podSelector: {} }] }],
        }),
        policy({
          namespace: 'y',
          policyTypes: ['Ingress', 'Egress'],
          ingress: [{ from: [{ podSelector: {} }] }],
          egress: [{ to: [{ podSelector: {} }] }],
        }),
      ],
    },
    {
      title: 'by labels that change: before',
      policies: [
        policy({
          podSelector: { matchLabels: { role: 'server' } },
          ingress: [
            {
              from: [
                {
                  namespaceSelector: { matchLabels: { trusted: 'yes' } },
                  podSelector: { matchLabels: { role: 'client' } },
                },
              ],
              ports: [tcp(80)],
            },
          ],
        }),
      ],
    },
    { title: 'a pod becomes isolated by its label', podLabels: { 'x/a': { pod: 'a', role: 'server' } } },
    {
      title: 'a peer gets its label, but its namespace is not trusted',
      podLabels: { 'y/b': { pod: 'b', role: 'client' } },
    },
    { title: 'the namespace gets its label', namespaceLabels: { y: { ns: 'y', trusted: 'yes' } } },
    {
      title: 'another namespace gets it, too',
      namespaceLabels: { z: { ns: 'z', trusted: 'yes' } },
      podLabels: { 'z/c': { pod: 'c', role: 'client' } },
    },
    { title: 'the peer loses its label', podLabels: { 'y/b': { pod: 'b' } } },
    { title: 'the pod is not selected any more', podLabels: { 'x/a': { pod: 'a' } } },
    { title: 'all policies are gone: everything is open again', policies: [] },
  ];
}
