import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type AddReply,
  type AddRequest,
  CniDataplaneService,
  type DelReply,
  type DelRequest,
} from '@infra-offload/cni-types/proto';
import { statusLimits } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { AgentError, messageOf } from '../errors.js';
import type { Attacher } from './attacher.js';
import { CalicoDataplane, type CalicoOutcome } from './calico-dataplane.js';
import { removeStaleSocket } from './unix-socket.js';

export interface CalicoServerOptions {
  /** `host:port`, or `unix:///path`. */
  readonly listen: string;
  readonly logger: Logger;
  /** Called after each call: code 0 is success, else the CNI error code. */
  readonly onRequest?: (operation: string, code: number, seconds: number) => void;
}

/** Of which health tells: the server as a whole, and the one service. */
const healthNames = ['', 'cni.CniDataplane'];

/** More than any call takes. */
const stopLimitMs = 30_000;

/** Serves Calico's CNI plugin, `cni.CniDataplane`, and grpc.health.v1. */
export class CalicoServer {
  readonly #options: CalicoServerOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation(
    Object.fromEntries(healthNames.map((name) => [name, 'NOT_SERVING'])),
  );
  #dataplane: CalicoDataplane | undefined;
  #address = '';

  private constructor(options: CalicoServerOptions) {
    this.#options = options;
    // Calico's plugin is a new process for each pod, so connections need not last.
    this.#server = new Server({
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
    const { listen } = options;
    const server = new CalicoServer(options);
    try {
      const path = /^unix:(?:\/\/)?(\/.*)$/.exec(listen)?.[1];
      if (path !== undefined) {
        await mkdir(dirname(path), { recursive: true, mode: 0o755 });
        await removeStaleSocket(path, 'calico.listen');
      }
      const port = await server.#bind();
      if (path !== undefined) await chmod(path, 0o600);
      server.#address = path === undefined ? listen.replace(/:[0-9]+$/, `:${port}`) : listen;
    } catch (cause) {
      server.#server.forceShutdown();
      if (AgentError.is(cause)) throw cause;
      throw new AgentError('SOCKET', `calico.listen ${listen}: ${messageOf(cause)}`, { cause });
    }
    return server;
  }

  /** Where it listens, as a gRPC client names it. */
  get address(): string {
    return this.#address;
  }

  /** Answers calls from now on; until then they fail with UNAVAILABLE. */
  serve(attacher: Attacher): void {
    this.#dataplane = new CalicoDataplane(attacher, this.#options.logger);
    for (const name of healthNames) this.#health.setStatus(name, 'SERVING');
  }

  /** Takes no new calls and waits for those that are running, but not for ever. */
  async stop(): Promise<void> {
    for (const name of healthNames) this.#health.setStatus(name, 'NOT_SERVING');
    const limit = setTimeout(() => this.#server.forceShutdown(), stopLimitMs);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(limit);
  }

  #bind(): Promise<number> {
    return new Promise((resolve, reject) => {
      // The socket is made within this call, so the mask holds for it alone.
      const umask = process.umask(0o177);
      try {
        this.#server.bindAsync(this.#options.listen, ServerCredentials.createInsecure(), (error, port) =>
          error === null ? resolve(port) : reject(error),
        );
      } finally {
        process.umask(umask);
      }
    });
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
