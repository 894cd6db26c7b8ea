import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceTracker } from '../services/tracker.js';
import { ManifestsSource } from './manifests-source.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'k8s-endpoints-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const service = (spec = '') => `
apiVersion: v1
kind: Service
metadata: { name: db, namespace: prod }
spec: { clusterIP: 10.96.0.20, ports: [{ name: sql, port: 5432 }]${spec} }
---
`;
const endpoints = ({ metadata = '', addresses = '[{ ip: 192.0.2.7, nodeName: n1 }]' } = {}) => `
apiVersion: v1
kind: Endpoints
metadata: { name: db, namespace: prod${metadata} }
subsets:
- addresses: ${addresses}
  notReadyAddresses: [{ ip: 192.0.2.8 }, { ip: "2001:db8::8" }]
  ports: [{ name: sql, port: 5433 }]
- addresses: [{ ip: 192.0.2.9 }]
  ports: [{ name: admin, port: 9000 }]
`;

async function read(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const source = new ManifestsSource({ directory });
  try {
    await source.start();
    const tracker = new ServiceTracker({ source, node: { name: 'n1' } });
    return {
      slices: [...source.endpointSlices.values()],
      served: [...tracker.services()].flatMap(({ endpoints }) =>
        endpoints.map(({ address, port }) => `${address}:${port}`),
      ),
      problems: source.problems.map(({ message }) => message.replace(`${directory}/`, '')),
    };
  } finally {
    await source.stop();
  }
}

describe('v1 Endpoints among manifests', () => {
  it('are served as the slices that the control plane would mirror them to', async () => {
    const { slices, served, problems } = await read({ 'all.yaml': service() + endpoints() });
    expect(problems).toEqual([]);
    expect(served).toEqual(['192.0.2.7:5433']);
    expect(
      slices.map(({ name, namespace, addressType, labels, ports, endpoints }) => ({
        name: `${namespace}/${name} ${addressType}`,
        service: labels['kubernetes.io/service-name'],
        ports,
        endpoints: endpoints.map(({ address, ready, nodeName }) => ({ address, ready, nodeName })),
      })),
    ).toEqual([
      {
        name: 'prod/db-mirrored-0-ipv4 IPv4',
        service: 'db',
        ports: [{ name: 'sql', port: 5433, protocol: 'TCP' }],
        endpoints: [
          { address: '192.0.2.7', ready: true, nodeName: 'n1' },
          { address: '192.0.2.8', ready: false },
        ],
      },
      {
        name: 'prod/db-mirrored-0-ipv6 IPv6',
        service: 'db',
        ports: [{ name: 'sql', port: 5433, protocol: 'TCP' }],
        endpoints: [{ address: '2001:db8::8', ready: false }],
      },
      {
        name: 'prod/db-mirrored-1-ipv4 IPv4',
        service: 'db',
        ports: [{ name: 'admin', port: 9000, protocol: 'TCP' }],
        endpoints: [{ address: '192.0.2.9', ready: true }],
      },
    ]);
  });

  it.each([
    ['a label says so', ', labels: { endpointslice.kubernetes.io/skip-mirror: "true" }'],
    ['they are a lock', ', annotations: { control-plane.alpha.kubernetes.io/leader: "{}" }'],
  ])('are not mirrored if %s', async (_, metadata) => {
    expect(await read({ 'all.yaml': service() + endpoints({ metadata }) })).toEqual({
      slices: [],
      served: [],
      problems: [],
    });
  });

  it('are reported, not served, if their service selects pods, in whatever file it is', async () => {
    const { served, problems } = await read({
      'endpoints.yaml': endpoints(),
      'service.yaml': service(', selector: { app: db }'),
    });
    expect(served).toEqual([]);
    expect(problems).toEqual([
      'endpoints.yaml:2:1: Endpoints prod/db: is skipped because its service has a selector: use EndpointSlices, or remove the selector',
    ]);
  });

  it('stay in their last good version when they are broken', async () => {
    const file = join(directory, 'all.yaml');
    writeFileSync(file, service() + endpoints());
    let tell = (_message: string) => {};
    const reported = new Promise<string>((resolve) => {
      tell = resolve;
    });
    const source = new ManifestsSource({
      directory,
      onReport: ({ problem }) => tell(problem.message),
    });
    await source.start();
    try {
      const before = [...source.endpointSlices.values()];
      writeFileSync(file, service() + endpoints({ addresses: '[{ ip: 127.0.0.1 }]' }));
      expect(await reported).toMatch(
        /all\.yaml:12:21: Endpoints prod\/db: subsets\[0\]\.addresses\[0\]\.ip: must not be unspecified, loopback, .*; its last good version stays in force$/,
      );
      expect([...source.endpointSlices.values()]).toEqual(before);
    } finally {
      await source.stop();
    }
  });
});
