import type { LoadBalancedService } from '@infra-offload/k8s-watch';

/** Given out from here down, so that node ports (30000 to 32767 unless an administrator has other ones) lie apart. */
const HIGHEST = 65_535;
const LOWEST = 33_000;

/** Ports of 169.254.1.1. */
export interface GatewayPort {
  /** For clients outside of the cluster: the node port or, without one, a number that no other has. */
  readonly outside: number;
  /** For clients on the node, if they are sent elsewhere: a number of its own. */
  readonly inside: number | undefined;
}

/**
 * Whether clients on the node are sent elsewhere than those outside. Those of SCTP never are, since the data plane cannot
 * translate its ports.
 */
export function isApart({ protocol, external }: LoadBalancedService): boolean {
  return external?.policy === 'Local' && protocol !== 'SCTP';
}

/**
 * The ports of 169.254.1.1 at which clients outside of the data plane meet each service port that they can reach. The kernel
 * translates them to it; see kernel/ruleset.ts. They need not last: connections that have begun with another number go on.
 */
export class GatewayPorts {
  /** By the tracker's keys and who they are for. */
  readonly #ports = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next = HIGHEST;

  /** @returns undefined if nobody outside reaches it, or if there is no number left. */
  of(service: LoadBalancedService): GatewayPort | undefined {
    const { key, frontends } = service;
    const nodePort = frontends.find((frontend) => frontend.kind === 'NodePort')?.port;
    const isReached = frontends.some(({ kind }) => kind !== 'ClusterIP');
    const outside = this.#keep(`${key} outside`, isReached && nodePort === undefined) ?? nodePort;
    const inside = this.#keep(`${key} inside`, isReached && isApart(service));
    return outside === undefined ? undefined : { outside, inside };
  }

  release(key: string): void {
    this.#keep(`${key} outside`, false);
    this.#keep(`${key} inside`, false);
  }

  /** The number of a name, which has one for as long as it is needed. */
  #keep(name: string, isNeeded: boolean): number | undefined {
    const known = this.#ports.get(name);
    if (isNeeded === (known !== undefined)) return known;
    if (known !== undefined) {
      this.#ports.delete(name);
      this.#taken.delete(known);
      return undefined;
    }
    const port = this.#free();
    if (port !== undefined) {
      this.#ports.set(name, port);
      this.#taken.add(port);
    }
    return port;
  }

  #free(): number | undefined {
    for (let tries = HIGHEST - LOWEST; tries >= 0; tries--) {
      const port = this.#next;
      this.#next = port === LOWEST ? HIGHEST : port - 1;
      if (!this.#taken.has(port)) return port;
    }
    return undefined;
  }
}
