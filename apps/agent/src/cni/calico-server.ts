import { Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import {
  type AddReply,
  type AddRequest,
  CniDataplaneService,
  type DelReply,
  type DelRequest,
} from '@infra-offload/cni-types/proto';
import { statusLimits } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import { type Listener, listen as listenWithin, SERVER_OPTIONS } from '@infra-offload/tls-certs/grpc';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { AgentError } from '../errors.js';
import { listenPrivately } from '../private-socket.js';
import type { Attacher } from './attacher.js';
import { CalicoDataplane, type CalicoOutcome } from './calico-dataplane.js';

export interface CalicoServerOptions {
  /** `unix:///path`, for root only; or `host:port`, for whoever can reach it. */
  readonly listen: string;
  readonly logger: Logger;
  /** Called after each call: code 0 is success, else the CNI error code. */
  readonly onRequest?: (operation: string, code: number, seconds: number) => void;
}

/** The path of an address that is a unix socket: `unix:///path` or, as gRPC takes it, too, `unix:/path`. */
const socketPathOf = (listen: string): string | undefined => /^unix:(?:\/\/)?(\/.*)$/.exec(listen)?.[1];

/** Why an address is an open door; undefined if it is none. */
export function exposureOf(listen: string): string | undefined {
  if (socketPathOf(listen) !== undefined) return undefined;
  return (
    `calico.listen is ${listen}: every process in the network namespace of the node can move interfaces of every pod there; ` +
    'a unix socket lets root only'
  );
}

/** Of which health tells: the server as a whole, and the one service. */
const HEALTH_NAMES = ['', 'cni.CniDataplane'];

/** More than any call takes. */
const STOP_LIMIT_MS = 30_000;

/** Serves Calico's CNI plugin, `cni.CniDataplane`, and grpc.health.v1. */
export class CalicoServer {
  readonly #options: CalicoServerOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation(
    Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])),
  );
  #dataplane: CalicoDataplane | undefined;
  #listener: Listener | undefined;

  private constructor(options: CalicoServerOptions) {
    this.#options = options;
    // Calico's plugin is a new process for each pod, so connections need not last.
    this.#server = new Server({
      ...SERVER_OPTIONS,
      'grpc.max_connection_age_ms': 10_000,
      'grpc.max_connection_age_grace_ms': 30_000,
      interceptors: [statusLimits],
    });
    this.#server.addService(CniDataplaneService, {
      add: this.#unary<AddRequest, AddReply>('calico-add', (dataplane, call) =>
        dataplane.add(call.request, () => call.cancelled),
      ),
      del: this.#unary<DelRequest, DelReply>('calico-del', (dataplane, call) => dataplane.del(call.request)),
    });
    this.#health.addToServer(this.#server);
  }

  /** @throws AgentError SOCKET if it cannot listen there. */
  static async start(options: CalicoServerOptions): Promise<CalicoServer> {
    const { listen, logger } = options;
    const server = new CalicoServer(options);
    const path = socketPathOf(listen);
    try {
      if (path === undefined) server.#listener = await server.#bind();
      else server.#listener = await listenPrivately(path, 'calico.listen', () => server.#bind());
    } catch (cause) {
      server.#server.forceShutdown();
      if (AgentError.is(cause)) throw cause;
      throw new AgentError('SOCKET', `calico.listen ${listen}: ${messageOf(cause)}`, { cause });
    }
    const exposure = exposureOf(listen);
    if (exposure !== undefined) logger.warn({ listen }, exposure);
    return server;
  }

  /** Where it listens, as a gRPC client names it. */
  get address(): string {
    return this.#listener?.address ?? '';
  }

  /** Answers calls from now on; until then they fail with UNAVAILABLE. */
  serve(attacher: Attacher): void {
    this.#dataplane = new CalicoDataplane(attacher, this.#options.logger);
    for (const name of HEALTH_NAMES) this.#health.setStatus(name, 'SERVING');
  }

  /** Takes no new calls and waits for those that are running, but not for ever. */
  async stop(): Promise<void> {
    for (const name of HEALTH_NAMES) this.#health.setStatus(name, 'NOT_SERVING');
    const limit = setTimeout(() => this.#server.forceShutdown(), STOP_LIMIT_MS);
    await this.#listener?.close();
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(limit);
  }

  #bind(): Promise<Listener> {
    const { listen: address, logger } = this.#options;
    const server = this.#server;
    return listenWithin({ address, server, clients: {}, security: { mode: 'insecure' }, logger });
  }

  #unary<Request, Reply>(
    operation: string,
    handle: (
      dataplane: CalicoDataplane,
      call: ServerUnaryCall<Request, Reply>,
    ) => Promise<CalicoOutcome<Reply>>,
  ) {
    return (call: ServerUnaryCall<Request, Reply>, callback: sendUnaryData<Reply>): void => {
      const dataplane = this.#dataplane;
      if (dataplane === undefined) {
        callback({ code: status.UNAVAILABLE, details: 'infra-agent is starting' });
        return;
      }
      const start = performance.now();
      const guard = new Guard((error) => {
        this.#options.logger.error({ operation, err: error }, 'internal error');
        callback({ code: status.INTERNAL, details: messageOf(error) });
      });
      guard.run(async () => {
        const { reply, code } = await handle(dataplane, call);
        this.#options.onRequest?.(operation, code, (performance.now() - start) / 1000);
        callback(null, reply);
      });
    };
  }
}
