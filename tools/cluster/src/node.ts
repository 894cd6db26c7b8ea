import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CommandOptions,
  type CommandResult,
  eventually,
  must,
  NetworkNamespace,
  type Place,
  run,
  ServiceProcess,
} from '@infra-offload/testbed';
import { stringify } from 'yaml';
import { NodeCgroup } from './cgroup.js';
import type { ClusterNetwork } from './network.js';
import { containerdConfig, kubeletConfig } from './node-config.js';
import { killAll, mountNamespaceOf, processesIn } from './processes.js';

const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
/** Directories that a node may change without this machine's changing. */
const LAYERED = ['etc', 'opt', 'usr', 'var'];
/** Directories below /var that cannot be in such a layer, since layers of containers are in them. */
const PLAIN = ['kubelet', 'containerd', 'cni'];

export interface ClusterNodeOptions {
  readonly name: string;
  /** Kubernetes' programs. */
  readonly bin: string;
  /** Where its files are; they go with whoever made it. */
  readonly directory: string;
  readonly network: ClusterNetwork;
}

/**
 * A machine of the cluster, with network, mounts and host name of its own; the kernel is this machine's. containerd and kubelet run on
 * it as on any other.
 */
export class ClusterNode implements Place {
  readonly #options: ClusterNodeOptions;
  /** The process that keeps its namespaces. */
  readonly #holder: number;
  readonly #cgroup: NodeCgroup;
  readonly #runtime: ServiceProcess;
  readonly #services: ServiceProcess[] = [];
  #kubelet: ServiceProcess | undefined;

  private constructor(
    options: ClusterNodeOptions,
    /** Its network, with this machine's files. */
    readonly namespace: NetworkNamespace,
    readonly address: string,
    holder: number,
  ) {
    this.#options = options;
    this.#holder = holder;
    const { name, directory, bin } = options;
    this.#cgroup = new NodeCgroup(name);
    const config = join(directory, 'containerd.toml');
    writeFileSync(config, containerdConfig(join(bin, 'runc'), CONTAINERD_SOCKET));
    this.#runtime = this.service('containerd', join(bin, 'containerd'), ['--config', config]);
  }

  static async create(options: ClusterNodeOptions): Promise<ClusterNode> {
    const { name, directory, network } = options;
    mkdirSync(directory, { recursive: true });
    const namespace = await NetworkNamespace.create(name);
    try {
      const address = await network.connect(namespace);
      // What Kubernetes asks of a machine before it can be a node; a new namespace may have it from this machine, or not.
      await namespace.must('sysctl', ['--quiet', '--write', 'net.ipv4.ip_forward=1']);
      const holder = await holdNamespaces(namespace, name, directory);
      const node = new ClusterNode(options, namespace, address, holder);
      node.#cgroup.create();
      await node.must('mkdir', ['--parents', '/opt/cni/bin', '/etc/cni/net.d']);
      await node.must('cp', ['--recursive', `${join(options.bin, 'cni')}/.`, '/opt/cni/bin']);
      return node;
    } catch (error) {
      await namespace.remove();
      throw error;
    }
  }

  get name(): string {
    return this.#options.name;
  }

  wrap(command: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--target=${this.#holder}`, '--mount', '--uts', '--net', '--', command, ...args]];
  }

  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run(...this.wrap(command, args), options);
  }

  must(command: string, args: readonly string[], options?: CommandOptions): Promise<string> {
    return must(...this.wrap(command, args), options);
  }

  /** A service of the node, to be started; its log is among the node's files, and it ends with the node. */
  service(name: string, executable: string, args: readonly string[]): ServiceProcess {
    const { bin, directory } = this.#options;
    const path = `PATH=${bin}:${process.env.PATH}`;
    const log = join(directory, `${name}.log`);
    const service = new ServiceProcess(name, this, { executable: 'env' }, [path, executable, ...args], log);
    this.#services.push(service);
    return service;
  }

  /** Containers survive a restart, as everywhere. */
  async startRuntime(): Promise<void> {
    await this.#runtime.start(async () => (await this.ctr(['version'])).code === 0);
  }

  /** @param kubeconfig its access to the API server */
  async startKubelet(kubeconfig: string): Promise<void> {
    const { name, directory, bin } = this.#options;
    const config = join(directory, 'kubelet.yaml');
    writeFileSync(config, stringify(kubeletConfig(name, CONTAINERD_SOCKET)));
    this.#kubelet ??= this.service('kubelet', join(bin, 'kubelet'), [
      ...['--config', config, '--kubeconfig', kubeconfig],
      ...['--hostname-override', name, '--node-ip', this.address],
    ]);
    const health = 'http://127.0.0.1:10248/healthz';
    await this.#kubelet.start(
      async () => (await this.run('curl', ['--silent', '--fail', health])).code === 0,
    );
  }

  async restart(service: 'containerd' | 'kubelet'): Promise<void> {
    const process = service === 'containerd' ? this.#runtime : this.#kubelet;
    if (process === undefined) throw new Error(`${service} was never started`);
    await process.stop();
    await (service === 'containerd' ? this.startRuntime() : process.start(async () => true));
  }

  /** containerd's own client, in Kubernetes' namespace. */
  ctr(args: readonly string[]): Promise<CommandResult> {
    const own = ['--address', CONTAINERD_SOCKET, '--namespace', 'k8s.io'];
    return this.run(join(this.#options.bin, 'ctr'), [...own, ...args]);
  }

  /** The first process of each running container with this label, by the container's name in its pod; the sandbox has none. */
  async containers(label: string, value: string): Promise<ReadonlyMap<string, number>> {
    const tasks = (await this.ctr(['tasks', 'list'])).stdout.matchAll(/^(\w+)\s+(\d+)\s+RUNNING/gm);
    const pids = new Map([...tasks].map(([, id = '', pid]) => [id, Number(pid)]));
    const found = await this.ctr(['containers', 'list', '--quiet', `labels."${label}"==${value}`]);
    const containers = new Map<string, number>();
    for (const id of found.stdout.split('\n')) {
      const pid = pids.get(id);
      if (pid === undefined) continue;
      const info = JSON.parse((await this.ctr(['containers', 'info', id])).stdout) as ContainerInfo;
      const { 'io.kubernetes.container.name': name } = info.Labels;
      if (name !== undefined) containers.set(name, pid);
    }
    return containers;
  }

  /** Gives the runtime an image, from the archive of one. */
  async importImage(archive: string): Promise<void> {
    const { code, stderr } = await this.ctr(['images', 'import', '--local', archive]);
    if (code !== 0) throw new Error(`${archive} cannot be imported on ${this.name}: ${stderr.trim()}`);
  }

  /** Gives one of the product's images that the node has another tag, as another release would have. */
  async tagImage(program: string, tag: string): Promise<void> {
    const { stdout } = await this.ctr(['images', 'list', '--quiet']);
    const image = stdout.split('\n').find((name) => name.includes(`/infra-offload/${program}:`)) ?? program;
    const { code, stderr } = await this.ctr([
      'images',
      'tag',
      '--force',
      image,
      image.replace(/[^:]*$/, tag),
    ]);
    if (code !== 0) throw new Error(`image ${program} cannot be tagged on ${this.name}: ${stderr.trim()}`);
  }

  /** Ends everything on it, pods first, and removes it; its files stay. */
  async remove(): Promise<void> {
    for (const service of this.#services.reverse()) await service.stop('SIGKILL');
    const mounts = mountNamespaceOf(this.#holder);
    await this.#cgroup.remove();
    if (mounts !== undefined) killAll(processesIn(mounts));
    await this.namespace.remove();
  }
}

/** What containerd says of a container. */
interface ContainerInfo {
  readonly Labels: Readonly<Record<string, string>>;
}

/** Starts the process that keeps a node's namespaces. */
async function holdNamespaces(namespace: NetworkNamespace, name: string, directory: string): Promise<number> {
  const ready = join(directory, 'ready');
  const layers = LAYERED.map((at) => {
    const [upper, work] = [join(directory, `${at}.upper`), join(directory, `${at}.work`)];
    mkdirSync(upper, { recursive: true });
    mkdirSync(work, { recursive: true });
    return `mount -t overlay overlay -o lowerdir=/${at},upperdir=${upper},workdir=${work} /${at}`;
  });
  const plain = PLAIN.map((at) => {
    mkdirSync(join(directory, at), { recursive: true });
    return `mkdir -p /var/lib/${at} && mount --bind ${join(directory, at)} /var/lib/${at}`;
  });
  const groups = join(directory, 'cgroup');
  mkdirSync(groups, { recursive: true });
  // A /sys of its own, so that /sys/class/net has the node's interfaces; the tree of control groups is the machine's.
  const script = [
    'set -e',
    `hostname ${name}`,
    ...layers,
    'mount -t tmpfs tmpfs /run',
    ...plain,
    `mount --rbind /sys/fs/cgroup ${groups}`,
    'mount -t sysfs sysfs /sys',
    `mount --rbind ${groups} /sys/fs/cgroup`,
    `umount --lazy ${groups}`,
    // Volumes that kubelet mounts have to reach the pods.
    'mount --make-rshared /',
    `touch ${ready}`,
    'exec sleep infinity',
  ].join('\n');
  const isolated = ['--mount', '--uts', '--propagation', 'private', 'sh', '-c', script];
  const [command, args] = namespace.wrap('unshare', isolated);
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await eventually(`node ${name} is there`, () => {
    if (child.exitCode !== null)
      throw new Error(`the namespaces of ${name} cannot be made: ${stderr.trim()}`);
    return existsSync(ready) || undefined;
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`the namespaces of ${name} cannot be made: no process`);
  child.stderr.destroy();
  child.unref();
  return pid;
}
