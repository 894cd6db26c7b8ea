import { setTimeout } from 'node:timers/promises';
import type { Random } from '@infra-offload/faults';
import {
  addServers,
  applyService,
  eventually,
  NetworkNamespace,
  scaleService,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { expect } from 'vitest';
import { HTTP, WEB } from '../../web.js';
import { Census } from './census.js';

const SERVERS = ['web-1', 'web-2', 'web-3'];
/** Pods that come and go, at most. */
const GUESTS = 3;
const KEPT = 12;
/** Connections to an endpoint that leaves are to live for the whole test. */
const DRAIN_SECONDS = 3_600;
/** A runtime tries again for as long as this; faults take a second or two. */
const RETRY_MS = 60_000;

/** Everybody may reach the servers, but for the one port that nobody serves: it changes tables, and no connection. */
const POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    podSelector: {},
    policyTypes: ['Ingress'],
    ingress: [{ ports: [{ protocol: 'TCP', port: 8080 }] }],
  },
};

interface Guest {
  readonly containerId: string;
  readonly namespace: NetworkNamespace;
}

/**
 * A node on which everything happens at once: a service scales, pods come and go, a policy is switched on and off, and a
 * client keeps connections open that all of this must not break.
 */
export class BusyNode {
  readonly #client: TestPod;
  readonly #empty: Census;
  readonly #guests: Guest[] = [];
  readonly #kept = new Set<string>();
  #servers: TestPod[] = [];
  #names = 0;
  #isPolicyOn = false;
  #atRest: Census | undefined;

  private constructor(
    readonly bed: Testbed,
    client: TestPod,
    empty: Census,
  ) {
    this.#client = client;
    this.#empty = empty;
  }

  static async start(): Promise<BusyNode> {
    const bed = await Testbed.start({
      tapCount: 2 + SERVERS.length + GUESTS,
      dataPlane: { drainSeconds: DRAIN_SECONDS },
    });
    try {
      await bed.inSync();
      const empty = await Census.take(bed);
      const node = new BusyNode(bed, await bed.addPod('client'), empty);
      node.#servers = await addServers(bed, WEB, SERVERS);
      await node.settle();
      // Once through everything, so that what is made on first use counts as there from the start.
      await node.#addGuest();
      node.#switchPolicy();
      await node.settle();
      node.#atRest = await Census.take(bed);
      await node.keepConnections();
      return node;
    } catch (error) {
      await bed.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    return this.bed.stop();
  }

  /** One change, done when those who make it are done; the manager may still be at it. */
  async change(random: Random): Promise<void> {
    switch (random.below(4)) {
      case 0: {
        const some = this.#servers.filter(() => random.chance(60));
        return applyService(this.bed, WEB, some.length > 0 ? some : this.#servers.slice(0, 1));
      }
      case 1:
        return this.#switchPolicy();
      default: {
        const isFull = this.#guests.length === GUESTS;
        if (isFull || (this.#guests.length > 0 && random.chance(40))) {
          const guest = random.pick(this.#guests);
          return this.#removeGuest(guest, random.chance(50));
        }
        return this.#addGuest();
      }
    }
  }

  /** Everything back to how it began: all servers, no guests, no policy; waits until the device has it. */
  async settle(): Promise<void> {
    for (const guest of [...this.#guests]) await this.#removeGuest(guest, false);
    if (this.#isPolicyOn) this.#switchPolicy();
    await scaleService(this.bed, WEB, this.#servers);
    await eventually('no policy is left', async () => {
      const tables = [...(await this.bed.tableSizes()).keys()];
      return tables.every((name) => !name.startsWith('policy')) || undefined;
    });
    await this.bed.inSync();
  }

  /** Opens those connections that are not open; gives how many had to be. */
  async keepConnections(): Promise<number> {
    let opened = 0;
    for (let index = 0; index < KEPT; index++) {
      const name = `kept-${index}`;
      if (this.#kept.has(name)) continue;
      await eventually(`a connection to the service`, async () => {
        await this.#client.process.open(name, HTTP, 1_000);
        return true;
      });
      this.#kept.add(name);
      opened++;
    }
    return opened;
  }

  /** Asks all kept connections; those that do not answer are closed. Gives how many died, and how long it took in ms. */
  async askConnections(): Promise<{ readonly died: number; readonly slowestMs: number }> {
    const started = performance.now();
    let slowestMs = 0;
    const answers = await Promise.all(
      [...this.#kept].map(async (name) => {
        try {
          await this.#client.process.ask(name, 20_000);
          slowestMs = Math.max(slowestMs, Math.round(performance.now() - started));
          return true;
        } catch {
          await this.#client.process.close(name);
          this.#kept.delete(name);
          return false;
        }
      }),
    );
    return { died: answers.filter((answered) => !answered).length, slowestMs };
  }

  /** Settles, then compares tables, interfaces, namespaces, addresses, ports, descriptors and memory with the start. */
  async nothingIsLeft(): Promise<void> {
    await this.settle();
    const spread = await eventually('new connections work', async () => {
      const found = await this.#client.process.spread(HTTP, 30, 1_000);
      return Object.keys(found.failures).length === 0 ? found : undefined;
    });
    expect(Object.keys(spread.servers).sort()).toEqual(SERVERS);
    if (this.#atRest === undefined) throw new Error('the node has not started');
    await this.#atRest.isNow(this.bed);
  }

  /** Removes all pods and the service, then compares with the node before it had any. */
  async nothingIsLeftOfAnything(): Promise<void> {
    await this.settle();
    this.bed.removeManifest('web.yaml');
    for (const pod of [this.#client, ...this.#servers]) await this.bed.removePod(pod);
    this.#servers = [];
    await this.bed.inSync();
    await this.#empty.isNow(this.bed);
  }

  #switchPolicy(): void {
    this.#isPolicyOn = !this.#isPolicyOn;
    this.bed.apply('policy.yaml', this.#isPolicyOn ? [POLICY] : []);
  }

  /** As a container runtime: after an ADD that fails comes a DEL, and the next ADD is for another container. */
  async #addGuest(): Promise<void> {
    const deadline = performance.now() + RETRY_MS;
    for (;;) {
      const name = `guest-${++this.#names}`;
      const namespace = await NetworkNamespace.create(`iof-${this.bed.id}-${name}`);
      const guest: Guest = { containerId: `${this.bed.id}-${name}`, namespace };
      const { code, stdout } = await this.#cni('ADD', guest);
      if (code === 0) {
        this.#guests.push(guest);
        return;
      }
      await this.#del(guest, false);
      if (performance.now() > deadline) throw new Error(`no pod can be added: ${stdout}`);
      await setTimeout(50);
    }
  }

  async #removeGuest(guest: Guest, namespaceFirst: boolean): Promise<void> {
    this.#guests.splice(this.#guests.indexOf(guest), 1);
    await this.#del(guest, namespaceFirst);
  }

  async #del(guest: Guest, namespaceFirst: boolean): Promise<void> {
    if (namespaceFirst) await guest.namespace.remove();
    await eventually(
      'CNI DEL succeeds',
      async () => {
        const { code, stdout } = await this.#cni('DEL', guest);
        if (code !== 0) throw new Error(stdout);
        return true;
      },
      { timeoutMs: RETRY_MS },
    );
    await guest.namespace.remove();
  }

  #cni(command: 'ADD' | 'DEL', { containerId, namespace }: Guest) {
    const args = { IgnoreUnknown: '1', K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: containerId };
    return this.bed.cni({ command, containerId, netns: namespace.path, interfaceName: 'eth0', args });
  }
}
