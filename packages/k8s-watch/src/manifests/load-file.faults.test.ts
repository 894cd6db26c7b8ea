import { faultTest, mutateYaml } from '@infra-offload/faults';
import { expect } from 'vitest';
import { loadManifests } from './load-file.js';

const FILES = [
  `apiVersion: v1
kind: Service
metadata: {name: web, namespace: prod}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: prod, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.2]}]
`,
  `kind: List
apiVersion: v1
items:
- &a {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 0120}]}}
- {<<: *a, metadata: {name: b}}
- apiVersion: v1
  kind: Endpoints
  metadata: {name: a}
  subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]
`,
  `{"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"c"},"spec":{"ports":[{"port":80}]}}]}
{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"prod"}}`,
];

faultTest(
  {
    fault: 'manifest files, damaged',
    promise: 'what was good stays in force, what is wrong is told with file, line and column',
    sample: 600,
  },
  async ({ cases, random }) => {
    let [kept, broken] = [0, 0];
    const before = new Map(
      await Promise.all(
        FILES.map(async (text) => [text, (await loadManifests('f', text, undefined)).objects] as const),
      ),
    );
    for (let left = cases; left > 0; left--) {
      const good = random.pick(FILES);
      const text = mutateYaml(random, good);
      const { objects, problems } = await loadManifests('f.yaml', text, before.get(good));
      for (const { message } of problems)
        expect(message, text).toMatch(/^f\.yaml(:\d+:\d+: |: \d+ more problems).{1,500}$/);
      const unreadable = problems.some(({ code }) => code === 'SYNTAX');
      if (unreadable) expect(objects, text).toBe(before.get(good));
      if (problems.length > 0) broken++;
      if (unreadable) kept++;
    }
    return `${broken.toLocaleString('en-US')} with problems, ${kept.toLocaleString('en-US')} not readable`;
  },
);
