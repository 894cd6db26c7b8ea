import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FakeApiServer } from '@infra-offload/k8s-watch/testing';
import { Agent } from '../agent.js';
import { runPlugin } from '../cni/plugin.js';
import { type AgentConfig, configSchema } from '../config/schema.js';
import { createLoggers } from '../log.js';
import { FakeKernel } from './fake-kernel.js';
import { FakeManager } from './fake-manager.js';
import { eventually, TestNetwork } from './network.js';

/** A result or an error of the plugin. */
export interface PluginJson {
  readonly code?: number;
  readonly msg?: string;
  readonly interfaces?: readonly { readonly name: string; readonly mac: string }[];
  readonly ips?: readonly { readonly address: string }[];
  readonly routes?: readonly { readonly dst: string; readonly gw: string }[];
}

export interface PluginResult {
  readonly exitCode: number;
  /** Standard output; undefined if there was none. */
  readonly json: PluginJson | undefined;
}

export interface PluginRun {
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  readonly args?: string;
  /** Over the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A fake manager, an agent and a network, with infra-cni run in this process. */
export class Harness {
  readonly network = new TestNetwork();
  readonly manager = new FakeManager();
  readonly log: { level: number; msg: string; [key: string]: unknown }[] = [];
  /** In place of this machine's kernel, which other tests use, too. */
  readonly kernel = new FakeKernel();
  agent: Agent | undefined;

  get socket(): string {
    return join(this.network.directory, 'run', 'cni.sock');
  }

  get manifests(): string {
    return join(this.network.directory, 'manifests');
  }

  /** Makes the manager, TAPs 0 to `taps` - 1 and the agent, and waits until it is ready. */
  async start(taps: number, settings: Readonly<Record<string, unknown>> = {}): Promise<this> {
    mkdirSync(this.manifests, { recursive: true });
    await this.manager.start();
    this.network.addTaps(taps);
    await this.startAgent(settings);
    await eventually(() => this.agent?.problems().length === 0, `ready: ${this.agent?.problems()}`);
    return this;
  }

  config(settings: Readonly<Record<string, unknown>> = {}): AgentConfig {
    const config = configSchema.parse({
      managerAddress: this.manager.address,
      tls: { mode: 'insecure' },
      tapPrefix: this.network.prefix,
      cniSocket: this.socket,
      stateDirectory: join(this.network.directory, 'state'),
      manifestsDirectory: this.manifests,
      monitoring: { listen: '127.0.0.1:0' },
      ...settings,
    });
    return { ...config, nodeName: 'node-1' };
  }

  /** Settings of an agent that watches an API server, and reads no manifests. */
  watching(api: FakeApiServer, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const kubeconfig = join(this.network.directory, 'kubeconfig');
    writeFileSync(kubeconfig, api.kubeconfig());
    return { manifestsDirectory: undefined, kubernetes: { kubeconfig }, ...more };
  }

  async startAgent(settings: Readonly<Record<string, unknown>> = {}): Promise<Agent> {
    const destination = { write: (line: string) => void this.log.push(JSON.parse(line)) };
    const loggers = createLoggers({ level: 'debug', modules: {} }, destination);
    this.agent = await Agent.start(this.config(settings), loggers, {
      resultCache: join(this.network.directory, 'cni', 'results'),
      kernel: this.kernel,
    });
    return this.agent;
  }

  /** Runs infra-cni; with host-local for addresses unless `config` says otherwise. */
  async cni(command: string, run: PluginRun = {}): Promise<PluginResult> {
    const { output, exitCode } = await runPlugin(this.env(command, run), this.stdin(run));
    return { exitCode, json: output === '' ? undefined : JSON.parse(output) };
  }

  env(command: string, run: PluginRun): Record<string, string> {
    return {
      CNI_COMMAND: command,
      CNI_CONTAINERID: run.containerId ?? 'c1',
      CNI_NETNS: run.netns ?? '',
      CNI_IFNAME: run.ifname ?? 'eth0',
      CNI_ARGS: run.args ?? '',
      CNI_PATH: '/usr/lib/cni:/opt/cni/bin',
      ...run.env,
    };
  }

  stdin(run: PluginRun): string {
    return JSON.stringify({
      cniVersion: '1.0.0',
      name: 'pods',
      type: 'infra-cni',
      socket: this.socket,
      ipam: {
        type: 'host-local',
        dataDir: join(this.network.directory, 'ipam'),
        ranges: [[{ subnet: '10.244.7.0/24' }]],
      },
      ...run.config,
    });
  }

  /** Addresses that host-local has given away. */
  leases(): string[] {
    const directory = join(this.network.directory, 'ipam', 'pods');
    return existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith('10.')) : [];
  }

  /** Names of the files in which the agent keeps what it has attached. */
  stateFiles(): string[] {
    return readdirSync(join(this.network.directory, 'state', 'tap'));
  }

  /** What pods may have left behind; interfaces in the pool are none of it. */
  leftOver(): { leases: number; stateFiles: number; pods: number; freeTaps: number } {
    return {
      leases: this.leases().length,
      stateFiles: this.stateFiles().length,
      pods: this.manager.pods.size,
      freeTaps: this.network.taps().length,
    };
  }

  async stop(): Promise<void> {
    try {
      await this.agent?.stop();
    } finally {
      this.manager.kill();
      this.network.cleanUp();
    }
  }
}

/** What {@link Harness.leftOver} says when there is nothing of any pod, and so many interfaces can be given out. */
export const nothingBut = (freeTaps: number) => ({ leases: 0, stateFiles: 0, pods: 0, freeTaps });
