import { parseObject, type WatchedObject } from '@infra-offload/k8s-watch';
import { type Packet, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import { expect, it } from 'vitest';
import { answer } from './answer.js';
import { zoneOf } from './zone.js';

const DOMAIN = 'cluster.local';

function parse(object: object): WatchedObject {
  const parsed = parseObject(object);
  if (parsed.result !== 'object') throw new Error(JSON.stringify(parsed));
  return parsed.object;
}

const service = (name: string, spec: object) => {
  const object = parse({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec,
  });
  if (object.kind !== 'Service') throw new Error(object.kind);
  return object;
};

const slice = (of: string, endpoints: object[]) => {
  const object = parse({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${of}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    endpoints,
  });
  if (object.kind !== 'EndpointSlice') throw new Error(object.kind);
  return object;
};

const zone = zoneOf(
  DOMAIN,
  [
    service('web', { clusterIP: '10.96.0.80', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
    service('db', { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] }),
    service('far', { type: 'ExternalName', externalName: 'api.example.com.' }),
    service('near', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
    service('loop', { type: 'ExternalName', externalName: 'loop.shop.svc.cluster.local' }),
  ],
  [
    slice('web', [{ addresses: ['10.244.0.9'] }]),
    slice('db', [
      { addresses: ['10.244.0.5'], hostname: 'db-0' },
      { addresses: ['10.244.0.6'] },
      { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } },
    ]),
  ],
);

/** The answers as "type data", or the RCODE and whether it is authoritative about that. */
function ask(name: string, type: RecordType): string[] | string {
  const query: Packet = { type: 'query', id: 7, flags: RECURSION_DESIRED, questions: [{ name, type }] };
  const { id, flags = 0, answers = [], authorities = [] } = answer(DOMAIN, zone, query);
  expect(id).toBe(7);
  expect(flags & RECURSION_DESIRED).toBe(RECURSION_DESIRED);
  if (answers.length === 0) return `${flags & 15}${authorities.length > 0 ? ' SOA' : ''}`;
  return answers.map((record) => `${record.type} ${'data' in record ? JSON.stringify(record.data) : ''}`);
}

it('knows a service by its name, its ports and its address', () => {
  expect(ask('web.shop.svc.cluster.local', 'A')).toEqual(['A "10.96.0.80"']);
  expect(ask('WEB.Shop.svc.Cluster.local', 'A')).toEqual(['A "10.96.0.80"']);
  expect(ask('_http._tcp.web.shop.svc.cluster.local', 'SRV')).toEqual([
    'SRV {"priority":0,"weight":100,"port":80,"target":"web.shop.svc.cluster.local"}',
  ]);
  expect(ask('80.0.96.10.in-addr.arpa', 'PTR')).toEqual(['PTR "web.shop.svc.cluster.local"']);
  expect(ask('dns-version.cluster.local', 'TXT')).toEqual(['TXT "1.1.0"']);
});

it('knows the endpoints of a headless service that are ready', () => {
  expect(ask('db.shop.svc.cluster.local', 'A')).toEqual(['A "10.244.0.5"', 'A "10.244.0.6"']);
  expect(ask('db-0.db.shop.svc.cluster.local', 'A')).toEqual(['A "10.244.0.5"']);
  expect(ask('10-244-0-6.db.shop.svc.cluster.local', 'A')).toEqual(['A "10.244.0.6"']);
  expect(ask('_sql._tcp.db.shop.svc.cluster.local', 'SRV')).toEqual([
    'SRV {"priority":0,"weight":100,"port":5432,"target":"db-0.db.shop.svc.cluster.local"}',
    'SRV {"priority":0,"weight":100,"port":5432,"target":"10-244-0-6.db.shop.svc.cluster.local"}',
  ]);
  expect(ask('5.0.244.10.in-addr.arpa', 'PTR')).toEqual(['PTR "db-0.db.shop.svc.cluster.local"']);
  expect(ask('db-2.db.shop.svc.cluster.local', 'A')).toBe('3 SOA');
});

it('follows a service to the name that it is another for, as far as that is in the cluster', () => {
  expect(ask('far.shop.svc.cluster.local', 'A')).toEqual(['CNAME "api.example.com"']);
  expect(ask('near.shop.svc.cluster.local', 'A')).toEqual([
    'CNAME "web.shop.svc.cluster.local"',
    'A "10.96.0.80"',
  ]);
  expect(ask('near.shop.svc.cluster.local', 'CNAME')).toEqual(['CNAME "web.shop.svc.cluster.local"']);
  expect(ask('loop.shop.svc.cluster.local', 'A').length).toBeLessThan(20);
});

it('knows the address in the name of a pod', () => {
  expect(ask('10-244-0-9.shop.pod.cluster.local', 'A')).toEqual(['A "10.244.0.9"']);
  expect(ask('10-244-0-999.shop.pod.cluster.local', 'A')).toBe('3 SOA');
});

it('tells a name that is not there from one without such records, and refuses what is not the cluster’s', () => {
  expect(ask('web.shop.svc.cluster.local', 'AAAA')).toBe('0 SOA');
  expect(ask('shop.svc.cluster.local', 'A')).toBe('0 SOA');
  expect(ask('nobody.shop.svc.cluster.local', 'A')).toBe('3 SOA');
  expect(ask('example.com', 'A')).toBe('5');
});
