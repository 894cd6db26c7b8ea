import { describe, expect, it } from 'vitest';
import { matchesLabels } from './labels.js';
import { formatPath, parseObject, parseObjectAs } from './parse.js';

const policy = (spec: unknown) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'p', namespace: 'ns' },
  spec,
});
const object = (value: unknown) => {
  const parsed = parseObject(value);
  return parsed.result === 'object' ? parsed.object : parsed;
};
const problems = (value: unknown) => {
  const parsed = parseObject(value);
  return parsed.result === 'invalid'
    ? parsed.issues.map(({ path, message }) => `${formatPath(path)}: ${message}`)
    : parsed.result;
};

describe('NetworkPolicy', () => {
  it('has the default types, and empty lists for what is absent', () => {
    const selector = { matchLabels: {}, matchExpressions: [] };
    const empty = { kind: 'NetworkPolicy', name: 'p', namespace: 'ns', labels: {}, podSelector: selector };
    expect(object(policy({ podSelector: {} }))).toEqual({
      ...empty,
      policyTypes: ['Ingress'],
      ingress: [],
      egress: [],
    });
    expect(object(policy({ podSelector: {}, ingress: [{}], egress: [{ to: null }] }))).toEqual({
      ...empty,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ peers: [], ports: [] }],
      egress: [{ peers: [], ports: [] }],
    });
    expect(object(policy({ podSelector: {}, policyTypes: ['Egress'] }))).toMatchObject({
      policyTypes: ['Egress'],
    });
  });

  it('tells absent selectors from empty ones', () => {
    const from = [
      { podSelector: {} },
      {
        namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
        podSelector: null,
      },
      { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
    ];
    const ports = [{ port: 80, endPort: 90 }, { port: 'web', protocol: 'UDP' }, {}];
    const all = { matchLabels: {}, matchExpressions: [] };
    expect(object(policy({ podSelector: {}, ingress: [{ from, ports }] }))).toMatchObject({
      ingress: [
        {
          peers: [
            { type: 'Pods', podSelector: all },
            {
              type: 'Pods',
              namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
            },
            { type: 'IPBlock', cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] },
          ],
          ports: [
            { protocol: 'TCP', port: 80, endPort: 90 },
            { protocol: 'UDP', port: 'web' },
            { protocol: 'TCP' },
          ],
        },
      ],
    });
  });

  it.each([
    [{ from: [{}] }, 'spec.ingress[0].from[0]: needs ipBlock, podSelector or namespaceSelector'],
    [
      { from: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] },
      'spec.ingress[0].from[0]: ipBlock cannot be combined with selectors; make it a peer of its own',
    ],
    [
      { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] },
      'spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/16 is not a part of 10.0.0.0/8',
    ],
    [
      { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }] },
      'spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is not a part of 10.0.0.0/8',
    ],
    [
      { ports: [{ port: 80, endPort: 79 }] },
      'spec.ingress[0].ports[0].endPort: must be 80 or more, as port is',
    ],
    [
      { ports: [{ port: 'a', endPort: 79 }] },
      'spec.ingress[0].ports[0].endPort: needs a port that is a number',
    ],
    [
      { ports: [{ port: '80' }] },
      'spec.ingress[0].ports[0].port: must be a number, or a name like "http-alt"',
    ],
    [
      { ports: [{ port: true }] },
      'spec.ingress[0].ports[0].port: must be an integer from 1 to 65535 or the name of a port',
    ],
    [{ ports: [{ port: 70000 }] }, 'spec.ingress[0].ports[0].port: must be an integer from 1 to 65535'],
    [
      { from: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }] },
      'spec.ingress[0].from[0].podSelector.matchExpressions[0].values: is needed with operator In',
    ],
    [
      { from: [{ ipBlock: { cidr: 'fe80::1%eth0/64', except: ['fe80::%eth0/128'] } }] },
      'spec.ingress[0].from[0].ipBlock.cidr: must be a CIDR, such as 10.0.0.0/8',
      'spec.ingress[0].from[0].ipBlock.except[0]: must be a CIDR, such as 10.0.0.0/8',
    ],
  ])('refuses %j', (rule, ...expected) => {
    expect(problems(policy({ podSelector: {}, ingress: [rule] }))).toEqual(expected);
  });

  it('takes a policy without spec as one that allows nothing', () => {
    const bare = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p' } };
    expect(object(bare)).toMatchObject({ policyTypes: ['Ingress'], ingress: [], egress: [] });
  });

  it('reads blocks as older API servers have taken them', () => {
    const ipBlock = { cidr: '010.008.0.1/08', except: ['10.1.000.0/16'] };
    expect(object(policy({ ingress: [{ from: [{ ipBlock }] }] }))).toMatchObject({
      ingress: [{ peers: [{ cidr: '10.8.0.1/8', except: ['10.1.0.0/16'] }] }],
    });
  });
});

describe('matchesLabels', () => {
  const labels = { app: 'web', tier: '' };
  it.each([
    [{}, [], true],
    [{ app: 'web' }, [], true],
    [{ app: 'db' }, [], false],
    [{ constructor: 'web' }, [], false],
    [{}, [{ key: 'app', operator: 'In', values: ['db', 'web'] }], true],
    [{}, [{ key: 'x', operator: 'In', values: [''] }], false],
    [{}, [{ key: 'x', operator: 'NotIn', values: ['a'] }], true],
    [{}, [{ key: 'app', operator: 'NotIn', values: ['web'] }], false],
    [{}, [{ key: 'tier', operator: 'Exists', values: [] }], true],
    [{}, [{ key: 'tier', operator: 'DoesNotExist', values: [] }], false],
    [{ app: 'web' }, [{ key: 'x', operator: 'DoesNotExist', values: [] }], true],
  ] as const)('%j %j: %s', (matchLabels, matchExpressions, matches) => {
    expect(matchesLabels({ matchLabels, matchExpressions }, labels)).toBe(matches);
  });
});

describe('pods, namespaces and nodes', () => {
  it('reads what is used of a pod', () => {
    const pod = {
      metadata: { name: 'p', namespace: 'ns', labels: { a: 'b' }, deletionTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        nodeName: 'n1',
        containers: [{ ports: [{ containerPort: 80, name: 'web' }, { containerPort: 81 }] }, {}],
        initContainers: [
          { restartPolicy: 'Always', ports: [{ containerPort: 53, name: 'dns', protocol: 'UDP' }] },
          { ports: [{ containerPort: 1, name: 'gone' }] },
        ],
      },
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
    };
    expect(parseObjectAs('Pod', pod)).toEqual({
      result: 'object',
      object: {
        kind: 'Pod',
        name: 'p',
        namespace: 'ns',
        labels: { a: 'b' },
        nodeName: 'n1',
        ips: ['10.0.0.1', 'fd00::1'],
        hostNetwork: false,
        finished: false,
        terminating: true,
        ports: [
          { name: 'web', protocol: 'TCP', port: 80 },
          { name: 'dns', protocol: 'UDP', port: 53 },
        ],
      },
    });
    const bare = {
      metadata: { name: 'p', namespace: 'ns' },
      spec: {},
      status: { phase: 'Failed', podIP: '10.0.0.1' },
    };
    expect(parseObjectAs('Pod', bare)).toMatchObject({
      object: { ips: ['10.0.0.1'], finished: true, terminating: false, ports: [] },
    });
    const odd = { ...bare, status: { podIPs: [{ ip: '10.0.0.1/24' }, { ip: '' }] } };
    expect(parseObjectAs('Pod', odd)).toMatchObject({ issues: [{ path: ['status', 'podIPs', 0, 'ip'] }] });
  });

  it('reads nodes and namespaces, which have no namespace', () => {
    const node = {
      metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z', 'kubernetes.io/os': 'linux' } },
      spec: {
        podCIDR: '10.244.0.0/24',
        taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }],
      },
      status: {
        addresses: [
          { type: 'Hostname', address: 'n1' },
          { type: 'InternalIP', address: '192.0.2.1' },
        ],
      },
    };
    expect(parseObjectAs('Node', node)).toEqual({
      result: 'object',
      object: {
        kind: 'Node',
        name: 'n1',
        namespace: '',
        labels: { 'topology.kubernetes.io/zone': 'z' },
        zone: 'z',
        internalIPs: ['192.0.2.1'],
        podCIDRs: ['10.244.0.0/24'],
        terminating: false,
        toBeDeleted: true,
      },
    });
    expect(parseObjectAs('Namespace', { metadata: { name: 'ns', labels: { a: 'b' } } })).toMatchObject({
      object: { kind: 'Namespace', namespace: '', name: 'ns', labels: { a: 'b' } },
    });
    expect(parseObjectAs('Node', { metadata: { name: 'n1', labels: 7 } })).toMatchObject({
      description: 'Node n1',
    });
  });

  it('keeps the time of the last change of a slice, and only the labels that matter', () => {
    const slice = (annotations: unknown) => ({
      metadata: {
        name: 's',
        namespace: 'ns',
        labels: { 'kubernetes.io/service-name': 'web', app: 'x' },
        annotations,
      },
      addressType: 'IPv4',
      endpoints: [],
    });
    const time = '2026-01-01T00:00:00.25Z';
    expect(
      parseObjectAs('EndpointSlice', slice({ 'endpoints.kubernetes.io/last-change-trigger-time': time })),
    ).toMatchObject({
      object: { lastChangeTime: Date.UTC(2026, 0, 1) + 250, labels: { 'kubernetes.io/service-name': 'web' } },
    });
    const bad = parseObjectAs(
      'EndpointSlice',
      slice({ 'endpoints.kubernetes.io/last-change-trigger-time': 'soon' }),
    );
    expect(bad).not.toHaveProperty('object.lastChangeTime');
    expect(bad).not.toHaveProperty('object.labels.app');
  });
});
