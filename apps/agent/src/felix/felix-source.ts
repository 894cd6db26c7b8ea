import type { Socket } from 'node:net';
import type { Dialect, KnownEndpoint } from '@infra-offload/felix';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { PodPolicies } from '../policies/pod-policies.js';
import type { SyncProgress } from '../sync/progress.js';
import type { StatusBook } from '../sync/status-book.js';
import { keyOf, type WantedState } from '../sync/wanted-state.js';
import { EndpointReporter, type EndpointStatus } from './endpoint-reporter.js';
import { FelixConnection } from './felix-connection.js';
import { FelixFeed, isolationReference } from './felix-feed.js';
import { FelixServer } from './felix-server.js';

export interface FelixSourceOptions {
  readonly socket: string;
  readonly dialect: Dialect;
  readonly wanted: WantedState;
  readonly progress: SyncProgress;
  readonly statuses: StatusBook;
  readonly registry: Registry;
  readonly logger: Logger;
  /** Called once, when Felix has said everything for the first time. */
  readonly onSynced: () => void;
}

/** Changes are taken over at once, but in a burst no more than this part of the time is spent on that. */
const MAX_SHARE = 0.2;

/**
 * Policies from Felix. One connection at a time: a new one takes the place of the older, begins with nothing, and is in force
 * as soon as it has said everything; until then the policies of the older one are.
 */
export class FelixSource {
  readonly #options: FelixSourceOptions;
  readonly #feed: FelixFeed;
  readonly #messages: Counter<'type'>;
  readonly #connections: Counter;
  #server: FelixServer | undefined;
  #connection: FelixConnection | undefined;
  #reporter: EndpointReporter | undefined;
  /** Whether the connection is in force. */
  #isAdopted = false;
  #update: NodeJS.Timeout | undefined;
  #nextUpdateAt = 0;

  constructor(options: FelixSourceOptions) {
    this.#options = options;
    this.#feed = new FelixFeed(options.wanted);
    const registers = [options.registry];
    this.#messages = new Counter({
      name: 'infra_agent_felix_messages_total',
      help: 'Messages from Felix by type; "unknown" are those of a newer version, which are ignored',
      labelNames: ['type'] as const,
      registers,
    });
    this.#connections = new Counter({
      name: 'infra_agent_felix_connections_total',
      help: 'Connections that Felix has made',
      registers,
    });
    const isInSync = () => this.#isAdopted;
    new Gauge({
      name: 'infra_agent_felix_in_sync',
      help: '1 if the policies in force come from a connected Felix',
      registers,
      collect() {
        this.set(isInSync() ? 1 : 0);
      },
    });
  }

  /** @throws AgentError SOCKET if the socket cannot be served. */
  async start(): Promise<void> {
    this.#server = await FelixServer.start(this.#options.socket, (socket) => this.#onSocket(socket));
  }

  async stop(): Promise<void> {
    const stopped = this.#server?.stop();
    this.#connection?.close('infra-agent ends');
    await stopped;
  }

  /** Whether policies are known, be Felix connected now or not. */
  get isKnown(): boolean {
    return this.#feed.isKnown;
  }

  /** Why policies are not known yet; undefined if they are. */
  whyNotSynced(): string | undefined {
    if (this.#feed.isKnown) return undefined;
    const { socket } = this.#options;
    return this.#connection === undefined
      ? `policies are not known yet: Felix has not connected to ${socket}`
      : 'policies are not known yet: Felix has not sent all of them';
  }

  /** What pods are admitted by. */
  get policies(): PodPolicies {
    return this.#feed;
  }

  #onSocket(socket: Socket): void {
    const { dialect, logger } = this.#options;
    this.#connections.inc();
    this.#connection?.close('Felix has connected again');
    logger.info({ socket: this.#options.socket }, 'Felix has connected');
    this.#isAdopted = false;
    const connection = new FelixConnection({
      socket,
      dialect,
      logger,
      onMessage: (type) => this.#messages.inc({ type }),
      onChange: () => this.#schedule(),
      onEnd: (ended) => this.#onEnd(ended),
    });
    this.#connection = connection;
    this.#reporter = new EndpointReporter({
      connection,
      statusOf: (endpoint) => this.#statusOf(endpoint),
      isInForce: () => this.#isAdopted && this.#options.progress.pendingSince === undefined,
    });
  }

  #onEnd(connection: FelixConnection): void {
    if (connection !== this.#connection) return;
    clearTimeout(this.#update);
    this.#update = undefined;
    // What it has said last counts, too.
    if (this.#isAdopted) this.#feed.update();
    this.#reporter?.stop();
    this.#reporter = undefined;
    this.#connection = undefined;
    this.#isAdopted = false;
  }

  #schedule(): void {
    if (this.#update !== undefined || this.#connection?.state.isInSync !== true) return;
    const delayMs = Math.max(0, this.#nextUpdateAt - performance.now());
    const guard = new Guard((error) => this.#connection?.fault(error));
    this.#update = setTimeout(
      guard.handler(() => {
        this.#update = undefined;
        this.#takeOver();
      }),
      delayMs,
    );
  }

  #takeOver(): void {
    const connection = this.#connection;
    if (connection?.state.isInSync !== true) return;
    const start = performance.now();
    if (this.#isAdopted) {
      this.#feed.update();
    } else {
      const isFirst = !this.#feed.isKnown;
      this.#feed.adopt(connection.state);
      this.#isAdopted = true;
      this.#options.logger.info('Felix is in sync: its policies are in force');
      if (isFirst) this.#options.onSynced();
    }
    const end = performance.now();
    this.#nextUpdateAt = end + (end - start) * (1 / MAX_SHARE - 1);
  }

  #statusOf({ pod, endpoint }: KnownEndpoint): EndpointStatus | undefined {
    const { progress, statuses } = this.#options;
    if (pod === undefined || endpoint.state !== 'active') return 'down';
    const isolation = isolationReference(pod);
    if (!this.#isAdopted || !this.#feed.isAttached(isolation)) return 'down';
    const key = keyOf(isolation);
    if (progress.isPending(key)) return undefined;
    return statuses.isDegraded(key) ? 'error' : 'up';
  }
}
