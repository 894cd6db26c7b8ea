import { describe, expect, it } from 'vitest';
import { formatPath, parseObject } from './parse.js';

const service = (spec: unknown, metadata: unknown = { name: 'web' }) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata,
  spec,
});
const slice = (fields: object) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1' },
  addressType: 'IPv4',
  ports: [],
  endpoints: [],
  ...fields,
});
const port = { port: 80 };
const at = (...addresses: string[]) => ({ endpoints: [{ addresses }] });

function problems(value: unknown): string[] {
  const parsed = parseObject(value);
  return parsed.result === 'invalid'
    ? parsed.issues.map(({ path, message }) => `${formatPath(path)}: ${message}`)
    : [`unexpected ${parsed.result}`];
}

describe('parseObject', () => {
  it('applies the defaults of Kubernetes to a service', () => {
    expect(parseObject(service({ clusterIP: '10.96.0.1', ports: [port] }))).toEqual({
      result: 'object',
      object: {
        kind: 'Service',
        name: 'web',
        namespace: 'default',
        labels: {},
        type: 'ClusterIP',
        clusterIPs: ['10.96.0.1'],
        externalIPs: [],
        ports: [{ name: '', protocol: 'TCP', port: 80 }],
        internalTrafficPolicy: 'Cluster',
        externalTrafficPolicy: 'Cluster',
        loadBalancerSourceRanges: [],
        loadBalancerIngress: [],
      },
    });
  });

  it('takes null for absent', () => {
    const metadata = { name: 'web', namespace: null, labels: null };
    const spec = {
      clusterIP: null,
      clusterIPs: null,
      externalIPs: null,
      type: null,
      sessionAffinity: null,
      ports: [port],
    };
    expect(
      parseObject({ ...service(spec, metadata), status: { loadBalancer: { ingress: null } } }).result,
    ).toBe('object');
    expect(parseObject(slice({ ports: null, endpoints: null })).result).toBe('object');
  });

  it('applies the defaults of Kubernetes to a slice, and leaves out what is not used', () => {
    const fields = {
      ports: [{ port: 1 }, { name: 'all' }, { name: 'x', port: 2, protocol: 'UDP', appProtocol: 'h2c' }],
      endpoints: [
        { addresses: ['10.0.0.1', '10.0.0.2'], nodeName: '', hints: { forZones: null }, targetRef: {} },
      ],
    };
    expect(parseObject(slice(fields))).toEqual({
      result: 'object',
      object: {
        kind: 'EndpointSlice',
        name: 'web-1',
        namespace: 'default',
        labels: {},
        addressType: 'IPv4',
        ports: [
          { name: '', protocol: 'TCP', port: 1 },
          { name: 'x', protocol: 'UDP', port: 2 },
        ],
        endpoints: [{ address: '10.0.0.1', ready: true, serving: true, terminating: false }],
      },
    });
  });

  it.each([
    ['a Deployment', { apiVersion: 'apps/v1', kind: 'Deployment', spec: 7 }],
    ["Calico's NetworkPolicy", { apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy' }],
    ["Knative's Service", { apiVersion: 'serving.knative.dev/v1', kind: 'Service' }],
    ['a kind that objects inherit', { apiVersion: 'v1', kind: 'constructor' }],
  ])('ignores %s', (_, value) => {
    expect(parseObject(value)).toEqual({ result: 'ignored' });
  });

  it.each([
    ['discovery.k8s.io/v1beta1', 'EndpointSlice', 'discovery.k8s.io/v1'],
    ['v2', 'Service', 'v1'],
    ['extensions/v1beta1', 'NetworkPolicy', 'networking.k8s.io/v1'],
  ])('does not read %s %s', (apiVersion, kind, supported) => {
    expect(parseObject({ apiVersion, kind, metadata: { name: 'x', namespace: 'ns' } })).toEqual({
      result: 'unsupported',
      description: `${kind} ns/x`,
      issue: { path: ['apiVersion'], message: `'${apiVersion}' is not supported, only '${supported}'` },
    });
  });

  it.each([
    ['text', ': is a string, not a Kubernetes object'],
    [[], ': is a list, not a Kubernetes object'],
    [null, ': is nothing, not a Kubernetes object'],
    [{}, 'kind: is needed: a string, such as "Service"'],
    [{ kind: 'Service' }, 'apiVersion: is needed: a string, such as "v1"'],
    [{ kind: 7, apiVersion: 'v1' }, 'kind: is needed: a string, such as "Service"'],
    [service({ ports: [port] }, {}), 'metadata.name: invalid input: expected string, received undefined'],
    [
      service({ ports: [port] }, { name: 'Web_1' }),
      'metadata.name: must be lower case letters, digits, "-" and "."',
    ],
    [
      service({ ports: [port] }, { name: 'web', labels: { a: 1 } }),
      'metadata.labels.a: invalid input: expected string, received number',
    ],
    [service({ ports: [] }), 'spec.ports: a service needs at least one port'],
    [service({ ports: [{ port: 80000 }] }), 'spec.ports[0].port: must be an integer from 1 to 65535'],
    [service({ ports: [{ port: '80' }] }), 'spec.ports[0].port: must be an integer from 1 to 65535'],
    [
      service({ ports: [{ port: 80, protocol: 'tcp' }] }),
      'spec.ports[0].protocol: invalid option: expected one of "TCP"|"UDP"|"SCTP"',
    ],
    [
      service({ ports: [{ ...port, name: 'a' }, { port: 81 }] }),
      'spec.ports[1].name: is required when there are several ports',
    ],
    [
      service({
        ports: [
          { ...port, name: 'a' },
          { port: 81, name: 'a' },
        ],
      }),
      "spec.ports[1].name: 'a' is the name of another port, too",
    ],
    [
      service({
        ports: [
          { ...port, name: 'a' },
          { ...port, name: 'b' },
        ],
      }),
      'spec.ports[1].port: 80/TCP is there twice',
    ],
    [
      service({ ports: [port], clusterIP: '10.96.0.300' }),
      'spec.clusterIP: must be an IP address or "None" or ""',
    ],
    [service({ ports: [port], externalIPs: ['x'] }), 'spec.externalIPs[0]: must be an IP address'],
    [
      service({ ports: [port], loadBalancerSourceRanges: ['10.0.0.0/33'] }),
      'spec.loadBalancerSourceRanges[0]: must be a CIDR, such as 10.0.0.0/8',
    ],
    [
      service({ ports: [port], sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be an integer from 1 to 86400',
    ],
    [slice({ addressType: 'IPv5' }), 'addressType: invalid option: expected one of "IPv4"|"IPv6"|"FQDN"'],
    [slice(at()), 'endpoints[0].addresses: too small: expected array to have >=1 items'],
    [
      slice(at('fd00::1')),
      "endpoints[0].addresses[0]: 'fd00::1' is not an IPv4 address, which addressType promises",
    ],
    [
      slice(at('10.0.0.01')),
      "endpoints[0].addresses[0]: '10.0.0.01' is not an IPv4 address, which addressType promises",
    ],
    [
      slice(at('127.0.0.1')),
      'endpoints[0].addresses[0]: 127.0.0.1 is unspecified, loopback, link-local or multicast',
    ],
    [
      slice({ ...at('10.0.0.1'), addressType: 'IPv6' }),
      "endpoints[0].addresses[0]: '10.0.0.1' is not an IPv6 address, which addressType promises",
    ],
    [slice({ endpoints: {} }), 'endpoints: invalid input: expected array, received object'],
    [
      slice({ endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: 'yes' } }] }),
      'endpoints[0].conditions.ready: invalid input: expected boolean, received string',
    ],
  ])('refuses %j', (value, problem) => {
    expect(problems(value)).toEqual([problem]);
  });

  it('names everything that is wrong at once, and nothing that only follows from it', () => {
    const ports = [{ port: 0, name: 'a' }, { port: 1, protocol: 'X', name: 'a' }, { port: 70000 }];
    expect(problems(service({ ports, clusterIP: 'x' })).map((problem) => problem.split(':')[0])).toEqual([
      'spec.clusterIP',
      'spec.ports[0].port',
      'spec.ports[1].protocol',
      'spec.ports[2].port',
    ]);
  });

  it('needs no ports for ExternalName and headless services', () => {
    expect(parseObject(service({ type: 'ExternalName', externalName: 'x.example' })).result).toBe('object');
    expect(parseObject(service({ clusterIP: 'None' })).result).toBe('object');
  });
});
