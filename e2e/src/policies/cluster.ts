import { ObjectKind, ObjectState } from '@infra-offload/infra-api';
import {
  matchesLabels,
  networkPolicyVerdict,
  type PolicyWorld,
  parseObject,
  type WatchedObject,
} from '@infra-offload/k8s-watch';
import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import {
  type AddPodOptions,
  eventually,
  HOST_ADDRESS,
  type Probe,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import type { Labels } from './objects.js';

/** What every pod asks of every other. */
const ASKED = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 81 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'UDP', port: 53 },
  { protocol: 'UDP', port: 80 },
  { protocol: 'SCTP', port: 80 },
  { protocol: 'SCTP', port: 9090 },
  { protocol: 'ICMP', port: 0 },
] as const;
const ICMP = 1;
/** Time for packets to arrive. */
const FLIGHT_MS = 80;

const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1' },
  spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address: HOST_ADDRESS }] },
};

interface ClusterPod {
  readonly namespace: string;
  readonly name: string;
  labels: Labels;
  attached: TestPod | undefined;
}

/** A question and its answers: "x/a → y/b TCP/80". */
export interface Disagreement {
  readonly connection: string;
  readonly expected: boolean;
  readonly observed: boolean;
}

/**
 * A node with pods of several namespaces behind a Kubernetes API server, and the same objects once more for the plain
 * evaluator of what the API means. A pod named `c` has its port named `web` elsewhere than the others.
 */
export class PolicyCluster {
  readonly #namespaces = new Map<string, Labels>();
  readonly #pods = new Map<string, ClusterPod>();
  readonly #files = new Map<string, readonly object[]>();
  #lastProbe = 0;

  private constructor(readonly bed: Testbed) {}

  static async start(tapCount: number): Promise<PolicyCluster> {
    const bed = await Testbed.start({ source: 'api', tapCount, manifests: { 'node.yaml': [NODE] } });
    const cluster = new PolicyCluster(bed);
    cluster.#files.set('node.yaml', [NODE]);
    return cluster;
  }

  stop(): Promise<void> {
    return this.bed.stop();
  }

  setNamespace(name: string, labels: Labels): void {
    this.#namespaces.set(name, labels);
    this.apply(`namespace-${name}.yaml`, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } },
    ]);
  }

  /** Makes a pod as Kubernetes does: its object, the interface, then the object with its address. */
  async addPod(
    namespace: string,
    name: string,
    labels: Labels,
    { ip }: Pick<AddPodOptions, 'ip'> = {},
  ): Promise<TestPod> {
    const pod: ClusterPod = { namespace, name, labels, attached: undefined };
    this.#pods.set(`${namespace}/${name}`, pod);
    this.#applyPod(pod);
    pod.attached = await this.bed.addPod(`${namespace}-${name}`, {
      podNamespace: namespace,
      podName: name,
      ...(ip === undefined ? {} : { ip }),
    });
    this.#applyPod(pod);
    await pod.attached.process.probed();
    return pod.attached;
  }

  /** Takes a pod away, as Kubernetes does. */
  async removePod(namespace: string, name: string): Promise<void> {
    const pod = this.pod(`${namespace}/${name}`);
    this.#pods.delete(`${namespace}/${name}`);
    await this.bed.removePod(pod);
    const file = podFile(namespace, name);
    this.#files.delete(file);
    this.bed.removeManifest(file);
  }

  pod(name: string): TestPod {
    const attached = this.#pods.get(name)?.attached;
    if (attached === undefined) throw new Error(`there is no pod ${name}`);
    return attached;
  }

  setPodLabels(name: string, labels: Labels): void {
    const pod = this.#pods.get(name);
    if (pod === undefined) throw new Error(`there is no pod ${name}`);
    pod.labels = labels;
    this.#applyPod(pod);
  }

  apply(file: string, objects: readonly object[]): void {
    this.#files.set(file, objects);
    this.bed.apply(file, objects);
  }

  /** What the objects mean for a connection, as the API defines it. */
  allows(source: string, destination: string, protocol: number, port: number): boolean {
    const connection = { source, destination, protocol, ...(protocol === ICMP ? {} : { port }) };
    return networkPolicyVerdict(this.#world(), connection).allowed;
  }

  /** Waits until the manager has the policies, and then has every pod ask every other until all is as they mean it. */
  async agrees(): Promise<void> {
    await eventually('the policies are in the device, and no others', () => this.#arePoliciesThere(), {
      everyMs: 20,
    });
    let differences: readonly Disagreement[] = [];
    await eventually(
      'every connection is treated as the API defines it',
      async () => {
        differences = await this.disagreements();
        if (differences.length === 0) return true;
        const shown = differences.slice(0, 12).map(({ connection, expected, observed }) => {
          return `${connection}: ${observed ? 'passed' : 'stopped'}, expected ${expected ? 'to pass' : 'not to'}`;
        });
        throw new Error([`${differences.length} differ`, ...shown].join('\n  '));
      },
      { timeoutMs: 10_000, everyMs: 50 },
    );
  }

  /** Has every pod ask every other once. */
  async disagreements(): Promise<readonly Disagreement[]> {
    const world = this.#world();
    const asked = new Map<number, { readonly connection: string; readonly expected: boolean }>();
    const byPod = new Map<TestPod, Probe[]>();
    for (const source of this.#attached()) {
      for (const destination of this.#attached()) {
        if (source === destination) continue;
        for (const { protocol: name, port } of ASKED) {
          const protocol = name === 'ICMP' ? ICMP : PROTOCOL_NUMBERS[name];
          const probe = this.probe(destination.attached.ip, protocol, port);
          const probes = byPod.get(source.attached) ?? [];
          byPod.set(source.attached, [...probes, probe]);
          const { allowed: expected } = networkPolicyVerdict(world, {
            source: source.attached.ip,
            destination: destination.attached.ip,
            protocol,
            ...(protocol === ICMP ? {} : { port }),
          });
          const connection = `${nameOf(source)} → ${nameOf(destination)} ${name}/${port}`;
          asked.set(probe.id, { connection, expected });
        }
      }
    }
    const arrived = await this.exchange(byPod);
    return [...asked].flatMap(([id, { connection, expected }]) => {
      const observed = arrived.has(id);
      return observed === expected ? [] : [{ connection, expected, observed }];
    });
  }

  /** A probe that belongs to no flow that has been: every one has source ports of its own. */
  probe(address: string, protocol: number, port: number): Probe {
    const id = ++this.#lastProbe;
    return { id, address, protocol, sourcePort: 10_000 + (id % 50_000), port };
  }

  /** Sends probes, and answers with the numbers of those that arrived somewhere. */
  async exchange(probes: ReadonlyMap<TestPod, readonly Probe[]>): Promise<ReadonlySet<number>> {
    await Promise.all([...probes].map(([pod, list]) => pod.process.probe(list)));
    await new Promise((resolve) => setTimeout(resolve, FLIGHT_MS));
    const seen = await Promise.all(this.#attached().map(({ attached }) => attached.process.probed()));
    return new Set(seen.flat());
  }

  async #arePoliciesThere(): Promise<true | undefined> {
    const { policies, pods } = this.#world();
    // A policy of no pod is none to the manager.
    const wanted = policies.filter(({ namespace, podSelector }) =>
      pods.some((pod) => pod.namespace === namespace && matchesLabels(podSelector, pod.labels)),
    );
    const { target, pending, objects } = await this.bed.client.status(true);
    const found = objects.flatMap(({ object, state }) => {
      if (object?.kind !== ObjectKind.OBJECT_KIND_NETWORK_POLICY) return [];
      return [state === ObjectState.OBJECT_STATE_PROGRAMMED ? object.name : `${object.name} not programmed`];
    });
    const names = wanted.map(({ namespace, name }) => `${namespace}/${name}`);
    if (found.sort().join() !== names.sort().join()) throw new Error(`there are ${found.join() || 'none'}`);
    return (target?.inSync && pending === 0) || undefined;
  }

  #attached(): readonly (ClusterPod & { readonly attached: TestPod })[] {
    return [...this.#pods.values()].filter((pod): pod is ClusterPod & { attached: TestPod } => {
      return pod.attached !== undefined;
    });
  }

  #applyPod(pod: ClusterPod): void {
    const { namespace, name, labels, attached } = pod;
    this.apply(podFile(namespace, name), [
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name, labels },
        spec: {
          nodeName: 'node-1',
          containers: [
            {
              name: 'main',
              ports: [
                { name: 'web', containerPort: name === 'c' ? 81 : 80 },
                { name: 'dns', protocol: 'UDP', containerPort: 53 },
                { name: 'sigtran', protocol: 'SCTP', containerPort: 9090 },
              ],
            },
          ],
        },
        status:
          attached === undefined
            ? { phase: 'Pending' }
            : { phase: 'Running', podIP: attached.ip, podIPs: [{ ip: attached.ip }] },
      },
    ]);
  }

  #world(): PolicyWorld {
    const objects = [...this.#files.values()].flat().map(parsed);
    const ofKind = <Kind extends WatchedObject['kind']>(kind: Kind) =>
      objects.filter((object): object is Extract<WatchedObject, { kind: Kind }> => object.kind === kind);
    return {
      policies: ofKind('NetworkPolicy'),
      pods: ofKind('Pod'),
      namespaces: ofKind('Namespace'),
      nodes: ofKind('Node'),
    };
  }
}

function nameOf({ namespace, name }: ClusterPod): string {
  return `${namespace}/${name}`;
}

function parsed(object: object): WatchedObject {
  const read = parseObject(object);
  if (read.result === 'object') return read.object;
  throw new Error(`not an object that is watched: ${JSON.stringify(read)}`);
}

function podFile(namespace: string, name: string): string {
  return `pod-${namespace}-${name}.yaml`;
}
