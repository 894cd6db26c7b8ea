import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import type { Connected } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import type { OffloadClient } from '@infra-offload/infra-api';
import type { ClientSecurity } from '@infra-offload/tls-certs/grpc';
import type { Logger } from 'pino';
import { Attacher } from './cni/attacher.js';
import { CalicoServer, exposureOf } from './cni/calico-server.js';
import { PodProgrammer } from './cni/pod-programmer.js';
import { CniServer } from './cni/server.js';
import { type AgentConfig, felixSchema, policySourceOf } from './config/schema.js';
import { FelixSource } from './felix/felix-source.js';
import { checkHealth } from './health-client.js';
import { CniConfiguration } from './install/cni-configuration.js';
import { AttachmentStore } from './interfaces/attachment-store.js';
import { createPodInterfaces } from './interfaces/kinds.js';
import { LinkMonitor } from './interfaces/link-monitor.js';
import type { PodInterfaces } from './interfaces/pod-interfaces.js';
import { LinuxKernel, type NodeKernel } from './kernel/node-kernel.js';
import { NodeNetwork } from './kernel/node-network.js';
import { ClusterNodes } from './kubernetes/cluster-nodes.js';
import { ClusterRanges } from './kubernetes/cluster-ranges.js';
import { WatchedObjects } from './kubernetes/watched-objects.js';
import type { Loggers } from './log.js';
import { AgentMetrics } from './metrics.js';
import { HttpServer } from './monitoring/http-server.js';
import { ProxyHealth } from './monitoring/proxy-health.js';
import { Readiness, type ReadinessCheck } from './monitoring/readiness.js';
import { healthRoutes, monitoringRoutes } from './monitoring/routes.js';
import { PolicyFeed } from './policies/policy-feed.js';
import { HealthCheckPorts } from './services/health-check-ports.js';
import { ProxyMetrics } from './services/proxy-metrics.js';
import { ServiceFeed } from './services/service-feed.js';
import { connectManager, managerSecurity } from './sync/connection.js';
import { SyncProgress } from './sync/progress.js';
import { StatusBook } from './sync/status-book.js';
import { SyncClient } from './sync/sync-client.js';
import { WantedState } from './sync/wanted-state.js';

/** Links are looked at when they change; in between now and then, in case an event was missed. */
const idleLookMs = 10_000;
const retryLookMs = 1_000;

/** Calico's plugin asks each 5 s. */
const healthTimeoutMs = 2_000;

/** Where things are that nobody configures; other places in tests. */
export interface AgentPlaces {
  /** See `AttacherOptions`. */
  readonly resultCache?: string;
  /** That of the agent's network namespace if left out. */
  readonly kernel?: NodeKernel;
}

/** The whole agent: CNI, interfaces, services, and the connection to the manager. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #guard = new Guard((error) => this.#logger.error({ err: error }, 'internal error'));
  readonly #logger: Logger;
  readonly #manager: Connected<OffloadClient>;
  readonly #security: ClientSecurity;
  readonly #wanted = new WantedState();
  readonly #interfaces: PodInterfaces;
  readonly #store: AttachmentStore;
  readonly #sync: SyncClient;
  readonly #readiness: Readiness;
  readonly #attacher: Attacher;
  readonly #objects: WatchedObjects | undefined;
  readonly #nodes: ClusterNodes | undefined;
  readonly #ranges: ClusterRanges;
  readonly #kernel: NodeKernel;
  readonly #network: NodeNetwork;
  readonly #servicesLogger: Logger;
  readonly #policies: PolicyFeed | undefined;
  readonly #felix: FelixSource | undefined;
  readonly #links: LinkMonitor;
  readonly #metrics: AgentMetrics;
  readonly #cniServer: CniServer;
  readonly #cniConfiguration: CniConfiguration | undefined;
  readonly #progress = new SyncProgress();
  readonly #statuses: StatusBook;
  readonly #health: ProxyHealth;
  #calico: CalicoServer | undefined;
  #monitoring: HttpServer | undefined;
  #healthz: HttpServer | undefined;
  #services: ServiceFeed | undefined;
  #healthCheckPorts: HealthCheckPorts | undefined;
  #proxyMetrics: ProxyMetrics | undefined;
  /** Looks at links never overlap. */
  #look: Promise<void> = Promise.resolve();
  #isLookDue = false;
  #isStopping = false;
  #nextLook: NodeJS.Timeout | undefined;

  private constructor(
    config: AgentConfig,
    cniServer: CniServer,
    metrics: AgentMetrics,
    store: AttachmentStore,
    security: ClientSecurity,
    loggers: Loggers,
    places: AgentPlaces,
  ) {
    const wanted = this.#wanted;
    const { cniConfiguration: path, cniSocket: socketPath } = config;
    if (path !== undefined) {
      this.#cniConfiguration = new CniConfiguration({ path, socketPath, logger: loggers.of('cni') });
    }
    const { nodeName } = config;
    this.#config = config;
    this.#cniServer = cniServer;
    this.#metrics = metrics;
    this.#logger = loggers.of('agent');
    this.#security = security;
    this.#manager = connectManager(config.managerAddress, security.credentials);
    this.#interfaces = createPodInterfaces(config, loggers.of('interfaces'));
    this.#store = store;
    const statuses = new StatusBook(loggers.of('sync'));
    this.#statuses = statuses;
    const { onApplied, onStreamEnd } = this.#metrics;
    const { client } = this.#manager;
    this.#sync = new SyncClient({
      client,
      nodeName,
      wanted,
      statuses,
      progress: this.#progress,
      logger: loggers.of('sync'),
      onApplied,
      onStreamEnd,
    });
    this.#servicesLogger = loggers.of('services');
    this.#objects = WatchedObjects.open(config, this.#servicesLogger);
    if (this.#objects !== undefined && policySourceOf(config) === 'kubernetes') {
      const { source, origin } = this.#objects;
      const logger = loggers.of('policies');
      this.#policies = new PolicyFeed({ source, nodeName, isComplete: origin === 'api', wanted, logger });
    }
    if (policySourceOf(config) === 'felix') {
      this.#felix = new FelixSource({
        ...felixSchema.parse(config.felix ?? {}),
        wanted,
        progress: this.#progress,
        statuses,
        registry: metrics.registry,
        logger: loggers.of('policies'),
        onSynced: () => this.#startSync(),
      });
    }
    this.#attacher = new Attacher({
      interfaces: this.#interfaces,
      store,
      pods: new PodProgrammer({
        client,
        sync: this.#sync,
        wanted,
        statuses,
        policies: this.#policies ?? this.#felix?.policies,
        logger: loggers.of('sync'),
      }),
      mtu: config.mtu,
      logger: loggers.of('cni'),
      resultCache: places.resultCache,
    });
    this.#kernel = places.kernel ?? new LinuxKernel(this.#logger);
    this.#nodes =
      this.#objects && new ClusterNodes(this.#objects.source.nodes, nodeName, () => this.#onNodesChanged());
    this.#ranges = new ClusterRanges({
      config,
      objects: this.#objects,
      hasPodCidrs: () => config.podCidrs.length > 0 || (this.#nodes?.own()?.podCidrs.length ?? 0) > 0,
      logger: this.#logger,
      onChange: () => this.#onNodesChanged(),
    });
    this.#network = new NodeNetwork({
      config,
      interfaces: this.#interfaces,
      nodes: this.#nodes,
      ranges: this.#ranges,
      wanted,
      kernel: this.#kernel,
      logger: this.#logger,
    });
    this.#health = new ProxyHealth({
      pendingSince: () => this.#progress.pendingSince,
      lastApplied: () => this.#progress.lastApplied,
      isLeaving: () => this.#nodes?.isLeaving ?? false,
      registry: metrics.registry,
    });
    this.#readiness = this.#makeReadiness();
    this.#links = new LinkMonitor(() => this.#scheduleLook(), loggers.of('interfaces'));
    this.#metrics.observe({
      interfaces: this.#interfaces,
      sync: this.#sync,
      statuses,
      wantedObjects: () => wanted.size,
      apiOutage: () => this.#objects?.outage,
      certificates: () => this.#security.source,
      sourceProblems: () =>
        this.#objects && { origin: this.#objects.origin, count: this.#objects.problemCount },
    });
  }

  /**
   * Starts everything. Pods of an earlier run are taken over before the manager hears anything, since what the first
   * snapshot does not name is dropped. The target's interfaces and the manager may come later.
   *
   * @throws AgentError if configuration, state directory or sockets cannot be used; nothing keeps running then.
   */
  static async start(config: AgentConfig, loggers: Loggers, places: AgentPlaces = {}): Promise<Agent> {
    const security = managerSecurity(config, loggers.of('sync'));
    const metrics = new AgentMetrics();
    // First of all: it is what keeps a second agent from the state directory and the interfaces.
    const cniServer = await CniServer.start({
      socketPath: config.cniSocket,
      logger: loggers.of('cni'),
      levels: loggers.levels,
      onRequest: metrics.onRequest,
    });
    let agent: Agent | undefined;
    try {
      const directory = join(config.stateDirectory, config.interfaceType);
      const store = await AttachmentStore.open(directory, loggers.of('interfaces'));
      agent = new Agent(config, cniServer, metrics, store, security, loggers, places);
      await agent.#start(loggers);
      return agent;
    } catch (error) {
      await (agent ?? cniServer).stop();
      security.source?.close();
      throw error;
    }
  }

  async #start(loggers: Loggers): Promise<void> {
    const { nodeName, managerAddress, cniSocket, monitoringAddress, healthzAddress, calico } = this.#config;
    const logger = loggers.of('monitoring');
    const readiness = this.#readiness;
    this.#monitoring = await HttpServer.start({
      name: 'monitoringAddress',
      address: monitoringAddress,
      routes: monitoringRoutes({
        registry: this.#metrics.registry,
        health: this.#health,
        levels: loggers.levels,
        readiness,
        calicoProblems: () => this.#calicoProblems(),
      }),
      logger,
    });
    if (healthzAddress !== undefined) {
      const routes = healthRoutes(this.#health, readiness);
      this.#healthz = await HttpServer.start({
        name: 'healthzAddress',
        address: healthzAddress,
        routes,
        logger,
      });
    }
    if (calico !== undefined) {
      const { onRequest } = this.#metrics;
      this.#calico = await CalicoServer.start({ ...calico, logger: loggers.of('cni'), onRequest });
    }
    await this.#attacher.recover();
    await this.#felix?.start();
    await this.#objects?.start(() => this.#onObjectsKnown());
    this.#links.start();
    this.#scheduleLook();
    await this.#look;
    this.#cniServer.serve(this.#attacher);
    this.#calico?.serve(this.#attacher);
    const monitoring = this.monitoringAddress;
    this.#logger.info(
      { node: nodeName, manager: managerAddress, socket: cniSocket, calico: this.calicoAddress, monitoring },
      'infra-agent runs',
    );
  }

  /** Where /metrics and the health checks are served. */
  get monitoringAddress(): string {
    return this.#monitoring?.address ?? '';
  }

  /** Where load balancers ask for the node's health; undefined if there is no such place. */
  get healthzAddress(): string | undefined {
    return this.#healthz?.address;
  }

  /** Where Calico is served; undefined if it is not. */
  get calicoAddress(): string | undefined {
    return this.#calico?.address;
  }

  /** What keeps pods from being attached; empty if nothing does. */
  problems(): readonly string[] {
    return this.#readiness.problems();
  }

  #makeReadiness(): Readiness {
    const { calico } = this.#config;
    const checks: ReadinessCheck[] = [
      {
        reason: 'host_interface',
        problem: () =>
          this.#network.isUp ? undefined : `${this.#interfaces.hostInterfaceLabel} is not there yet`,
      },
      { reason: 'kernel', problem: () => this.#kernel.problem, isWarning: true },
      { reason: 'certificates', problem: () => this.#security.source?.problem },
      { reason: 'state', problem: () => this.#store.problem },
      { reason: 'kubernetes_api', problem: () => this.#objects?.whyNotServed() },
      { reason: 'felix', problem: () => this.#felix?.whyNotSynced() },
      { reason: 'manager', problem: () => this.#sync.whyNotSynchronised() },
      { reason: 'calico_tcp', problem: () => calico && exposureOf(calico.listen), isWarning: true },
    ];
    return new Readiness(checks, this.#metrics.registry);
  }

  /** What keeps pods of Calico from being served; empty if nothing does. */
  async #calicoProblems(): Promise<string[]> {
    const calico = this.#calico;
    if (calico === undefined) return ['Calico is not served: the configuration has no `calico`'];
    const [manager, own] = await Promise.all([
      checkHealth(this.#config.managerAddress, this.#security.credentials, healthTimeoutMs),
      checkHealth(calico.address, credentials.createInsecure(), healthTimeoutMs),
    ]);
    const problems: string[] = [];
    if (!manager.serving) problems.push(`infra-manager does not serve: ${manager.reason}`);
    if (!own.serving) problems.push(`${calico.address} does not serve: ${own.reason}`);
    return [...problems, ...this.#unknown()];
  }

  /** Why the first snapshot cannot be made yet, as far as it comes from elsewhere. */
  #unknown(): string[] {
    return [this.#objects?.whyNotSynced(), this.#felix?.whyNotSynced()].filter(
      (reason) => reason !== undefined,
    );
  }

  /** Ends what runs and lets CNI calls finish. Pods keep their interfaces, and the data plane goes on. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#links.stop();
    clearTimeout(this.#nextLook);
    await this.#look;
    await Promise.all([this.#cniServer.stop(), this.#calico?.stop()]);
    this.#services?.stop();
    this.#policies?.stop();
    await this.#felix?.stop();
    this.#proxyMetrics?.stop();
    await this.#healthCheckPorts?.stop();
    this.#nodes?.stop();
    this.#ranges.stop();
    await this.#objects?.stop();
    this.#sync.stop();
    this.#manager.close();
    this.#security.source?.close();
    await Promise.all([this.#monitoring?.stop(), this.#healthz?.stop()]);
  }

  #scheduleLook(): void {
    if (this.#isLookDue || this.#isStopping) return;
    this.#isLookDue = true;
    clearTimeout(this.#nextLook);
    this.#look = this.#look.then(async () => {
      this.#isLookDue = false;
      let isWell = false;
      try {
        await this.#lookAtLinks();
        isWell = this.#network.isUp && this.#store.problem === undefined;
      } catch (error) {
        this.#logger.error({ reason: messageOf(error) }, 'interfaces cannot be brought in order');
      }
      if (this.#isStopping) return;
      this.#nextLook = setTimeout(
        this.#guard.handler(() => this.#scheduleLook()),
        isWell ? idleLookMs : retryLookMs,
      );
    });
  }

  /** Brings the node's interface and the pods' in order, at start and when the target has made them anew. */
  async #lookAtLinks(): Promise<void> {
    const outside = this.#objects === undefined ? [] : this.#services?.outside;
    await this.#network.look(this.#objects?.source.hasSynced ?? false, outside);
    this.#startSync();
    await this.#attacher.repair();
    if (this.problems().length === 0) await this.#cniConfiguration?.update(this.#podCidrs());
  }

  /** The node's own ranges: as the cluster says, else as configured. */
  #podCidrs(): readonly string[] {
    const { podCidrs = [] } = this.#nodes?.own() ?? {};
    return podCidrs.length > 0 ? podCidrs : this.#config.podCidrs;
  }

  #onObjectsKnown(): void {
    const { source } = this.#objects ?? {};
    if (source === undefined || this.#isStopping) return;
    const { nodeName } = this.#config;
    const logger = this.#servicesLogger;
    this.#policies?.start();
    const services = new ServiceFeed({
      source,
      nodeName,
      reach: this.#network.reach,
      wanted: this.#wanted,
      onOutsideChanged: () => this.#scheduleLook(),
      logger,
    });
    this.#services = services;
    this.#proxyMetrics = new ProxyMetrics({
      source,
      progress: this.#progress,
      services: () => services.services(),
      isDegraded: (key) => this.#statuses.isDegraded(key),
      registry: this.#metrics.registry,
    });
    const isProxyHealthy = () => this.#health.isHealthy;
    this.#healthCheckPorts = new HealthCheckPorts({ source, nodeName, isProxyHealthy, logger });
    this.#ranges.start();
    this.#scheduleLook();
    this.#startSync();
  }

  #onNodesChanged(): void {
    this.#services?.setReach(this.#network.reach);
    this.#network.announce();
    this.#scheduleLook();
  }

  /**
   * The manager drops what the first snapshot does not name, and with it the flows of running pods; so there is none
   * before everything is known that belongs into it.
   */
  #startSync(): void {
    const areServicesKnown = this.#objects === undefined || this.#services !== undefined;
    const arePoliciesKnown = this.#felix === undefined || this.#felix.isKnown;
    if (this.#network.isKnown && areServicesKnown && arePoliciesKnown) this.#sync.start();
  }
}
