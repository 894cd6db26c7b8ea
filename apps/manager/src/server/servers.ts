import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { statusLimits, stopServer } from '@infra-offload/grpc';
import { infra, OffloadService as OffloadDefinition } from '@infra-offload/infra-api';
import { type Lifecycle, ServiceError } from '@infra-offload/service';
import { type Listener, listen, SERVER_OPTIONS, type ServerSecurity } from '@infra-offload/tls-certs/grpc';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from '../log.js';

/** Largest message of the agent: a snapshot of thousands of services may come in one. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const OPTIONS = { ...SERVER_OPTIONS, interceptors: [statusLimits] };
/** How long calls may take to end when the manager stops. */
const STOP_GRACE_MS = 1_000;
const HEALTH_NAMES = ['', 'infra_offload.v1.Offload', 'infra.InfraAgent'];

/** grpc.health.v1 of all services: they serve, or do not, together. */
export class Health {
  readonly #implementation = new HealthImplementation(
    Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])),
  );

  set(isServing: boolean): void {
    for (const name of HEALTH_NAMES) {
      this.#implementation.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
    }
  }

  addTo(server: Server): void {
    this.#implementation.addToServer(server);
  }
}

export interface ServersOptions {
  readonly address: string;
  readonly security: ServerSecurity;
  /** What agents may call, and what operators may. */
  readonly offload: {
    readonly agents: UntypedServiceImplementation;
    readonly operators: UntypedServiceImplementation;
  };
  readonly infraAgent: UntypedServiceImplementation;
  readonly health: Health;
  /** Ends the streams of the agents. */
  readonly endStreams: () => void;
  readonly logger: Logger;
}

/**
 * Serves agents and operators on one port.
 *
 * @throws ServiceError CONFIG if the address cannot be listened on
 */
export async function startServers(lifecycle: Lifecycle, options: ServersOptions): Promise<Listener> {
  const { address, security, offload, infraAgent, health, endStreams, logger } = options;
  const agents = new Server({ ...OPTIONS, 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  const operators = new Server(OPTIONS);
  agents.addService(OffloadDefinition as ServiceDefinition, offload.agents);
  agents.addService(infra.InfraAgentService as ServiceDefinition, infraAgent);
  operators.addService(OffloadDefinition as ServiceDefinition, offload.operators);
  for (const server of [agents, operators]) health.addTo(server);
  lifecycle.add(() => Promise.all([agents, operators].map((server) => stopServer(server, STOP_GRACE_MS))));
  lifecycle.add(endStreams);
  try {
    const clients = { agent: agents, operator: operators };
    const listener = await listen({ address, server: agents, clients, security, logger });
    lifecycle.add(() => listener.close());
    return listener;
  } catch (error) {
    const message = `listen: cannot listen on ${address}: ${reasonOf(error)}`;
    throw new ServiceError('CONFIG', message, { cause: error });
  }
}

/** What the system said, without grpc-js's words around it. */
function reasonOf(error: unknown): string {
  return /\[(.*)\]/.exec(messageOf(error))?.[1] ?? messageOf(error);
}
