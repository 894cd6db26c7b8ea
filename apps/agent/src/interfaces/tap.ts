import type { Exhaustion, InterfacePool, PoolMember } from './interface-pool.js';
import { IpRoute } from './iproute.js';

/** The TAP of this number leads to the node's own kernel: HOST_PORT of the pipeline. */
const HOST_NUMBER = 0;

/**
 * TAP interfaces that the target has made in the agent's network namespace, named by a prefix and a number. Number 0
 * leads to the node's own kernel, and one may be the uplink; the others are the pool for pods.
 */
export class TapPool implements InterfacePool {
  readonly hostInterfaceLabel: string;
  readonly #prefix: string;
  readonly #uplink: string | undefined;
  readonly #host = new IpRoute();

  constructor(prefix: string, uplink?: string) {
    this.#prefix = prefix;
    this.#uplink = uplink;
    this.hostInterfaceLabel = `interface ${prefix}${HOST_NUMBER}`;
  }

  /** By number: P4TAP_2 before P4TAP_10. */
  async members(): Promise<readonly PoolMember[]> {
    const numbered = (await this.#host.links()).flatMap(({ ifname, address }) => {
      if (!this.mayHave(ifname) || address === undefined) return [];
      return [{ member: { name: ifname, mac: address }, number: Number(ifname.slice(this.#prefix.length)) }];
    });
    return numbered.sort((a, b) => a.number - b.number).map(({ member }) => member);
  }

  mayHave(interfaceName: string): boolean {
    const suffix = interfaceName.startsWith(this.#prefix) ? interfaceName.slice(this.#prefix.length) : '';
    return /^[1-9][0-9]*$/.test(suffix) && interfaceName !== this.#uplink;
  }

  async explainExhaustion(): Promise<Exhaustion> {
    return {
      reason: `none of ${this.#prefix}1, ${this.#prefix}2, … is left`,
      advice: 'delete pods, or have the target create more TAP ports',
    };
  }

  async hostInterface(): Promise<string> {
    return `${this.#prefix}${HOST_NUMBER}`;
  }
}
