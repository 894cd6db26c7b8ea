import { ObjectState } from '@infra-offload/infra-api';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PodInterfaces } from './interfaces/pod-interfaces.js';
import { kindName, type StatusBook } from './sync/status-book.js';
import type { SyncClient } from './sync/sync-client.js';

/** What the gauges look at when they are asked. */
export interface MetricsSources {
  readonly interfaces: PodInterfaces;
  readonly sync: SyncClient;
  readonly statuses: StatusBook;
  readonly wantedObjects: () => number;
  /** Since when the Kubernetes API has not been serving the agent; undefined if it is. */
  readonly apiOutage: () => { readonly since: Date } | undefined;
  /** Undefined without TLS to the manager. */
  readonly certificates: () => { readonly notAfter: Date } | undefined;
  /** Absent without a source of services. */
  readonly sourceProblems: () => { readonly origin: 'api' | 'manifests'; readonly count: number } | undefined;
}

/** What the agent counts and measures, for Prometheus. */
export class AgentMetrics {
  readonly registry = new Registry();
  readonly #requests = new Histogram({
    name: 'infra_agent_cni_request_duration_seconds',
    help: 'Requests of infra-cni by operation and CNI error code; code 0 is success',
    labelNames: ['operation', 'code'] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });
  readonly #applied = new Histogram({
    name: 'infra_agent_sync_apply_duration_seconds',
    help: 'Time from sending a Sync message until the manager has applied it',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10],
    registers: [this.registry],
  });
  readonly #rules = new Histogram({
    name: 'kubeproxy_sync_proxy_rules_duration_seconds',
    help: 'One round of programming: from sending a Sync message until the manager has applied it',
    buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
    registers: [this.registry],
  });
  readonly #streamEnds = new Counter({
    name: 'infra_agent_sync_stream_ends_total',
    help: 'Sync streams that have ended, or could not be opened',
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  readonly onRequest = (operation: string, code: number, seconds: number): void => {
    this.#requests.observe({ operation, code }, seconds);
  };

  readonly onApplied = (seconds: number): void => {
    this.#applied.observe(seconds);
    this.#rules.observe(seconds);
  };

  readonly onStreamEnd = (): void => {
    this.#streamEnds.inc();
  };

  /** Adds the gauges. To be called once. */
  observe(sources: MetricsSources): void {
    const registers = [this.registry];
    new Gauge({
      name: 'infra_agent_sync_up',
      help: '1 if the manager has the state of the node and follows its changes',
      registers,
      collect() {
        this.set(sources.sync.state.kind === 'synchronised' ? 1 : 0);
      },
    });
    new Gauge({
      name: 'infra_agent_manager_away_seconds',
      help: 'How long the manager has not been following the state of the node; 0 if it is',
      registers,
      collect() {
        this.set(secondsSince(sources.sync.awaySince));
      },
    });
    new Gauge({
      name: 'infra_agent_kubernetes_api_away_seconds',
      help: 'How long requests to the Kubernetes API have failed; 0 if they do not',
      registers,
      collect() {
        this.set(secondsSince(sources.apiOutage()?.since));
      },
    });
    new Gauge({
      name: 'infra_agent_certificates_end_timestamp_seconds',
      help: 'When the first of the certificates in use for the manager expires; absent without TLS',
      registers,
      collect() {
        const end = sources.certificates()?.notAfter;
        this.remove();
        if (end !== undefined) this.set(end.getTime() / 1000);
      },
    });
    new Gauge({
      name: 'infra_agent_wanted_objects',
      help: 'Objects that the node wants from its data plane',
      registers,
      collect() {
        this.set(sources.wantedObjects());
      },
    });
    new Gauge({
      name: 'infra_agent_object_status',
      help: 'Objects by the state that the manager last reported; that an object is programmed may go unreported',
      labelNames: ['kind', 'state'] as const,
      registers,
      collect() {
        this.reset();
        for (const { object, state } of sources.statuses.values()) {
          if (object !== undefined) this.inc({ kind: kindName(object.kind), state: stateName(state) });
        }
      },
    });
    new Gauge({
      name: 'infra_agent_pool_interfaces',
      help: 'Pod interfaces of the target, by whether they are free or taken',
      labelNames: ['state'] as const,
      registers,
      async collect() {
        const { free, taken } = await sources.interfaces.usage();
        this.set({ state: 'free' }, free);
        this.set({ state: 'taken' }, taken);
      },
    });
    new Gauge({
      name: 'infra_agent_source_problems',
      help: 'Problems of the Kubernetes API or of the manifests directory, as logged',
      labelNames: ['source'] as const,
      registers,
      collect() {
        const problems = sources.sourceProblems();
        if (problems !== undefined) this.set({ source: problems.origin }, problems.count);
      },
    });
  }
}

function secondsSince(date: Date | undefined): number {
  return date === undefined ? 0 : Math.max(0, (Date.now() - date.getTime()) / 1000);
}

function stateName(state: ObjectState): string {
  switch (state) {
    case ObjectState.OBJECT_STATE_PENDING:
      return 'pending';
    case ObjectState.OBJECT_STATE_PROGRAMMED:
      return 'programmed';
    case ObjectState.OBJECT_STATE_DEGRADED:
      return 'degraded';
    default:
      return 'unspecified';
  }
}
