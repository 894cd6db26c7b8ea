import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ObjectState } from '@infra-offload/infra-api';
import { createTree } from '@infra-offload/tls-certs';
import { startArpProxy } from './arp-proxy.js';
import { balancedEndpoints } from './balanced-endpoints.js';
import { type CniCall, cniResult, runPlugin } from './cni.js';
import {
  agentConfig,
  cniConfig,
  type Dataplane,
  managerConfig,
  NETWORK_NAME,
  softswitchConfig,
} from './configs.js';
import { ADDRESSES, Layout, POD_CIDR, programs, TAP_PREFIX } from './layout.js';
import { ManagerClient } from './manager-client.js';
import { toYaml } from './manifests.js';
import { NetworkNamespace } from './netns.js';
import { PodProcess } from './pod-process.js';
import { type Program, ServiceProcess } from './service-process.js';
import { type CommandResult, eventually, run } from './shell.js';
import type {
  AddPodOptions,
  AgentSettings,
  TestbedOptions,
  TestbedPrograms,
  TestPod,
} from './testbed-options.js';

/**
 * One node with everything real: softswitch, infra-manager and infra-agent as processes in a network namespace, pods in
 * namespaces of their own, manifests in a directory that the agent watches.
 */
export class Testbed {
  readonly pods = new Map<string, TestPod>();
  readonly layout: Layout;
  readonly softswitch: ServiceProcess;
  readonly manager: ServiceProcess;
  readonly agent: ServiceProcess;
  readonly client: ManagerClient;
  /** Runs only with the source `api`. */
  readonly apiServer: ServiceProcess;
  readonly #relay: ServiceProcess;
  readonly #options: TestbedOptions;
  readonly #programs: Required<TestbedPrograms>;
  readonly #agentSettings: AgentSettings;
  #stopping = false;
  #arpProxy: NetworkNamespace | undefined;
  #containers = 0;

  private constructor(
    readonly id: string,
    readonly node: NetworkNamespace,
    directory: string,
    options: TestbedOptions,
  ) {
    this.#options = options;
    this.layout = new Layout(directory);
    mkdirSync(this.layout.manifests);
    mkdirSync(this.layout.logs);
    for (const [file, objects] of Object.entries(options.manifests ?? {})) this.apply(file, objects);
    const { programs: own = {}, agent = {} } = options;
    this.#agentSettings = typeof agent === 'function' ? agent(this.layout) : agent;
    this.#programs = { ...programs, ...(typeof own === 'function' ? own(this.layout) : own) };
    this.softswitch = this.#process(
      'softswitch',
      this.#programs.softswitch,
      softswitchConfig(this.layout, options.tapCount ?? 9, dataplane()),
    );
    this.manager = this.#process('manager', this.#programs.manager, managerConfig(this.layout, options));
    this.agent = this.#process(
      'agent',
      this.#programs.agent,
      agentConfig(this.layout, options.source ?? 'manifests', this.#agentSettings),
    );
    this.apiServer = new ServiceProcess(
      'apiserver',
      node,
      programs.apiServer,
      [
        ...['--listen', ADDRESSES.apiServer, '--manifests', this.layout.manifests],
        ...['--kubeconfig', this.layout.kubeconfig, '--token', 'testbed'],
      ],
      this.layout.log('apiserver'),
    );
    this.#relay = new ServiceProcess(
      'relay',
      node,
      programs.relay,
      [`${this.layout.managerSocket}=${ADDRESSES.manager}`],
      this.layout.log('relay'),
    );
    this.client = new ManagerClient(`unix:${this.layout.managerSocket}`, this.layout.identity('agent'));
  }

  /** Makes the node's namespace and files. Whoever calls this calls `stop` in the end, whatever happens. */
  static async create(options: TestbedOptions = {}): Promise<Testbed> {
    if (process.getuid?.() !== 0)
      throw new Error('network namespaces and TAP devices need root; run as root or with sudo');
    const id = randomBytes(3).toString('hex');
    const node = await NetworkNamespace.create(`iof-${id}-node`);
    // Otherwise the relay may be given the manager's port to call it from.
    await node.must('sysctl', ['-q', `net.ipv4.ip_local_reserved_ports=${reservedPorts()}`]);
    const directory = mkdtempSync(join(tmpdir(), 'infra-offload-'));
    // Small keys: they are not needed for longer than a test takes.
    const { certificateNames: names = [] } = options;
    await createTree(new Layout(directory).certificates, { bits: 2048, names });
    return new Testbed(id, node, directory, options);
  }

  /** Makes a testbed and starts everything, or cleans up and says why not. */
  static async start(options: TestbedOptions = {}): Promise<Testbed> {
    const testbed = await Testbed.create(options);
    try {
      await testbed.startAll();
      return testbed;
    } catch (error) {
      await testbed.stop();
      throw error;
    }
  }

  async startAll(): Promise<void> {
    await this.#start(this.#relay, async () => existsSync(this.layout.managerSocket));
    await this.startSoftswitch();
    await this.startManager();
    if (this.#options.source === 'api') await this.startApiServer();
    await this.startAgent();
  }

  async startSoftswitch(): Promise<void> {
    // Ready when it serves P4Runtime and has made the host's TAP.
    await this.#start(
      this.softswitch,

      async () => (await this.#listens(ADDRESSES.p4runtime)) && (await this.#listens(ADDRESSES.gnmi)),
    );
    if (this.#options.pipeline !== 'es2k') return;
    this.#arpProxy ??= await this.#namespace('arp');
    await startArpProxy(this.node, this.#arpProxy);
  }

  /** Ends the data plane that runs on when the softswitch has been stopped, and the TAP ports with it. */
  async stopDataplane(): Promise<void> {
    const args = ['--run-directory', this.layout.runDirectory, 'stop'];
    await run(process.execPath, [programs.softswitch, ...args]);
  }

  /** Process id of the data plane. @throws Error if none runs, since a signal to process 0 would go to ourselves */
  async dataplanePid(): Promise<number> {
    const { stdout } = await run('pgrep', ['--full', '--', `--socket ${this.layout.runDirectory}/control`]);
    const pid = Number(stdout.trim());
    if (!(pid > 0)) throw new Error('no data plane runs');
    return pid;
  }

  startManager(): Promise<void> {
    return this.#start(this.manager, async () => {
      const { target } = await this.client.status();
      return target?.connected === true && target.primary;
    });
  }

  startApiServer(): Promise<void> {
    // It has read the manifests when it writes the kubeconfig.
    rmSync(this.layout.kubeconfig, { force: true });
    return this.#start(this.apiServer, async () => existsSync(this.layout.kubeconfig));
  }

  startAgent(): Promise<void> {
    return this.#start(this.agent, async () => (await this.#get(ADDRESSES.agentHttp, '/readyz')) === 200);
  }

  /** Attaches a new pod as a container runtime does. */
  async addPod(
    name: string,
    { ip, podNamespace = 'default', podName = name }: AddPodOptions = {},
  ): Promise<TestPod> {
    const namespace = await this.#namespace(name);
    const containerId = `${this.id}-${name}-${++this.#containers}`;
    const args = podArgs(podName, podNamespace);
    const call = { containerId, netns: namespace.path, interfaceName: 'eth0', args };
    try {
      // No kubelet starts a pod that the API server does not have.
      if (this.#options.source === 'api') this.#applyPod(podNamespace, podName);
      const started = performance.now();
      const { code, stdout, stderr } = await this.cni({ command: 'ADD', ...call }, ip);
      const addMs = performance.now() - started;
      if (code !== 0) throw new Error(`CNI ADD of pod ${name}: ${stdout.trim() || stderr.trim()}`);
      const result = cniResult.parse(JSON.parse(stdout));
      const address = result.ips[0]?.address.split('/')[0];
      const mac = result.interfaces.find((candidate) => candidate.sandbox)?.mac;
      if (!address || !mac)
        throw new Error(`CNI ADD of pod ${name} gave no address or MAC: ${stdout.trim()}`);
      const pod: TestPod = {
        name,
        podNamespace,
        podName,
        ip: address,
        mac,
        containerId,
        namespace,
        process: PodProcess.start(name, namespace),
        result,
        addMs,
      };
      this.pods.set(name, pod);
      return pod;
    } catch (error) {
      await namespace.remove();
      throw error;
    }
  }

  /** Detaches a pod and removes its namespace, before CNI DEL if `namespaceFirst`. */
  async removePod(
    pod: TestPod,
    { namespaceFirst = false }: { namespaceFirst?: boolean } = {},
  ): Promise<void> {
    await pod.process.stop();
    if (namespaceFirst) await pod.namespace.remove();
    const { containerId } = pod;
    const { code, stdout } = await this.cni({
      command: 'DEL',
      containerId,
      netns: pod.namespace.path,
      interfaceName: 'eth0',
      args: podArgs(pod.podName, pod.podNamespace),
    });
    await pod.namespace.remove();
    this.pods.delete(pod.name);
    if (this.#options.source === 'api') this.removeManifest(podFile(pod.podNamespace, pod.podName));
    if (code !== 0) throw new Error(`CNI DEL of pod ${pod.name}: ${stdout.trim()}`);
  }

  /** CNI ADD of a pod that is expected to fail; its namespace is removed again. */
  async add(name: string): Promise<CommandResult> {
    const namespace = await this.#namespace(name);
    try {
      const containerId = `${this.id}-${name}-${++this.#containers}`;
      return await this.cni({
        command: 'ADD',
        containerId,
        netns: namespace.path,
        interfaceName: 'eth0',
        args: podArgs(name, 'default'),
      });
    } finally {
      await namespace.remove();
    }
  }

  /** CNI CHECK of a pod with the result of its ADD. */
  check(pod: TestPod): Promise<CommandResult> {
    const call: CniCall = {
      command: 'CHECK',
      containerId: pod.containerId,
      netns: pod.namespace.path,
      interfaceName: 'eth0',
      args: podArgs(pod.podName, pod.podNamespace),
    };
    return this.cniRaw(call, JSON.stringify({ ...this.#cniConfig(), prevResult: pod.result }));
  }

  /** Runs infra-cni on the node with the testbed's configuration. */
  cni(call: CniCall, ip?: string): Promise<CommandResult> {
    return this.cniRaw(call, JSON.stringify(this.#cniConfig(ip)));
  }

  /** Runs infra-cni on the node with any text as its configuration. */
  cniRaw(call: CniCall, configuration: string): Promise<CommandResult> {
    return runPlugin(this.node, this.#programs.cni, call, configuration);
  }

  /** Writes a manifest file as `kubectl` users edit them: all at once. */
  apply(file: string, objects: readonly object[]): void {
    this.applyText(file, toYaml(objects));
  }

  applyText(file: string, text: string): void {
    const path = join(this.layout.manifests, file);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  removeManifest(file: string): void {
    rmSync(join(this.layout.manifests, file));
  }

  /** Waits until the service port's status is PROGRAMMED and exactly these addresses take new connections. */
  async balanced(servicePort: string, endpoints: readonly string[]): Promise<void> {
    const wanted = [...endpoints].sort().join();
    await eventually(`service ${servicePort} is balanced over [${wanted}]`, async () => {
      const state = await this.client.serviceState(servicePort);
      if (state?.state !== ObjectState.OBJECT_STATE_PROGRAMMED) return undefined;
      const found = [...(await balancedEndpoints(this.client, servicePort))].sort().join();
      if (found !== wanted) throw new Error(`it is balanced over [${found}]`);
      return true;
    });
  }

  /** Waits until the device holds everything wanted and the agent is connected. */
  async inSync(): Promise<void> {
    await eventually('the manager is in sync with agent and target', async () => {
      const { target, agent, pending } = await this.client.status();
      return (target?.inSync && agent?.connected && pending === 0) || undefined;
    });
  }

  /** Entries of the tables of the device that are not empty, by name. */
  async tableSizes(): Promise<Map<string, number>> {
    const { tables } = await this.client.status();
    return new Map(
      tables.filter(({ entries }) => entries > 0n).map(({ name, entries }) => [name, Number(entries)]),
    );
  }

  /** Packets that the pipeline dropped for reasons that match. */
  drops(reason: RegExp): Promise<number> {
    return this.#counted('drop_counter', reason);
  }

  /** Packets that were answered instead of sent on, for reasons that match. */
  rejects(reason: RegExp): Promise<number> {
    return this.#counted('reject_counter', reason);
  }

  async #counted(counter: string, reason: RegExp): Promise<number> {
    const { counters } = await this.client.status();
    return counters
      .filter(({ name, index }) => name.endsWith(counter) && reason.test(index))
      .reduce((sum, { packets }) => sum + Number(packets), 0);
  }

  /** TAP devices that are in the node's namespace, sorted. */
  async tapLinks(): Promise<string[]> {
    const links = JSON.parse(await this.node.must('ip', ['-json', 'link', 'show'])) as { ifname: string }[];
    return links
      .map(({ ifname }) => ifname)
      .filter((name) => name.startsWith(TAP_PREFIX))
      .sort();
  }

  /** Addresses that IPAM has given out. */
  leases(): string[] {
    const folder = join(this.layout.leases, NETWORK_NAME);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name))
      .sort();
  }

  /** Ends and removes all that the testbed made, also while it is being started; never throws. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.pods.values()].map((pod) => pod.process.stop()));
    this.client.close();
    for (const process of [this.agent, this.apiServer, this.manager, this.softswitch, this.#relay])
      await process.stop();
    await this.stopDataplane();
    // By name, so that one whose making was interrupted goes, too.
    const { stdout } = await run('ip', ['netns', 'list']);
    const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
    for (const name of names.filter((candidate) => candidate.startsWith(`iof-${this.id}-`))) {
      await run('ip', ['netns', 'del', name]);
    }
    rmSync(this.layout.directory, { recursive: true, force: true });
  }

  /** Of a pod that another file has, too, that other one counts. */
  #applyPod(namespace: string, name: string): void {
    const { nodeName = 'node-1' } = this.#agentSettings;
    const spec = { nodeName, containers: [] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, spec };
    this.apply(podFile(namespace, name), [pod]);
  }

  #cniConfig(ip?: string): object {
    return cniConfig(this.layout, this.#options.podCidr ?? POD_CIDR, ip);
  }

  #start(process: ServiceProcess, ready: () => Promise<boolean>): Promise<void> {
    if (this.#stopping) return Promise.reject(new Error('the testbed was stopped'));
    return process.start(ready);
  }

  #namespace(name: string): Promise<NetworkNamespace> {
    if (this.#stopping) return Promise.reject(new Error('the testbed was stopped'));
    return NetworkNamespace.create(`iof-${this.id}-${name}`);
  }

  #process(name: string, program: Program, config: string): ServiceProcess {
    writeFileSync(this.layout.config(name), config);
    return new ServiceProcess(
      name,
      this.node,
      program,
      ['--config', this.layout.config(name)],
      this.layout.log(name),
    );
  }

  async #listens(address: string): Promise<boolean> {
    const [host = '', port = ''] = address.split(':');
    const script = `const s=require('node:net').connect(${port},'${host}',()=>process.exit(0));s.on('error',()=>process.exit(1))`;
    return (await this.node.run(process.execPath, ['-e', script])).code === 0;
  }

  async #get(address: string, path: string): Promise<number> {
    const script = `fetch('http://${address}${path}').then(r=>console.log(r.status),()=>console.log(0))`;
    return Number((await this.node.must(process.execPath, ['-e', script])).trim());
  }
}

/** The data plane that the environment variable TARGET names; the engine if it names none. */
function dataplane(): Dataplane {
  const { TARGET = 'engine' } = process.env;
  if (TARGET === 'engine' || TARGET === 'dpdk') return TARGET;
  throw new Error(`TARGET is ${TARGET}; it may be engine or dpdk`);
}

function podArgs(name: string, namespace: string): Record<string, string> {
  return { IgnoreUnknown: '1', K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name };
}

function podFile(namespace: string, name: string): string {
  return `0-pod-${namespace}-${name}.yaml`;
}

function reservedPorts(): string {
  return Object.values(ADDRESSES)
    .map((address) => address.split(':')[1])
    .join(',');
}
