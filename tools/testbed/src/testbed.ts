import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CniCall, type CniResult, cniResult, runPlugin } from './cni.js';
import { agentConfig, cniConfig, managerConfig, softswitchConfig } from './configs.js';
import { addresses, Layout, programs } from './layout.js';
import { toYaml } from './manifests.js';
import { NetworkNamespace } from './netns.js';
import { PodProcess } from './pod-process.js';
import { ServiceProcess } from './service-process.js';
import { type CommandResult, eventually, run } from './shell.js';
import { entriesOutput, type ManagerEntry, type ManagerStatus, statusOutput } from './status.js';

export interface TestbedOptions {
  /** TAP ports of the softswitch; one of them is the host's. 9 if left out. */
  readonly tapCount?: number;
  /** Seconds that the manager keeps an endpoint after it left a TCP service. */
  readonly drainSeconds?: number;
}

/** A pod: a network namespace attached through CNI, with a process inside that serves and asks. */
export interface TestPod {
  readonly name: string;
  readonly ip: string;
  readonly mac: string;
  readonly containerId: string;
  readonly namespace: NetworkNamespace;
  readonly process: PodProcess;
  readonly result: CniResult;
  /** Milliseconds that CNI ADD took. */
  readonly addMs: number;
}

export interface AddPodOptions {
  /** Asks IPAM for this address. */
  readonly ip?: string;
}

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
  #containers = 0;

  private constructor(
    readonly id: string,
    readonly node: NetworkNamespace,
    directory: string,
    options: TestbedOptions,
  ) {
    this.layout = new Layout(directory);
    mkdirSync(this.layout.manifests);
    mkdirSync(this.layout.logs);
    this.softswitch = this.#process('softswitch', programs.softswitch, softswitchConfig(options.tapCount ?? 9));
    this.manager = this.#process('manager', programs.manager, managerConfig(this.layout, options.drainSeconds));
    this.agent = this.#process('agent', programs.agent, agentConfig(this.layout));
  }

  /** Starts everything, or cleans up and says why not. */
  static async start(options: TestbedOptions = {}): Promise<Testbed> {
    if (process.getuid?.() !== 0) throw new Error('network namespaces and TAP devices need root; run as root or with sudo');
    const id = randomBytes(3).toString('hex');
    const node = await NetworkNamespace.create(`iof-${id}-node`);
    const testbed = new Testbed(id, node, mkdtempSync(join(tmpdir(), 'infra-offload-')), options);
    try {
      await testbed.startSoftswitch();
      await testbed.startManager();
      await testbed.startAgent();
      return testbed;
    } catch (error) {
      await testbed.stop();
      throw error;
    }
  }

  startSoftswitch(): Promise<void> {
    // Ready when it serves P4Runtime and has made the host's TAP.
    return this.softswitch.start(async () => (await this.#listens(addresses.p4runtime)) && (await this.#listens(addresses.gnmi)));
  }

  startManager(): Promise<void> {
    return this.manager.start(async () => {
      const { target } = await this.status();
      return target.connected && target.primary;
    });
  }

  startAgent(): Promise<void> {
    return this.agent.start(async () => (await this.#get(addresses.agentHttp, '/readyz')) === 200);
  }

  /** Attaches a new pod as a container runtime does. */
  async addPod(name: string, { ip }: AddPodOptions = {}): Promise<TestPod> {
    const namespace = await NetworkNamespace.create(`iof-${this.id}-${name}`);
    const containerId = `${this.id}-${name}-${++this.#containers}`;
    const call = { containerId, netns: namespace.path, interfaceName: 'eth0', args: podArgs(name) };
    try {
      const started = performance.now();
      const { code, stdout, stderr } = await this.cni({ command: 'ADD', ...call }, ip);
      const addMs = performance.now() - started;
      if (code !== 0) throw new Error(`CNI ADD of pod ${name}: ${stdout.trim() || stderr.trim()}`);
      const result = cniResult.parse(JSON.parse(stdout));
      const address = result.ips[0]?.address.split('/')[0];
      const mac = result.interfaces.find((candidate) => candidate.sandbox)?.mac;
      if (!address || !mac) throw new Error(`CNI ADD of pod ${name} gave no address or MAC: ${stdout.trim()}`);
      const pod: TestPod = {
        name,
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
  async removePod(pod: TestPod, { namespaceFirst = false }: { namespaceFirst?: boolean } = {}): Promise<void> {
    await pod.process.stop();
    if (namespaceFirst) await pod.namespace.remove();
    const { containerId } = pod;
    const { code, stdout } = await this.cni({
      command: 'DEL',
      containerId,
      netns: pod.namespace.path,
      interfaceName: 'eth0',
      args: podArgs(pod.name),
    });
    await pod.namespace.remove();
    this.pods.delete(pod.name);
    if (code !== 0) throw new Error(`CNI DEL of pod ${pod.name}: ${stdout.trim()}`);
  }

  /** Runs infra-cni on the node. */
  cni(call: CniCall, ip?: string): Promise<CommandResult> {
    return runPlugin(this.node, programs.cni, call, JSON.stringify(cniConfig(this.layout, ip)));
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

  async status({ all = false } = {}): Promise<ManagerStatus> {
    return statusOutput.parse(JSON.parse(await this.#infractl(['status', ...(all ? ['--all'] : [])])));
  }

  async entries(...options: string[]): Promise<ManagerEntry[]> {
    return entriesOutput.parse(JSON.parse(await this.#infractl(['entries', ...options])));
  }

  /** Waits until the manager says that exactly these numbers of endpoints are programmed for a service port. */
  async programmed(servicePort: string, endpoints: number): Promise<void> {
    await eventually(`service ${servicePort} with ${endpoints} endpoints is programmed`, async () => {
      const entries = await this.entries('--object', `service/${servicePort}`);
      const members = entries.filter((entry) => entry.table.endsWith('endpoint_selector'));
      const { objects } = await this.status({ all: true });
      const object = objects.find((candidate) => candidate.object.name === servicePort);
      if (object?.state !== 'PROGRAMMED' || !entries.every((entry) => entry.installed)) return undefined;
      return memberCount(members) === endpoints || undefined;
    });
  }

  /** Tables and counters of the device that are not empty, by name. */
  async tableSizes(): Promise<Map<string, number>> {
    const { tables } = await this.status();
    return new Map(tables.filter((table) => table.entries > 0).map((table) => [table.name, table.entries]));
  }

  /** Packets that the pipeline dropped, by reason. */
  async drops(): Promise<Map<string, number>> {
    const { counters } = await this.status();
    return new Map(
      counters.filter((counter) => counter.name.endsWith('drop_counter')).map((counter) => [counter.index, counter.packets]),
    );
  }

  /** Ends and removes all that the testbed made; never throws. */
  async stop(): Promise<void> {
    for (const pod of this.pods.values()) {
      await pod.process.stop();
      await pod.namespace.remove();
    }
    for (const process of [this.agent, this.manager, this.softswitch]) await process.stop();
    await this.node.remove();
    rmSync(this.layout.directory, { recursive: true, force: true });
  }

  #process(name: string, script: string, config: string): ServiceProcess {
    writeFileSync(this.layout.config(name), config);
    return new ServiceProcess(name, this.node, script, ['--config', this.layout.config(name)], this.layout.log(name));
  }

  async #infractl(args: readonly string[]): Promise<string> {
    return this.node.must(process.execPath, [programs.infractl, '--manager', addresses.manager, '-o', 'json', ...args]);
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

function podArgs(name: string): Record<string, string> {
  return { IgnoreUnknown: '1', K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: name };
}
