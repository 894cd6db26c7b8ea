/**
 * The Kubernetes API source at scale: a fake API server in a process of its own, and in this one `ApiSource` and
 * `ServiceTracker`, as in infra-agent. Prints what a cold start costs, how much memory stays, how long one changed
 * EndpointSlice takes from the write at the server to the tracker's subscriber, and what a list after a lost watch costs.
 *
 *   node --import tsx --conditions @infra-offload/source --expose-gc bench/src/k8s-api-scale.ts [services] [endpoints]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServiceTracker } from '@infra-offload/k8s-watch';
import { ApiSource, loadBalancingResources } from '@infra-offload/k8s-watch/api';
import { FakeApiServer, type ObjectInput } from '@infra-offload/k8s-watch/testing';

const SERVICES = Number(process.argv[2] ?? 10_000);
const ENDPOINTS = Number(process.argv[3] ?? 10);
const NODES = 1000;
const CHANGES = 500;
const WARM_UP = 50;

/** What the measuring process asks the server's process for. */
type Command =
  | { readonly do: 'change'; readonly service: number; readonly round: number }
  | { readonly do: 'restart' };
type Reply = { readonly kubeconfig: string } | { readonly listBytes: number } | { readonly done: true };

const nodeName = (n: number) => `node-${n % NODES}.cluster.example`;

function serviceObject(i: number): ObjectInput {
  return {
    kind: 'Service',
    metadata: {
      name: `service-${i}`,
      namespace: `team-${i % 100}`,
      labels: { app: `app-${i}`, 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': `release-${i}` },
      managedFields: [
        {
          manager: 'helm',
          operation: 'Update',
          apiVersion: 'v1',
          fieldsType: 'FieldsV1',
          fieldsV1: managed(8),
        },
      ],
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.96.${i >> 8}.${i & 255}`,
      clusterIPs: [`10.96.${i >> 8}.${i & 255}`],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      selector: { app: `app-${i}` },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
    status: { loadBalancer: {} },
  };
}

function sliceObject(i: number, round = 0): ObjectInput {
  return {
    kind: 'EndpointSlice',
    metadata: {
      name: `service-${i}-x7k2p`,
      namespace: `team-${i % 100}`,
      generateName: `service-${i}-`,
      labels: {
        'kubernetes.io/service-name': `service-${i}`,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        app: `app-${i}`,
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          name: `service-${i}`,
          uid: '8ba5b2ad-0c12-4aa7-8a5f-6ae0c5b8a1f0',
          controller: true,
        },
      ],
      managedFields: [
        {
          manager: 'kube-controller-manager',
          operation: 'Update',
          fieldsType: 'FieldsV1',
          fieldsV1: managed(12),
        },
      ],
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: ENDPOINTS }, (_, slot) => ({
      addresses: [`10.${slot === 0 ? round % 97 : 128 + slot}.${i >> 8}.${i & 255}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: nodeName(i * 7 + slot),
      zone: `zone-${slot % 3}`,
      hints: { forZones: [{ name: `zone-${slot % 3}` }] },
      targetRef: {
        kind: 'Pod',
        namespace: `team-${i % 100}`,
        name: `app-${i}-5d9c7b8f6d-${slot}`,
        uid: '2f4c9a51-9a3e-4e0c-9f7e-1f2c3d4e5f60',
      },
    })),
  };
}

function managed(fields: number): object {
  return Object.fromEntries(
    Array.from({ length: fields }, (_, i) => [`f:field-${i}`, { '.': {}, 'f:name': {} }]),
  );
}

async function serve(): Promise<void> {
  const server = await FakeApiServer.start();
  for (let i = 0; i < SERVICES; i++) server.database.create(serviceObject(i));
  for (let i = 0; i < SERVICES; i++) server.database.create(sliceObject(i));
  server.database.create({
    kind: 'Node',
    metadata: { name: nodeName(0), labels: { 'topology.kubernetes.io/zone': 'zone-0' } },
  });
  const reply = (message: Reply) => process.send?.(message);
  process.on('message', async (command: Command) => {
    if (command.do === 'change') server.database.update(sliceObject(command.service, command.round));
    else {
      // With a change that nobody is told of, so that no watch can go on.
      await server.stop();
      server.database.update(sliceObject(0, 96));
      await server.restart();
      reply({ done: true });
    }
  });
  reply({ kubeconfig: server.kubeconfig() });
}

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'k8s-api-scale-'));
  const child = fork(fileURLToPath(import.meta.url), [String(SERVICES), String(ENDPOINTS)], {
    env: { ...process.env, FAKE_API_SERVER: '1' },
  });
  const reply = () =>
    new Promise<Reply>((resolve) => child.once('message', (message) => resolve(message as Reply)));
  const send = (command: Command) => child.send(command);
  try {
    const ready = await reply();
    if (!('kubeconfig' in ready)) throw new Error('no kubeconfig');
    const path = join(directory, 'kubeconfig');
    writeFileSync(path, ready.kubeconfig);
    await run(path, send, reply);
  } finally {
    child.kill();
    rmSync(directory, { recursive: true });
  }
}

async function run(
  path: string,
  send: (command: Command) => void,
  reply: () => Promise<Reply>,
): Promise<void> {
  const makeSource = () =>
    new ApiSource({
      access: { type: 'kubeconfig', path },
      resources: loadBalancingResources(nodeName(0)),
      onReport: ({ type, problem }) => console.log(`${type}: ${problem.message}`),
    });
  // A source without anything to do loads the client, which belongs to the program, not to the objects.
  const idle = new ApiSource({ access: { type: 'kubeconfig', path }, resources: {} });
  const bare = memory();
  await idle.start();
  await idle.stop();
  const before = memory();

  const source = makeSource();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const turns = longestTurn();
  await source.start();
  const listed = performance.now() - began;
  const tracker = new ServiceTracker({ source, node: { name: nodeName(0) } });
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  const peak = process.memoryUsage().rss;
  const results = [...tracker.services()];
  const endpoints = results.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  const after = memory();
  console.log(
    `cold start: ${source.services.size} services, ${source.endpointSlices.size} slices of ${ENDPOINTS} endpoints (${endpoints} selected here): ` +
      `listed in ${(listed / 1000).toFixed(2)} s, tracked in ${seconds.toFixed(2)} s, ` +
      `CPU ${((used.user + used.system) / 1e6).toFixed(2)} s, longest pause of the event loop ${turns().toFixed(0)} ms`,
  );
  console.log(
    `heap after gc: ${mb(bare.heap)} MB at first, +${mb(before.heap - bare.heap)} MB with the client loaded, ` +
      `+${mb(after.heap - before.heap)} MB with objects and results; ` +
      `RSS ${mb(bare.rss)}, ${mb(before.rss)}, ${mb(after.rss)} MB, ${mb(peak)} MB at the end of the list`,
  );

  const times = await sliceChanges(tracker, send);
  console.log(
    `one changed slice, written at the server to told by the tracker: p50 ${times.p50} ms, p99 ${times.p99} ms`,
  );

  const relistBegan = performance.now();
  const relistCpu = process.cpuUsage();
  const told: unknown[] = [];
  source.endpointSlices.subscribe((event) => told.push(event));
  send({ do: 'restart' });
  await reply();
  const slices = () => source.status().find(({ kind }) => kind === 'EndpointSlice');
  while ((slices()?.lists ?? 0) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const relistUsed = process.cpuUsage(relistCpu);
  console.log(
    `server restarted, everything listed again in ${((performance.now() - relistBegan) / 1000).toFixed(2)} s, ` +
      `CPU ${((relistUsed.user + relistUsed.system) / 1e6).toFixed(2)} s, ${told.length} changes told; ` +
      `heap after gc ${mb(memory().heap - after.heap)} MB more than before`,
  );
  tracker.close();
  await source.stop();
}

/** The server's process runs on the same machine, so both clocks are one; the message to it is part of the time. */
async function sliceChanges(tracker: ServiceTracker, send: (command: Command) => void) {
  const times: number[] = [];
  for (let i = 0; i < CHANGES + WARM_UP; i++) {
    const changed = new Promise<void>((resolve) => {
      const unsubscribe = tracker.subscribe(() => {
        unsubscribe();
        resolve();
      });
    });
    const began = performance.now();
    send({ do: 'change', service: (i * 7919) % SERVICES, round: 1 + (i % 96) });
    await changed;
    if (i >= WARM_UP) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  return { p50: at(0.5), p99: at(0.99) };
}

function memory(): { readonly heap: number; readonly rss: number } {
  global.gc?.();
  global.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** Starts to measure for how long other work has to wait at most. */
function longestTurn(): () => number {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

await (process.env.FAKE_API_SERVER === '1' ? serve() : measure());
