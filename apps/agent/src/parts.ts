import type { Connected } from '@infra-offload/grpc';
import type { OffloadClient } from '@infra-offload/infra-api';
import type { Lifecycle } from '@infra-offload/service';
import type { ClientSecurity } from '@infra-offload/tls-certs/grpc';
import { Attacher } from './cni/attacher.js';
import { PodProgrammer } from './cni/pod-programmer.js';
import { type AgentConfig, felixSchema, policySourceOf } from './config/schema.js';
import { FelixSource } from './felix/felix-source.js';
import type { AttachmentStore } from './interfaces/attachment-store.js';
import { createPodInterfaces } from './interfaces/kinds.js';
import type { PodInterfaces } from './interfaces/pod-interfaces.js';
import { LinuxKernel, type NodeKernel } from './kernel/node-kernel.js';
import { NodeNetwork } from './kernel/node-network.js';
import { ClusterNodes } from './kubernetes/cluster-nodes.js';
import { ClusterRanges } from './kubernetes/cluster-ranges.js';
import { WatchedObjects } from './kubernetes/watched-objects.js';
import type { Loggers } from './log.js';
import type { AgentMetrics } from './metrics.js';
import { ProxyHealth } from './monitoring/proxy-health.js';
import { PolicyFeed } from './policies/policy-feed.js';
import { connectManager } from './sync/connection.js';
import { SyncProgress } from './sync/progress.js';
import { StatusBook } from './sync/status-book.js';
import { SyncClient } from './sync/sync-client.js';
import { WantedState } from './sync/wanted-state.js';

/** Where things are that nobody configures; other places in tests. */
export interface AgentPlaces {
  /** See `AttacherOptions`. */
  readonly resultCache?: string;
  /** That of the agent's network namespace if left out. */
  readonly kernel?: NodeKernel;
}

/** What parts are made of that need a start of their own, and what they are told about. */
export interface PartsContext {
  readonly config: AgentConfig;
  readonly loggers: Loggers;
  readonly places: AgentPlaces;
  readonly security: ClientSecurity;
  readonly metrics: AgentMetrics;
  readonly store: AttachmentStore;
  readonly onNodesChanged: () => void;
  /** Felix has told everything. */
  readonly onFelixSynced: () => void;
}

/** The parts of the agent. Those with a `start` have not been started. */
export interface AgentParts {
  readonly wanted: WantedState;
  readonly statuses: StatusBook;
  readonly progress: SyncProgress;
  readonly manager: Connected<OffloadClient>;
  readonly sync: SyncClient;
  readonly interfaces: PodInterfaces;
  readonly attacher: Attacher;
  /** Undefined without a source of services. */
  readonly objects: WatchedObjects | undefined;
  readonly nodes: ClusterNodes | undefined;
  readonly ranges: ClusterRanges;
  readonly kernel: NodeKernel;
  readonly network: NodeNetwork;
  /** From NetworkPolicies, if policies come from there. */
  readonly policies: PolicyFeed | undefined;
  readonly felix: FelixSource | undefined;
  readonly health: ProxyHealth;
}

/** Makes the parts; what stops them is on the stack, the connection to the manager lowest. */
export function makeParts(lifecycle: Lifecycle, context: PartsContext): AgentParts {
  const { config, loggers, places, security, metrics, store, onNodesChanged, onFelixSynced } = context;
  const { nodeName } = config;
  const wanted = new WantedState();
  const progress = new SyncProgress();
  const statuses = new StatusBook(loggers.sync);
  const interfaces = createPodInterfaces(config, loggers.interfaces);
  const manager = connectManager(config.managerAddress, security.credentials);
  lifecycle.add(() => manager.close());
  const { client } = manager;
  const { onApplied, onStreamEnd } = metrics;
  const sync = new SyncClient({
    client,
    nodeName,
    wanted,
    statuses,
    progress,
    logger: loggers.sync,
    onApplied,
    onStreamEnd,
  });
  lifecycle.add(() => sync.stop());
  const objects = WatchedObjects.open(config, loggers.services);
  lifecycle.add(() => objects?.stop());
  const ranges = new ClusterRanges({
    config,
    objects,
    hasPodCidrs: () => config.podCidrs.length > 0 || (nodes?.own()?.podCidrs.length ?? 0) > 0,
    logger: loggers.agent,
    onChange: onNodesChanged,
  });
  lifecycle.add(() => ranges.stop());
  const nodes = objects && new ClusterNodes(objects.source.nodes, nodeName, onNodesChanged);
  lifecycle.add(() => nodes?.stop());
  const felix =
    policySourceOf(config) === 'felix'
      ? new FelixSource({
          ...felixSchema.parse(config.felix ?? {}),
          wanted,
          progress,
          statuses,
          registry: metrics.registry,
          logger: loggers.policies,
          onSynced: onFelixSynced,
        })
      : undefined;
  lifecycle.add(() => felix?.stop());
  const policies =
    objects !== undefined && policySourceOf(config) === 'kubernetes'
      ? new PolicyFeed({
          source: objects.source,
          nodeName,
          isComplete: objects.origin === 'api',
          wanted,
          logger: loggers.policies,
        })
      : undefined;
  lifecycle.add(() => policies?.stop());
  const attacher = new Attacher({
    interfaces,
    store,
    pods: new PodProgrammer({
      client,
      sync,
      wanted,
      statuses,
      policies: policies ?? felix?.policies,
      logger: loggers.sync,
    }),
    mtu: config.mtu,
    logger: loggers.cni,
    resultCache: places.resultCache,
  });
  const kernel = places.kernel ?? new LinuxKernel(loggers.agent);
  const network = new NodeNetwork({
    config,
    interfaces,
    nodes,
    ranges,
    wanted,
    kernel,
    logger: loggers.agent,
  });
  const health = new ProxyHealth({
    pendingSince: () => progress.pendingSince,
    lastApplied: () => progress.lastApplied,
    isLeaving: () => nodes?.isLeaving ?? false,
    registry: metrics.registry,
  });
  metrics.observe({
    interfaces,
    sync,
    statuses,
    wantedObjects: () => wanted.size,
    apiOutage: () => objects?.outage,
    certificates: () => security.source,
    sourceProblems: () => objects && { origin: objects.origin, count: objects.problemCount },
  });
  return {
    wanted,
    statuses,
    progress,
    manager,
    sync,
    interfaces,
    attacher,
    objects,
    nodes,
    ranges,
    kernel,
    network,
    policies,
    felix,
    health,
  };
}
