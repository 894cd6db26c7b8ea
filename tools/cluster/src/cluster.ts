import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { type CommandResult, ControlPlane, eventually, type Place } from '@infra-offload/testbed';
import { ClusterNetwork } from './network.js';
import { ClusterNode } from './node.js';
import { rememberSysctls } from './sysctls.js';

export const POD_RANGE = '10.244.0.0/16';

const PROGRAMS = [
  ...[
    'etcd',
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
    'kubelet',
    'kubectl',
    'kube-proxy',
  ],
  ...['containerd', 'containerd-shim-runc-v2', 'ctr', 'runc', 'cni', 'agnhost', 'pause', 'e2e.test'],
];

export interface ClusterOptions {
  /** Kubernetes' programs, see {@link kubernetesPrograms}. */
  readonly bin: string;
  /** How many; default 1. The control plane is on the first. */
  readonly nodes?: number;
  /** Archives of images that the nodes get. */
  readonly images: readonly string[];
}

/** The directory that KUBE_BIN names. Without one, or with something missing in it: why there is none. */
export function kubernetesPrograms(): { readonly bin?: string; readonly reason: string } {
  const { KUBE_BIN: bin } = process.env;
  if (!bin)
    return { reason: 'KUBE_BIN names no directory with the programs of Kubernetes, etcd and containerd' };
  const missing = PROGRAMS.filter((name) => !existsSync(join(bin, name)));
  if (missing.length > 0) return { reason: `KUBE_BIN is ${bin}, where ${missing.join(', ')} is missing` };
  return { bin, reason: `from ${bin}` };
}

/**
 * A Kubernetes cluster on this machine: control plane, kubelets and containerd as they are released, each node in namespaces of its
 * own. There is neither kube-proxy nor a network for pods. Needs root.
 */
export class Cluster {
  readonly #putBack: () => void;

  private constructor(
    readonly bin: string,
    readonly directory: string,
    readonly network: ClusterNetwork,
    readonly nodes: readonly ClusterNode[],
    readonly controlPlane: ControlPlane,
    putBack: () => void,
  ) {
    this.#putBack = putBack;
  }

  /** Takes some seconds. The nodes are not ready yet: that takes a network for pods. */
  static async create({ bin, nodes: count = 1, images }: ClusterOptions): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'iofk-'));
    const prefix = basename(directory).toLowerCase();
    const names = Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
    const putBack = rememberSysctls();
    const undo: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true }), putBack];
    try {
      const network = await ClusterNetwork.create(prefix);
      undo.push(() => network.remove());
      const nodes: ClusterNode[] = [];
      for (const name of names) {
        const node = await ClusterNode.create({ name, bin, directory: join(directory, name), network });
        undo.push(() => node.remove());
        nodes.push(node);
        await node.startRuntime();
        for (const archive of images) await node.importImage(archive);
      }
      const [first] = nodes;
      if (first === undefined) throw new RangeError('a cluster has one node at least');
      const controlPlane = await ControlPlane.start(bin, first.namespace, join(directory, 'control-plane'), {
        address: first.address,
        nodes: names,
      });
      undo.push(() => controlPlane.stop());
      await controlPlane.startControllers(
        ['*'],
        ['--allocate-node-cidrs', '--cluster-cidr', POD_RANGE, '--use-service-account-credentials'],
      );
      await controlPlane.startScheduler();
      for (const node of nodes) await node.startKubelet(controlPlane.kubeletConfig(node.name));
      const cluster = new Cluster(bin, directory, network, nodes, controlPlane, putBack);
      await cluster.#nodesAre('known', () => true);
      return cluster;
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  get first(): ClusterNode {
    const [first] = this.nodes;
    if (first === undefined) throw new RangeError('a cluster has one node at least');
    return first;
  }

  /** A command line that works as kubectl, of the cluster's administrator. */
  get kubectlCommand(): string {
    return this.controlPlane.kubectlCommand;
  }

  /** An environment in which `kubectl` is the administrator's. */
  get environment(): NodeJS.ProcessEnv {
    const programs = join(this.directory, 'bin');
    mkdirSync(programs, { recursive: true });
    const script = `#!/bin/sh\nexec ${this.kubectlCommand} "$@"\n`;
    writeFileSync(join(programs, 'kubectl'), script, { mode: 0o755 });
    return { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };
  }

  kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
    return this.controlPlane.kubectl(args, input);
  }

  /** @throws Error with what kubectl says */
  must(args: readonly string[], input?: string): Promise<string> {
    return this.controlPlane.must(args, input);
  }

  /** Of Kubernetes, such as `v1.36.2`. */
  async release(): Promise<string> {
    const { gitVersion } = JSON.parse(await this.must(['get', '--raw', '/version'])) as {
      gitVersion: string;
    };
    return gitVersion;
  }

  /** Waits until all nodes are Ready: there is a network for pods then. */
  nodesAreReady(): Promise<void> {
    return this.#nodesAre('Ready', ({ status }) =>
      status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
  }

  /** Where programs run that talk to the cluster from beside it. */
  get outside(): Place {
    return this.network.outside;
  }

  /** Ends everything; nothing stays on this machine. */
  async remove(): Promise<void> {
    // Pods first: what they run in is a node's.
    for (const node of this.nodes) await node.remove();
    await this.controlPlane.stop();
    await this.network.remove();
    this.#putBack();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #nodesAre(what: string, holds: (node: NodeObject) => boolean): Promise<void> {
    await eventually(
      `all nodes are ${what}`,
      async () => {
        const { items } = JSON.parse(await this.must(['get', 'nodes', '--output', 'json'])) as {
          items: NodeObject[];
        };
        return (items.length === this.nodes.length && items.every(holds)) || undefined;
      },
      { everyMs: 200 },
    );
  }
}

interface NodeObject {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}
