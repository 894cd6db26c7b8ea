import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { statusLimits, stopServer } from '@infra-offload/grpc';
import { gnmi } from '@infra-offload/p4rt/proto';
import type { Trace } from '@infra-offload/swx';
import { type Listener, listen, SERVER_OPTIONS, type ServerSecurity } from '@infra-offload/tls-certs/grpc';
import type { Dataplane } from './dataplane/dataplane.js';
import { LocalEngine } from './dataplane/host/engine/local.js';
import { HostDataplane } from './dataplane/host/host-dataplane.js';
import { fail, SoftswitchError } from './errors.js';
import { gnmiService } from './gnmi/service.js';
import type { Logger } from './logger.js';
import { Device } from './p4runtime/device.js';
import { P4RUNTIME, p4runtimeService } from './p4runtime/service.js';
import { MemoryPorts } from './ports/memory.js';
import type { PortProvider } from './ports/provider.js';

/**
 * Largest request: a P4Info, a device config or a batch of updates is far smaller. What a request is decoded to may take
 * a hundred times as much.
 */
const MAX_REQUEST_BYTES = 16 << 20;
/** How long open calls may go on when the switch stops. */
const STOP_GRACE_MS = 250;

export interface SoftswitchOptions {
  /** `host:port` of the P4Runtime service; port 0 takes a free one. Default `127.0.0.1:9559`. */
  readonly p4runtimeAddress?: string;
  /** `host:port` of the gNMI service. Default `127.0.0.1:9339`. */
  readonly gnmiAddress?: string;
  /** The P4Runtime device id, not 0. Default 1. */
  readonly deviceId?: bigint | number;
  /** Default: in-memory ports, of which there are none yet. They are stopped with the switch. */
  readonly ports?: PortProvider;
  /** Default: the engine in this process, which ends with it. */
  readonly dataplane?: Dataplane;
  /**
   * How both services are protected. With mutual TLS they are for clients whose certificate is that of a controller.
   * Default: insecure, which is plain text.
   */
  readonly security?: ServerSecurity;
  readonly logger?: Logger;
}

/** A P4Runtime and gNMI target that runs SWX pipelines over its ports. */
export class Softswitch {
  readonly #dataplane: Dataplane;
  readonly #servers: readonly Server[];
  readonly #listeners: readonly Listener[];

  private constructor(
    /** Where the P4Runtime service listens, with the port that was really taken. */
    readonly p4runtimeAddress: string,
    /** Where the gNMI service listens. */
    readonly gnmiAddress: string,
    readonly ports: PortProvider,
    dataplane: Dataplane,
    servers: readonly Server[],
    listeners: readonly Listener[],
  ) {
    this.#dataplane = dataplane;
    this.#servers = servers;
    this.#listeners = listeners;
  }

  /**
   * Starts both services and the ports; a data plane that runs already is gone on with first. UNAVAILABLE if an address cannot be listened on, INVALID_ARGUMENT for options
   * that make no sense; the ports are stopped then.
   */
  static async start(options: SoftswitchOptions = {}): Promise<Softswitch> {
    const { logger, ports = new MemoryPorts(), security = { mode: 'insecure' } } = options;
    const logged = logger === undefined ? {} : { logger };
    const dataplane = options.dataplane ?? new HostDataplane(ports, new LocalEngine(logged), logged);
    const servers: Server[] = [];
    const listeners: Listener[] = [];
    try {
      const device = new Device(deviceIdOf(options.deviceId ?? 1), dataplane, logger);
      await device.resume();
      const serve = async (
        service: Parameters<Server['addService']>[0],
        handlers: UntypedServiceImplementation,
        address: string,
      ): Promise<string> => {
        const server = new Server({
          ...SERVER_OPTIONS,
          'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
          'grpc.max_send_message_length': -1,
          interceptors: [statusLimits],
        });
        server.addService(service, handlers);
        servers.push(server);
        const listener = await bind(server, address, security, logger);
        listeners.push(listener);
        return listener.address;
      };
      const p4runtime = await serve(
        P4RUNTIME,
        { ...p4runtimeService(device, logger) },
        options.p4runtimeAddress ?? '127.0.0.1:9559',
      );
      const management = await serve(
        gnmi.gNMIService,
        { ...gnmiService(ports, logger) },
        options.gnmiAddress ?? '127.0.0.1:9339',
      );
      await ports.start(dataplane.receive);
      return new Softswitch(p4runtime, management, ports, dataplane, servers, listeners);
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()));
      for (const server of servers) server.forceShutdown();
      await ports.stop();
      // What ran before goes on without this.
      await dataplane.leave();
      throw error;
    }
  }

  /** Runs a packet through the pipeline for real and tells every step. FAILED_PRECONDITION without a pipeline. */
  trace(port: number, packet: Uint8Array): Trace {
    return this.#dataplane.trace(port, packet);
  }

  /**
   * Ends both services, and the data plane with the ports, unless that is to run on by itself: then the next switch with its
   * run directory goes on with it. May be called twice.
   */
  async stop({ keepDataplane = false }: { readonly keepDataplane?: boolean } = {}): Promise<void> {
    await this.ports.stop();
    await (keepDataplane ? this.#dataplane.leave() : this.#dataplane.stop());
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await Promise.all(this.#servers.map((server) => stopServer(server, STOP_GRACE_MS)));
  }
}

function deviceIdOf(id: bigint | number): bigint {
  if (typeof id === 'number' && !Number.isSafeInteger(id))
    fail('INVALID_ARGUMENT', `device id ${id} is not an integer`);
  const value = BigInt(id);
  if (value < 1n || value >= 1n << 64n) fail('INVALID_ARGUMENT', `device id ${value} is not in 1..2^64-1`);
  return value;
}

async function bind(
  server: Server,
  address: string,
  security: ServerSecurity,
  logger: Logger | undefined,
): Promise<Listener> {
  try {
    const clients = { controller: server };
    return await listen({ address, server, clients, security, ...(logger !== undefined && { logger }) });
  } catch (error) {
    const reason = /E[A-Z]{4,}/.exec(messageOf(error))?.[0];
    const why = reason === 'EADDRINUSE' ? 'the address is in use (another softswitch?)' : messageOf(error);
    throw new SoftswitchError('UNAVAILABLE', `cannot listen on ${address}: ${why}`, { cause: error });
  }
}
