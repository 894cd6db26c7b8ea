import { formatIPv4, POD_GATEWAY } from '@infra-offload/net';
import type { NetworkNamespace } from '@infra-offload/testbed';
import { type Actor, POD_NAMES, type PodName, type Policy } from './scenario.js';
import { PodSockets } from './sockets/pod-sockets.js';
import type { Protocol, SocketCommand, SocketEvent } from './sockets/protocol.js';

/** What every pod, the node and the machine outside serve; at `UNSERVED` there is nobody. */
export const SERVED = { tcp: 8080, udp: 8081, sctp: 8082 } as const;
export const UNSERVED = 9;
/** Of the service, by protocol. Other ports of its address are nobody's. */
export const SERVICE_PORT = { tcp: 80, udp: 81, sctp: SERVED.sctp } as const;
export const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

export const NODE_ADDRESS = '172.31.255.1';
export const GATEWAY = formatIPv4(POD_GATEWAY);
export const OUTSIDE = { address: '192.0.2.2', gateway: '192.0.2.1' } as const;
export const POD_CIDR = '10.244.0.0/24';
export const SERVICE_CIDR = '10.96.0.0/16';

export function serviceAddress(lane: number): string {
  return `10.96.1.${lane + 1}`;
}

/** What a socket saw, and whose it is. */
export type WorldEvent = SocketEvent & { readonly actor: Actor };

/**
 * Pods, a service and policies, of one scenario at a time: one of several lanes of a world, which notice nothing of each
 * other. What a method changes is in force when it resolves.
 */
export interface Lane {
  readonly service: string;
  readonly sockets: Sockets;
  address(actor: Actor): string;
  setEndpoints(pods: readonly PodName[]): Promise<void>;
  setPolicies(policies: readonly Policy[], change: 'cut' | 'keep'): Promise<void>;
  replace(pod: PodName): Promise<void>;
}

/** Whose address it is; undefined if no pod of the lane has it. */
export function podAt(lane: Pick<Lane, 'address'>, address: string): PodName | undefined {
  return POD_NAMES.find((pod) => lane.address(pod) === address);
}

/** Where scenarios are played. */
export interface World {
  readonly name: string;
  readonly lanes: readonly Lane[];
  stop(): Promise<void>;
}

/** Waits for all, and throws if one of them failed: so that nothing is begun any more when whoever waits cleans up. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const done of await Promise.allSettled(work)) if (done.status === 'rejected') throw done.reason;
}

/** Sockets behave the same in all worlds, and the ports of connections that are over are free at once. */
const SYSCTLS = [
  'net.ipv4.tcp_max_tw_buckets=0',
  'net.ipv4.tcp_fin_timeout=120',
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv4.icmp_ratelimit=0',
];

/** Processes with sockets, by who they are. */
export class Sockets {
  readonly #processes = new Map<Actor, PodSockets>();
  #listener: (event: WorldEvent) => void = () => undefined;

  /** Has a listener hear what they see from now on, instead of who heard it before. */
  listen(listener: (event: WorldEvent) => void): void {
    this.#listener = listener;
  }

  /** Starts the process of an actor, which then serves. */
  async start(actor: Actor, namespace: NetworkNamespace): Promise<void> {
    await namespace.must('sysctl', ['-q', ...SYSCTLS]);
    const sockets = new PodSockets(namespace, (event) => this.#listener({ ...event, actor }));
    this.#processes.set(actor, sockets);
    for (const protocol of PROTOCOLS)
      await sockets.command({ kind: 'listen', protocol, port: SERVED[protocol] });
  }

  command(actor: Actor, command: SocketCommand): Promise<void> {
    const sockets = this.#processes.get(actor);
    return sockets ? sockets.command(command) : Promise.reject(new Error(`there is no ${actor}`));
  }

  async stop(actor: Actor): Promise<void> {
    await this.#processes.get(actor)?.stop();
    this.#processes.delete(actor);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((actor) => this.stop(actor)));
  }
}
