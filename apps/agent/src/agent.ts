import { join } from 'node:path';
import type { OffloadClient } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { Attacher } from './cni/attacher.js';
import { CniServer } from './cni/server.js';
import type { AgentConfig, LogModule } from './config/schema.js';
import { messageOf } from './errors.js';
import { AttachmentStore } from './interfaces/attachment-store.js';
import { type HostInterfaceState, setUpHostInterface } from './interfaces/host-interface.js';
import { createPodInterfaces } from './interfaces/kinds.js';
import { LinkMonitor } from './interfaces/link-monitor.js';
import type { PodInterfaces } from './interfaces/pod-interfaces.js';
import { AgentMetrics } from './metrics.js';
import { MonitoringServer } from './monitoring.js';
import { connectManager } from './sync/connection.js';
import { PodProgrammer } from './sync/pod-programmer.js';
import { ServiceFeed } from './sync/services.js';
import { StatusBook } from './sync/status-book.js';
import { SyncClient } from './sync/sync-client.js';
import { WantedState } from './sync/wanted-state.js';

/** Links are looked at when they change; in between now and then, in case an event was missed. */
const idleLookMs = 10_000;
const retryLookMs = 1_000;

/** The whole agent: CNI, interfaces, services, and the connection to the manager. */
export class Agent {
  readonly #config: AgentConfig;
  readonly #logger: Logger;
  readonly #client: OffloadClient;
  readonly #wanted = new WantedState();
  readonly #interfaces: PodInterfaces;
  readonly #sync: SyncClient;
  readonly #attacher: Attacher;
  readonly #services: ServiceFeed | undefined;
  readonly #links: LinkMonitor;
  readonly #metrics: AgentMetrics;
  readonly #cniServer: CniServer;
  #monitoring: MonitoringServer | undefined;
  #hostInterface: HostInterfaceState | undefined;
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
    loggers: (module: LogModule) => Logger,
  ) {
    const wanted = this.#wanted;
    const { nodeName, manifestsDirectory } = config;
    this.#config = config;
    this.#cniServer = cniServer;
    this.#metrics = metrics;
    this.#logger = loggers('agent');
    this.#client = connectManager(config.managerAddress);
    this.#interfaces = createPodInterfaces(config);
    const statuses = new StatusBook(loggers('sync'));
    const { onApplied, onStreamEnd } = this.#metrics;
    const client = this.#client;
    this.#sync = new SyncClient({
      client,
      nodeName,
      wanted,
      statuses,
      logger: loggers('sync'),
      onApplied,
      onStreamEnd,
    });
    this.#attacher = new Attacher({
      interfaces: this.#interfaces,
      store,
      pods: new PodProgrammer({ client, sync: this.#sync, wanted, statuses, logger: loggers('sync') }),
      mtu: config.mtu,
      logger: loggers('cni'),
    });
    this.#services =
      manifestsDirectory === undefined
        ? undefined
        : new ServiceFeed({ manifestsDirectory, nodeName, wanted, logger: loggers('services') });
    this.#links = new LinkMonitor(() => this.#scheduleLook(), loggers('interfaces'));
    this.#metrics.observe({
      interfaces: this.#interfaces,
      sync: this.#sync,
      statuses,
      wantedObjects: () => wanted.size,
      manifestProblems: () => this.#services?.problemCount ?? 0,
    });
  }

  /**
   * Starts everything. Pods of an earlier run are taken over before the manager hears anything, since what the first
   * snapshot does not name is dropped. The target's interfaces and the manager may come later.
   *
   * @throws AgentError if configuration, state directory or sockets cannot be used; nothing keeps running then.
   */
  static async start(config: AgentConfig, loggers: (module: LogModule) => Logger): Promise<Agent> {
    const metrics = new AgentMetrics();
    // First of all: it is what keeps a second agent from the state directory and the interfaces.
    const cniServer = await CniServer.start({
      socketPath: config.cniSocket,
      logger: loggers('cni'),
      onRequest: metrics.onRequest,
    });
    let agent: Agent | undefined;
    try {
      const directory = join(config.stateDirectory, config.interfaceType);
      const store = await AttachmentStore.open(directory, loggers('interfaces'));
      agent = new Agent(config, cniServer, metrics, store, loggers);
      await agent.#start(loggers);
      return agent;
    } catch (error) {
      await (agent ?? cniServer).stop();
      throw error;
    }
  }

  async #start(loggers: (module: LogModule) => Logger): Promise<void> {
    const { nodeName, managerAddress, cniSocket, monitoringAddress } = this.#config;
    this.#monitoring = await MonitoringServer.start({
      address: monitoringAddress,
      registry: this.#metrics.registry,
      problems: () => this.problems(),
      logger: loggers('monitoring'),
    });
    await this.#attacher.recover();
    await this.#services?.start();
    this.#links.start();
    this.#scheduleLook();
    await this.#look;
    this.#cniServer.serve(this.#attacher);
    const monitoring = this.monitoringAddress;
    this.#logger.info(
      { node: nodeName, manager: managerAddress, socket: cniSocket, monitoring },
      'infra-agent runs',
    );
  }

  /** Where /metrics and the health checks are served. */
  get monitoringAddress(): string {
    return this.#monitoring?.address ?? '';
  }

  /** What keeps pods from being attached; empty if nothing does. */
  problems(): readonly string[] {
    const problems: string[] = [];
    if (this.#hostInterface === undefined)
      problems.push(`${this.#interfaces.hostInterfaceLabel} is not there yet`);
    const { state } = this.#sync;
    if (state.kind === 'disconnected') problems.push(`infra-manager is not connected: ${state.reason}`);
    else if (state.kind !== 'synchronised')
      problems.push('infra-manager has not taken over the state of the node yet');
    return problems;
  }

  /** Ends what runs and lets CNI calls finish. Pods keep their interfaces, and the data plane goes on. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#links.stop();
    clearTimeout(this.#nextLook);
    await this.#look;
    await this.#cniServer.stop();
    await this.#services?.stop();
    this.#sync.stop();
    this.#client.close();
    await this.#monitoring?.stop();
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
        isWell = this.#hostInterface !== undefined;
      } catch (error) {
        this.#logger.error({ reason: messageOf(error) }, 'interfaces cannot be brought in order');
      }
      if (this.#isStopping) return;
      this.#nextLook = setTimeout(() => this.#scheduleLook(), isWell ? idleLookMs : retryLookMs);
    });
  }

  /** Brings the node's interface and the pods' in order, at start and when the target has made them anew. */
  async #lookAtLinks(): Promise<void> {
    const { mtu, hostInterface, podCidrs, serviceCidrs } = this.#config;
    const name = await this.#interfaces.hostInterface();
    const found = await setUpHostInterface(
      { name, mtu, addresses: hostInterface.addresses, cidrs: [...podCidrs, ...serviceCidrs] },
      this.#hostInterface,
    );
    if (found !== this.#hostInterface) {
      this.#hostInterface = found;
      if (found === undefined) {
        this.#logger.warn({ interface: name }, 'the interface of the node is gone');
      } else {
        this.#logger.info({ interface: name, mac: found.mac }, 'the interface of the node is set up');
        this.#announceNode(found);
        this.#sync.start();
      }
    }
    await this.#attacher.repair();
  }

  #announceNode({ name, mac }: HostInterfaceState): void {
    const { nodeName, hostInterface, serviceCidrs } = this.#config;
    this.#wanted.upsert({
      object: {
        $case: 'node',
        value: {
          name: nodeName,
          hostInterface: { interfaceName: name, mac, addresses: [...hostInterface.addresses] },
          serviceCidrs: [...serviceCidrs],
          routes: [],
        },
      },
    });
  }
}
