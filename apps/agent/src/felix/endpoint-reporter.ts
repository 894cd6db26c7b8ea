import type { KnownEndpoint, WorkloadEndpointId } from '@infra-offload/felix';
import { Guard } from '@infra-offload/guard';
import type { FelixConnection } from './felix-connection.js';

export type EndpointStatus = 'up' | 'down' | 'error';

export interface EndpointReporterOptions {
  readonly connection: FelixConnection;
  /** undefined while that cannot be said. */
  readonly statusOf: (endpoint: KnownEndpoint) => EndpointStatus | undefined;
  /** Whether everything is in force that came before Felix was in sync. */
  readonly isInForce: () => boolean;
}

/** How often statuses are looked at; there are no more of them than pods on a node. */
const LOOK_MS = 500;

/** Felix's default for `ReportingIntervalSecs`. */
const DEFAULT_REPORTING_SECONDS = 30;

/** Tells Felix on one connection how its endpoints are, when that changes, and now and then that the agent lives. */
export class EndpointReporter {
  readonly #options: EndpointReporterOptions;
  readonly #told = new Map<string, { readonly id: WorkloadEndpointId; readonly status: EndpointStatus }>();
  readonly #timer: NodeJS.Timeout;
  #lastProcessStatus = Number.NEGATIVE_INFINITY;
  #hasToldInSync = false;

  constructor(options: EndpointReporterOptions) {
    this.#options = options;
    const guard = new Guard((error) => options.connection.fault(error));
    this.#timer = setInterval(
      guard.handler(() => this.look()),
      LOOK_MS,
    );
    guard.run(() => this.look());
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Tells what is due. */
  look(): void {
    this.#tellProcess();
    this.#tellEndpoints();
    this.#tellInSync();
  }

  #tellProcess(): void {
    const { connection } = this.#options;
    const { config, isInSync } = connection.state;
    // Its configuration is the first that it says.
    if (config.ReportingIntervalSecs === undefined && !isInSync) return;
    const seconds = Number(config.ReportingIntervalSecs ?? DEFAULT_REPORTING_SECONDS);
    // 0 turns it off; what is no number counts as the default.
    const intervalMs = (Number.isFinite(seconds) ? seconds : DEFAULT_REPORTING_SECONDS) * 1000;
    const now = performance.now();
    if (intervalMs <= 0 || now - this.#lastProcessStatus < intervalMs) return;
    const isSent = connection.send({ type: 'processStatus', time: new Date(), uptime: process.uptime() });
    if (isSent) this.#lastProcessStatus = now;
  }

  #tellEndpoints(): void {
    const { connection, statusOf } = this.#options;
    if (!connection.state.isInSync) return;
    const there = new Set<string>();
    for (const endpoint of connection.state.endpoints()) {
      const { id } = endpoint;
      const key = JSON.stringify(id);
      there.add(key);
      const status = statusOf(endpoint);
      if (status === undefined || this.#told.get(key)?.status === status) continue;
      if (!connection.send({ type: 'workloadEndpointStatus', id, status })) return;
      this.#told.set(key, { id, status });
    }
    for (const [key, { id }] of this.#told) {
      if (there.has(key)) continue;
      if (!connection.send({ type: 'workloadEndpointStatusRemove', id })) return;
      this.#told.delete(key);
    }
  }

  #tellInSync(): void {
    const { connection, isInForce } = this.#options;
    // Older ones do not know this message.
    if (this.#hasToldInSync || !connection.usesPolicyIds || !connection.state.isInSync || !isInForce())
      return;
    this.#hasToldInSync = connection.send({ type: 'inSync' });
  }
}
