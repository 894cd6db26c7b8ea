import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { ApiSource, type ApiSourceOptions } from '../api/api-source.js';
import type { ApiReport } from '../api/problem.js';
import type { ApiTiming } from '../api/timing.js';
import type { ObjectKind } from '../objects/kinds.js';
import { FakeApiServer, type FakeApiServerOptions, type ObjectInput } from './index.js';

/** An API server and sources for tests, fast enough not to wait for. */

const FAST: ApiTiming = {
  answerMs: 2000,
  listSilenceMs: 2000,
  watchSeconds: 1,
  watchSilenceMs: 200,
  healthyMs: 50,
  absentMs: 50,
  refusalMs: 0,
  backoff: { initialMs: 5, maxMs: 20 },
};

export interface TestCluster {
  readonly server: FakeApiServer;
  readonly kubeconfig: string;
  readonly reports: ApiReport[];
  writeKubeconfig(user: Readonly<Record<string, unknown>>): void;
  source(resources: ApiSourceOptions['resources'], timing?: Partial<ApiTiming>): ApiSource;
  close(): Promise<void>;
}

export async function testCluster(options: FakeApiServerOptions = {}): Promise<TestCluster> {
  const server = await FakeApiServer.start({ bookmarkMs: 20, ...options });
  const directory = mkdtempSync(join(tmpdir(), 'k8s-watch-'));
  const kubeconfig = join(directory, 'kubeconfig');
  const reports: ApiReport[] = [];
  const sources: ApiSource[] = [];
  const writeKubeconfig: TestCluster['writeKubeconfig'] = (user) =>
    writeFileSync(kubeconfig, server.kubeconfig(user));
  writeKubeconfig({});
  return {
    server,
    kubeconfig,
    reports,
    writeKubeconfig,
    source: (resources, timing) => {
      const source = new ApiSource({
        access: { type: 'kubeconfig', path: kubeconfig },
        resources,
        timing: { ...FAST, ...timing },
        onReport: (report) => reports.push(report),
      });
      sources.push(source);
      return source;
    },
    close: async () => {
      await Promise.all(sources.map((source) => source.stop()));
      await server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** One that is closed when the test ends. */
export async function clusterOfTest(options?: FakeApiServerOptions): Promise<TestCluster> {
  const cluster = await testCluster(options);
  onTestFinished(() => cluster.close());
  return cluster;
}

/** A directory that is removed when the test ends. */
export function directoryOfTest(): string {
  const path = mkdtempSync(join(tmpdir(), 'k8s-watch-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

export async function eventually(holds: () => boolean, what: string, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(2);
  }
}

export function statusOf(source: ApiSource, kind: ObjectKind) {
  const status = source.status().find((one) => one.kind === kind);
  if (status === undefined) throw new Error(`${kind} is not watched`);
  return status;
}

export function serviceInput(name: string, port = 80, labels: Record<string, string> = {}): ObjectInput {
  return {
    kind: 'Service',
    metadata: { name, labels },
    spec: { clusterIP: '10.96.0.10', ports: [{ port, name: 'http' }] },
  };
}

export function sliceInput(name: string, service: string, ...addresses: readonly string[]): ObjectInput {
  return {
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: 'nöde-1' })),
  };
}
