import { describe, expect, it } from 'vitest';
import type { NetworkPolicy, Pod } from '../objects/types.js';
import { namespace, node, pod, policy } from './test-policies.js';
import { type Connection, networkPolicyVerdict, type PolicyWorld } from './verdict.js';

/** Three namespaces of three pods each, as in Kubernetes' own tests: namespace x has 10.0.1.*, pod a has *.1. */
const pods: Pod[] = ['x', 'y', 'z'].flatMap((ns, n) =>
  ['a', 'b', 'c'].map((name, p) =>
    pod(name, {
      namespace: ns,
      labels: { pod: name },
      node: `node-${n + 1}`,
      ips: [`10.0.${n + 1}.${p + 1}`, `fd00::${n + 1}:${p + 1}`],
      ports: { http: `TCP/${80 + p}`, dns: 'UDP/53' },
    }),
  ),
);
const namespaces = ['x', 'y', 'z'].map((name) => namespace(name, { ns: name }));
const nodes = [node('node-1', '192.0.2.1'), node('node-2', '192.0.2.2')];

const addresses = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod.ips[0] ?? '']));
const at = (name: string) => addresses.get(name) ?? name;

/** Names of the sources, among all pods and some that are none, that reach a pod. */
function sources(
  policies: NetworkPolicy | NetworkPolicy[],
  destination: string,
  to: Omit<Connection, 'source' | 'destination'> = { protocol: 6, port: 80 },
  world: Partial<PolicyWorld> = {},
): string[] {
  const all = [...addresses.keys(), '203.0.113.7', '192.0.2.1', '192.0.2.2'];
  return all.filter(
    (source) =>
      networkPolicyVerdict(
        { policies: [policies].flat(), pods, namespaces, nodes, ...world },
        { source: at(source), destination: at(destination), ...to },
      ).allowed,
  );
}

const own = ['x/a', '192.0.2.1'];
const tcp = (port: number) => ({ protocol: 6, port });
const from = (peer: object, rule: object = {}, name = 'p') =>
  policy(name, { podSelector: { matchLabels: { pod: 'a' } }, ingress: [{ from: [peer], ...rule }] }, 'x');

describe('networkPolicyVerdict', () => {
  it('allows everything without policies, and to pods that none selects', () => {
    expect(sources([], 'x/a')).toHaveLength(12);
    const deny = policy('deny', {}, 'x');
    expect(sources(deny, 'y/a')).toHaveLength(12);
    expect(sources(deny, 'x/a')).toEqual(own);
  });

  it('takes absent and empty lists of rules as none, and an empty rule as everything', () => {
    for (const ingress of [undefined, null, []]) {
      expect(sources(policy('p', { ingress }, 'x'), 'x/a')).toEqual(own);
    }
    for (const rule of [{}, { from: [] }, { from: null, ports: null }]) {
      expect(sources(policy('p', { ingress: [rule] }, 'x'), 'x/a', { protocol: 1 })).toHaveLength(12);
    }
  });

  it('selects peers by pod, by namespace, by both, and by either', () => {
    const b = { podSelector: { matchLabels: { pod: 'b' } } };
    const y = { namespaceSelector: { matchLabels: { ns: 'y' } } };
    expect(sources(from(b), 'x/a')).toEqual(['x/a', 'x/b', '192.0.2.1']);
    expect(sources(from(y), 'x/a')).toEqual(['x/a', 'y/a', 'y/b', 'y/c', '192.0.2.1']);
    expect(sources(from({ ...b, ...y }), 'x/a')).toEqual(['x/a', 'y/b', '192.0.2.1']);
    const either = policy('p', { ingress: [{ from: [b, y] }] }, 'x');
    expect(sources(either, 'x/a')).toEqual(['x/a', 'x/b', 'y/a', 'y/b', 'y/c', '192.0.2.1']);
    const everyPod = sources(from({ namespaceSelector: {} }), 'x/a');
    expect(everyPod).toEqual([...addresses.keys(), '192.0.2.1']);
  });

  it('knows a namespace by its name, also without an object', () => {
    const z = from({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'z' } } });
    for (const some of [namespaces, []]) {
      expect(sources(z, 'x/a', tcp(80), { namespaces: some })).toEqual([
        'x/a',
        'z/a',
        'z/b',
        'z/c',
        '192.0.2.1',
      ]);
    }
  });

  it.each([
    ['In', ['a', 'b'], ['x/a', 'x/b']],
    ['NotIn', ['a', 'b'], ['x/a', 'x/c']],
    ['Exists', undefined, ['x/a', 'x/b', 'x/c']],
    ['DoesNotExist', undefined, ['x/a']],
  ])('has the operator %s', (operator, values, expected) => {
    const peer = { podSelector: { matchExpressions: [{ key: 'pod', operator, values }] } };
    expect(sources(from(peer), 'x/a')).toEqual([...expected, '192.0.2.1']);
  });

  it('takes what is excepted from its own block only, and counts addresses of pods', () => {
    const block = { ipBlock: { cidr: '10.0.0.0/16', except: ['10.0.2.0/24', '10.0.3.1/32'] } };
    expect(sources(from(block), 'x/a')).toEqual(['x/a', 'x/b', 'x/c', 'z/b', 'z/c', '192.0.2.1']);
    const more = [from(block), from({ ipBlock: { cidr: '10.0.2.2/32' } }, {}, 'q')];
    expect(sources(more, 'x/a')).toContain('y/b');
  });

  it('matches ports by number, range, name and protocol, and TCP if there is none', () => {
    const allows = (ports: object[], to: Omit<Connection, 'source' | 'destination'>) =>
      sources(policy('p', { ingress: [{ ports }] }, 'x'), 'x/b', to).includes('y/a');
    expect(allows([{ port: 80 }], tcp(80))).toBe(true);
    expect(allows([{ port: 80 }], tcp(81))).toBe(false);
    expect(allows([{ port: 80 }], { protocol: 17, port: 80 })).toBe(false);
    expect(allows([{ port: 80, protocol: 'SCTP' }], { protocol: 132, port: 80 })).toBe(true);
    expect(allows([{ port: 80, endPort: 90 }], tcp(90))).toBe(true);
    expect(allows([{ port: 80, endPort: 90 }], tcp(91))).toBe(false);
    expect(allows([{ protocol: 'UDP' }], { protocol: 17, port: 9 })).toBe(true);
    expect(allows([{}], tcp(9))).toBe(true);
    expect(allows([{}], { protocol: 1 })).toBe(false);
    expect(allows([{ port: 'http' }], tcp(81))).toBe(true);
    expect(allows([{ port: 'http' }], tcp(80))).toBe(false);
    expect(allows([{ port: 'http', protocol: 'UDP' }], { protocol: 17, port: 81 })).toBe(false);
    expect(allows([{ port: 'dns', protocol: 'UDP' }], { protocol: 17, port: 53 })).toBe(true);
  });

  it('gives a named port the number that it has at each destination', () => {
    const allows = (to: object, destination: string, port: number) => {
      const egress = [{ ...to, ports: [{ port: 'http' }] }];
      const world = { policies: [policy('p', { policyTypes: ['Egress'], egress }, 'x')], pods, namespaces };
      return networkPolicyVerdict(world, { source: at('x/a'), destination: at(destination), ...tcp(port) })
        .allowed;
    };
    const y = { to: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }] };
    expect([allows(y, 'y/a', 80), allows(y, 'y/b', 81), allows(y, 'y/b', 80)]).toEqual([true, true, false]);
    expect([allows({}, 'z/c', 82), allows({}, 'z/c', 80), allows({}, '203.0.113.7', 80)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(allows({ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }, 'y/a', 80)).toBe(false);
  });

  it('isolates by direction, egress only if it is named or has rules', () => {
    const verdict = (spec: object, source: string, destination: string) =>
      networkPolicyVerdict(
        { policies: [policy('p', spec, 'x')], pods, namespaces },
        { source: at(source), destination: at(destination), ...tcp(80) },
      );
    expect(verdict({}, 'x/a', 'y/a').allowed).toBe(true);
    expect(verdict({ policyTypes: ['Egress'] }, 'x/a', 'y/a')).toEqual({
      allowed: false,
      egress: { allowed: false, isolatedBy: ['x/p'], allowedBy: [] },
      ingress: { allowed: true, isolatedBy: [], allowedBy: [] },
    });
    expect(verdict({ policyTypes: ['Egress'] }, 'y/a', 'x/a').allowed).toBe(true);
    const toY = { egress: [{ to: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }] }] };
    expect(verdict(toY, 'x/a', 'y/a').egress.allowedBy).toEqual(['x/p']);
    expect(verdict(toY, 'x/a', 'z/a').allowed).toBe(false);
    expect(verdict(toY, 'y/a', 'x/a').allowed).toBe(false);
    expect(verdict({ ...toY, policyTypes: ['Ingress'] }, 'x/a', 'z/a').allowed).toBe(true);
  });

  it('unites the policies of a pod', () => {
    const policies = [
      policy('deny', {}, 'x'),
      from({ podSelector: { matchLabels: { pod: 'b' } } }, { ports: [{ port: 80 }] }, 'b'),
      from({ podSelector: { matchLabels: { pod: 'c' } } }, {}, 'c'),
    ];
    expect(sources(policies, 'x/a')).toEqual(['x/a', 'x/b', 'x/c', '192.0.2.1']);
    expect(sources(policies, 'x/a', tcp(81))).toEqual(['x/a', 'x/c', '192.0.2.1']);
  });

  it('leaves out pods with hostNetwork and those that have ended, and whose address another one has', () => {
    const y = from({ namespaceSelector: { matchLabels: { ns: 'y' } } });
    const reaches = (...more: Pod[]) =>
      sources(y, 'x/a', tcp(80), { pods: [...pods, ...more] }).includes('203.0.113.7');
    const fields = { namespace: 'y', ips: ['203.0.113.7'] };
    expect(reaches(pod('d', fields))).toBe(true);
    expect(reaches(pod('d', { ...fields, terminating: true }))).toBe(true);
    expect(reaches(pod('d', { ...fields, hostNetwork: true }))).toBe(false);
    expect(reaches(pod('d', { ...fields, phase: 'Succeeded' }))).toBe(false);
    const heir = pod('e', { ...fields, namespace: 'z' });
    expect(reaches(pod('d', { ...fields, terminating: true }), heir)).toBe(false);
  });

  it('holds for both families', () => {
    const world = { policies: [from({ ipBlock: { cidr: 'fd00::2:0/112' } })], pods, namespaces };
    const allows = (source: string) =>
      networkPolicyVerdict(world, { source, destination: 'fd00::1:1', ...tcp(80) }).allowed;
    expect([allows('fd00::2:9'), allows('fd00::3:9'), allows('fd00::1:1')]).toEqual([true, false, true]);
  });
});
