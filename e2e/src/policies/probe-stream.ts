import type { TestPod } from '@infra-offload/testbed';
import type { PolicyCluster } from './cluster.js';

const PERIOD_MS = 4;

/** Opens a new connection every few milliseconds, of which nobody answers, from one pod to one address. */
export class ProbeStream {
  readonly #cluster: PolicyCluster;
  readonly #from: TestPod;
  readonly #to: { readonly address: string; readonly protocol: number; readonly port: number };
  readonly #sent: number[] = [];
  #ended = false;
  readonly #run: Promise<void>;

  constructor(
    cluster: PolicyCluster,
    from: TestPod,
    to: { readonly address: string; readonly protocol: number; readonly port: number },
  ) {
    this.#cluster = cluster;
    this.#from = from;
    this.#to = to;
    this.#run = this.#send();
    // It is for `end` to tell.
    this.#run.catch(() => undefined);
  }

  /** Numbers of the probes so far. */
  get sent(): readonly number[] {
    return this.#sent;
  }

  /** Stops, and answers with the numbers of all probes. */
  async end(): Promise<readonly number[]> {
    this.#ended = true;
    await this.#run;
    return this.#sent;
  }

  async #send(): Promise<void> {
    const { address, protocol, port } = this.#to;
    while (!this.#ended) {
      const probe = this.#cluster.probe(address, protocol, port);
      this.#sent.push(probe.id);
      await this.#from.process.probe([probe]);
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }
}
