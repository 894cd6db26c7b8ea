import { ObjectKind } from '@infra-offload/infra-api';
import type { LoadBalancedService, ObjectSource } from '@infra-offload/k8s-watch';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { SyncProgress } from '../sync/progress.js';
import { type ObjectKey, referenceOfKey } from '../sync/wanted-state.js';

export interface ProxyMetricsOptions {
  /** Must have synced: what it has by then is no change. */
  readonly source: ObjectSource;
  readonly progress: SyncProgress;
  readonly services: () => Iterable<LoadBalancedService>;
  /** Whether the manager could not program an object in full. */
  readonly isDegraded: (key: ObjectKey) => boolean;
  readonly registry: Registry;
  readonly now?: () => number;
}

/** Changes of one service on their way to the data plane. */
interface Changes {
  services: number;
  endpoints: number;
  /** When they happened in the cluster; milliseconds. */
  readonly triggers: number[];
  /** The wanted objects that they have changed. */
  readonly waiting: Set<ObjectKey>;
}

/** kube-proxy's buckets: fine up to a minute, since that is how long it may take there. */
const programmingBuckets = [0.25, 0.5, ...range(1, 59, 1), ...range(60, 115, 5), ...range(120, 300, 30)];

/** What kube-proxy measures, under its names, where it is the same here. */
export class ProxyMetrics {
  readonly #options: ProxyMetricsOptions;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #changes = new Map<string, Changes>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #programming: Histogram;
  readonly #totals: { readonly services: Counter; readonly endpoints: Counter };
  #isSweepDue = false;

  constructor(options: ProxyMetricsOptions) {
    const { source, progress, registry } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // The annotation has whole seconds at times.
    this.#startedAt = this.#now() - 1_000;
    const registers = [registry];
    this.#programming = new Histogram({
      name: 'kubeproxy_network_programming_duration_seconds',
      help: 'Time from the change of an endpoint in the cluster until the data plane has it',
      buckets: programmingBuckets,
      registers,
    });
    const total = (kind: string) =>
      new Counter({
        name: `kubeproxy_sync_proxy_rules_${kind}_changes_total`,
        help: `Changes of the ${kind} kind`,
        registers,
      });
    this.#totals = { services: total('service'), endpoints: total('endpoint') };
    this.#observe(registers);
    progress.listen({ changed: (key) => this.#changed(key), settled: (key) => this.#settled(key) });
    this.#unsubscribe = [
      source.services.subscribe(({ object }) => {
        this.#totals.services.inc();
        this.#of(`${object.namespace}/${object.name}`).services += 1;
      }),
      source.endpointSlices.subscribe((event) => {
        this.#totals.endpoints.inc();
        const { labels, namespace, lastChangeTime } = event.object;
        const name = labels['kubernetes.io/service-name'];
        if (name === undefined) return;
        const changes = this.#of(`${namespace}/${name}`);
        changes.endpoints += 1;
        if (event.type === 'removed' || lastChangeTime === undefined) return;
        // Some change it without a new time, and what is older than this process did not come about under it.
        const isKnown = event.type === 'updated' && event.previous.lastChangeTime === lastChangeTime;
        if (!isKnown && lastChangeTime >= this.#startedAt) changes.triggers.push(lastChangeTime);
      }),
    ];
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #of(service: string): Changes {
    let changes = this.#changes.get(service);
    if (changes === undefined) {
      changes = { services: 0, endpoints: 0, triggers: [], waiting: new Set() };
      this.#changes.set(service, changes);
    }
    this.#scheduleSweep();
    return changes;
  }

  /** What an object's change makes wanted is known at the end of the current run of code; if it is nothing, that was all. */
  #scheduleSweep(): void {
    if (this.#isSweepDue) return;
    this.#isSweepDue = true;
    setImmediate(() => {
      this.#isSweepDue = false;
      for (const [service, { waiting }] of this.#changes) {
        if (waiting.size === 0) this.#changes.delete(service);
      }
    });
  }

  #changed(key: ObjectKey): void {
    const service = serviceOfKey(key);
    if (service !== undefined) this.#changes.get(service)?.waiting.add(key);
  }

  #settled(key: ObjectKey): void {
    const service = serviceOfKey(key) ?? '';
    const changes = this.#changes.get(service);
    if (changes === undefined || !changes.waiting.delete(key) || changes.waiting.size > 0) return;
    this.#changes.delete(service);
    if (this.#options.isDegraded(key)) return;
    const now = this.#now();
    for (const trigger of changes.triggers) this.#programming.observe(Math.max(0, now - trigger) / 1000);
  }

  #observe(registers: Registry[]): void {
    const { progress, services } = this.#options;
    const gauge = (name: string, help: string, value: () => number | undefined) =>
      new Gauge({
        name: `kubeproxy_sync_proxy_rules_${name}`,
        help,
        registers,
        collect() {
          const now = value();
          if (now !== undefined) this.set(now);
        },
      });
    const seconds = (ms: number | undefined) => ms && ms / 1000;
    const pending = (kind: 'services' | 'endpoints') =>
      [...this.#changes.values()].reduce((sum, changes) => sum + changes[kind], 0);
    gauge('last_timestamp_seconds', 'When the data plane last applied changes', () =>
      seconds(progress.lastApplied),
    );
    gauge('last_queued_timestamp_seconds', 'When something last changed for the data plane', () =>
      seconds(progress.lastChanged),
    );
    gauge('service_changes_pending', 'Changes of services not applied yet', () => pending('services'));
    gauge('endpoint_changes_pending', 'Changes of EndpointSlices not applied yet', () =>
      pending('endpoints'),
    );
    new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Service ports with a traffic policy Local and no endpoint on this node, although others have some',
      labelNames: ['traffic_policy'] as const,
      registers,
      collect() {
        let [internal, external] = [0, 0];
        for (const service of services()) {
          if (service.emptyReason === 'NoLocalEndpoints') internal += 1;
          if (service.external?.emptyReason === 'NoLocalEndpoints') external += 1;
        }
        this.set({ traffic_policy: 'internal' }, internal);
        this.set({ traffic_policy: 'external' }, external);
      },
    });
  }
}

/** "namespace/name"; undefined for what is no service. */
function serviceOfKey(key: ObjectKey): string | undefined {
  const { kind, name } = referenceOfKey(key);
  return kind === ObjectKind.OBJECT_KIND_SERVICE ? name.split(':')[0] : undefined;
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}
