import { faultTest, type Json, mutateJson, Trial } from '@infra-offload/faults';
import { expect } from 'vitest';
import { parseEndpoints } from './endpoints-schema.js';
import { isObjectKind } from './kinds.js';
import { parseObject, parseObjectAs } from './parse.js';

const metadata = {
  name: 'web',
  namespace: 'ns',
  labels: { a: 'b' },
  annotations: { c: 'd' },
  resourceVersion: '7',
};

/** One object of each kind, with every field that is read. */
const OBJECTS: readonly { readonly [key: string]: Json }[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1', 'fd00::1'],
      externalIPs: ['192.0.2.1'],
      ports: [
        { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 },
        { name: 'dns', protocol: 'UDP', port: 53 },
      ],
      internalTrafficPolicy: 'Cluster',
      externalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      healthCheckNodePort: 30081,
      loadBalancerSourceRanges: ['10.0.0.0/8'],
    },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.2', ipMode: 'VIP' }] } },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.244.0.2'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'n1',
        hints: { forZones: [{ name: 'z' }], forNodes: [{ name: 'n1' }] },
      },
    ],
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: {
      podSelector: {
        matchLabels: { a: 'b' },
        matchExpressions: [{ key: 'k', operator: 'In', values: ['v'] }],
      },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }, { namespaceSelector: {} }],
          ports: [{ port: 'web', protocol: 'TCP' }],
        },
      ],
      egress: [{ to: [{ podSelector: {} }], ports: [{ port: 1000, endPort: 2000 }] }],
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: {
      nodeName: 'n1',
      hostNetwork: false,
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 80, protocol: 'TCP' }] }],
    },
    status: { phase: 'Running', podIP: '10.244.0.2', podIPs: [{ ip: '10.244.0.2' }] },
  },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ns', labels: { a: 'b' } } },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z' } },
    spec: { podCIDRs: ['10.244.0.0/24'], taints: [{ key: 'k', effect: 'NoSchedule' }] },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.10' }] },
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'c' },
    spec: { cidrs: ['10.96.0.0/12'] },
  },
  {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata,
    subsets: [
      { addresses: [{ ip: '192.0.2.7' }], notReadyAddresses: [{ ip: '192.0.2.8' }], ports: [{ port: 80 }] },
    ],
  },
];

faultTest(
  {
    fault:
      'objects of every watched kind with fields of other types, missing, doubled, too deep, at extremes',
    promise: 'read, left out or refused with the field; never thrown',
    sample: 2_000,
    unit: 'input',
  },
  ({ cases, random }) => {
    const trial = new Trial(() => false);
    const results = new Map<string, number>();
    for (let left = cases; left > 0; left--) {
      const original = random.pick(OBJECTS);
      trial.try(mutateJson(random, original), (value) => {
        const parsed = parseEndpoints(value) ?? parseObject(value);
        results.set(parsed.result, (results.get(parsed.result) ?? 0) + 1);
        if (parsed.result === 'invalid') expect(parsed.issues.length).toBeGreaterThan(0);
        // What was taken can be kept in a store, and compared.
        if (parsed.result === 'object') JSON.stringify(parsed.object);
        if (typeof original.kind === 'string' && isObjectKind(original.kind))
          parseObjectAs(original.kind, value);
      });
    }
    const counts = [...results].sort().map(([result, count]) => `${count.toLocaleString('en-US')} ${result}`);
    return `${counts.join(', ')}; ${trial.measured.split(', ').at(-1)}`;
  },
);
