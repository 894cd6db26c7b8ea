import type { LoadBalancedService } from '@infra-offload/k8s-watch';

/** Given out from here down, so that node ports (30000 to 32767 unless an administrator has other ones) lie apart. */
const HIGHEST = 65_535;
const LOWEST = 33_000;

/**
 * The port of 169.254.1.1 at which clients outside of the data plane meet each service port that they can reach: its node
 * port or, for one without, a number that no other has. The kernel translates them to it; see kernel/ruleset.ts. It need not
 * last: connections that have begun with another number go on.
 */
export class GatewayPorts {
  /** By the tracker's keys. */
  readonly #ports = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next = HIGHEST;

  /** @returns undefined if nobody outside reaches it, or if there is no number left. */
  of({ key, frontends }: LoadBalancedService): number | undefined {
    const nodePort = frontends.find((frontend) => frontend.kind === 'NodePort')?.port;
    if (nodePort !== undefined) {
      this.release(key);
      return nodePort;
    }
    if (frontends.every(({ kind }) => kind === 'ClusterIP')) {
      this.release(key);
      return undefined;
    }
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const port = this.#free();
    if (port !== undefined) {
      this.#ports.set(key, port);
      this.#taken.add(port);
    }
    return port;
  }

  release(key: string): void {
    const port = this.#ports.get(key);
    if (port === undefined) return;
    this.#ports.delete(key);
    this.#taken.delete(port);
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
