import type { CniResult } from './cni.js';
import type { PipelineKind, ServiceSource } from './configs.js';
import type { Layout } from './layout.js';
import type { NetworkNamespace } from './netns.js';
import type { PodProcess } from './pod-process.js';
import type { Program } from './service-process.js';

/** Settings of the agent instead of the testbed's own; undefined takes one away. */
export type AgentSettings = Readonly<Record<string, unknown>>;

/** Programs to run instead of those built here. */
export interface TestbedPrograms {
  readonly agent?: Program;
  readonly manager?: Program;
  readonly softswitch?: Program;
  readonly cni?: string;
}

export interface TestbedOptions {
  /** TAP ports of the softswitch; one of them is the host's. 9 if left out. */
  readonly tapCount?: number;
  /** Addresses of servers beside those of one node. */
  readonly certificateNames?: readonly string[];
  /** The P4 program. `dpdk` if left out; `es2k` takes one more TAP, for the ARP proxy. */
  readonly pipeline?: PipelineKind;
  /** Settings below `dataPlane` of the manager. */
  readonly dataPlane?: Readonly<Record<string, unknown>>;
  /** `api`: the manifests reach the agent through a Kubernetes API server. `manifests` if left out. */
  readonly source?: ServiceSource;
  /** Where pods get their addresses from. 10.244.0.0/24 if left out. */
  readonly podCidr?: string;
  /** Instead of the testbed's own. */
  readonly agent?: AgentSettings | ((layout: Layout) => AgentSettings);
  readonly programs?: TestbedPrograms | ((layout: Layout) => TestbedPrograms);
  /** Manifest files that are there from the start. */
  readonly manifests?: Readonly<Record<string, readonly object[]>>;
}

/** A pod: a network namespace attached through CNI, with a process inside that serves and asks. */
export interface TestPod {
  readonly name: string;
  /** As Kubernetes knows it. */
  readonly podNamespace: string;
  readonly podName: string;
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
  /** Kubernetes namespace; `default` if left out. */
  readonly podNamespace?: string;
  /** Kubernetes name, if it is not the name on the testbed. */
  readonly podName?: string;
}
