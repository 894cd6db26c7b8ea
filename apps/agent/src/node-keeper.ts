import { Lifecycle } from '@infra-offload/service';
import type { AgentConfig } from './config/schema.js';
import { CniConfiguration } from './install/cni-configuration.js';
import type { AttachmentStore } from './interfaces/attachment-store.js';
import { LinkMonitor } from './interfaces/link-monitor.js';
import type { Loggers } from './log.js';
import type { AgentMetrics } from './metrics.js';
import type { AgentParts } from './parts.js';
import { PeriodicLook } from './periodic-look.js';
import { HealthCheckPorts } from './services/health-check-ports.js';
import { ProxyMetrics } from './services/proxy-metrics.js';
import { ServiceFeed } from './services/service-feed.js';

export interface NodeKeeperOptions {
  readonly config: AgentConfig;
  readonly loggers: Loggers;
  readonly metrics: AgentMetrics;
  readonly store: AttachmentStore;
  readonly parts: AgentParts;
  /** What keeps pods from being attached; empty if nothing does. */
  readonly problems: () => readonly string[];
}

/** Keeps the links of node and pods in order, and begins with services and with the manager when enough is known. */
export class NodeKeeper {
  readonly #options: NodeKeeperOptions;
  readonly #look: PeriodicLook;
  readonly #links: LinkMonitor;
  readonly #cniConfiguration: CniConfiguration | undefined;
  /** Of what begins when the objects of the cluster are known. */
  readonly #lifecycle = new Lifecycle();
  #services: ServiceFeed | undefined;

  constructor(options: NodeKeeperOptions) {
    const { config, loggers } = options;
    const { cniConfiguration: path, cniSocket: socketPath } = config;
    this.#options = options;
    this.#look = new PeriodicLook(() => this.#lookAtLinks(), loggers.agent);
    this.#links = new LinkMonitor(() => this.#look.request(), loggers.interfaces);
    if (path !== undefined) {
      this.#cniConfiguration = new CniConfiguration({ path, socketPath, logger: loggers.cni });
    }
  }

  /** Follows the links, after a first look at them. @returns what stops that */
  async followLinks(): Promise<() => Promise<void>> {
    this.#links.start();
    this.#look.request();
    await this.#look.settled();
    return async () => {
      this.#links.stop();
      await this.#look.stop();
    };
  }

  /** To be called when the objects of the cluster are known. */
  onObjectsKnown(): void {
    const { config, loggers, metrics, parts } = this.#options;
    const { objects, wanted, progress, statuses, health, network, policies, ranges } = parts;
    if (objects === undefined || this.#lifecycle.isStopping) return;
    const { source } = objects;
    const { nodeName } = config;
    const logger = loggers.services;
    policies?.start();
    const isProxyHealthy = () => health.isHealthy;
    const services = new ServiceFeed({
      source,
      nodeName,
      reach: network.reach,
      wanted,
      onOutsideChanged: () => this.#look.request(),
      logger,
    });
    const proxyMetrics = new ProxyMetrics({
      source,
      progress,
      services: () => services.services(),
      isDegraded: (key) => statuses.isDegraded(key),
      registry: metrics.registry,
    });
    const healthCheckPorts = new HealthCheckPorts({ source, nodeName, isProxyHealthy, logger });
    this.#services = services;
    this.#lifecycle.add(() => healthCheckPorts.stop());
    this.#lifecycle.add(() => proxyMetrics.stop());
    this.#lifecycle.add(() => services.stop());
    ranges.start();
    this.#look.request();
    this.startSync();
  }

  /** To be called when nodes, or ranges of the cluster, have changed. */
  onNodesChanged(): void {
    const { network } = this.#options.parts;
    this.#services?.setReach(network.reach);
    network.announce();
    this.#look.request();
  }

  /**
   * The manager drops what the first snapshot does not name, and with it the flows of running pods; so there is none
   * before everything is known that belongs into it.
   */
  startSync(): void {
    const { network, objects, felix, sync } = this.#options.parts;
    const areServicesKnown = objects === undefined || this.#services !== undefined;
    const arePoliciesKnown = felix === undefined || felix.isKnown;
    if (network.isKnown && areServicesKnown && arePoliciesKnown) sync.start();
  }

  /** Ends what has begun with the objects of the cluster. */
  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }

  /** Brings the node's interface and the pods' in order, at start and when the target has made them anew. */
  async #lookAtLinks(): Promise<boolean> {
    const { parts, store, problems } = this.#options;
    const { network, objects, attacher } = parts;
    const outside = objects === undefined ? [] : this.#services?.outside;
    await network.look(objects?.source.hasSynced ?? false, outside);
    this.startSync();
    await attacher.repair();
    if (problems().length === 0) await this.#cniConfiguration?.update(this.#podCidrs());
    return network.isUp && store.problem === undefined;
  }

  /** The node's own ranges: as the cluster says, else as configured. */
  #podCidrs(): readonly string[] {
    const { config, parts } = this.#options;
    const { podCidrs = [] } = parts.nodes?.own() ?? {};
    return podCidrs.length > 0 ? podCidrs : config.podCidrs;
  }
}
