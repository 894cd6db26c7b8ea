import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { assemble, type Lifecycle } from '@infra-offload/service';
import type { Config } from './config/config.js';
import { openDevice } from './device.js';
import { chooseDriver } from './drivers/choose.js';
import type { Driver } from './drivers/driver.js';
import { FelixJournal } from './ipdk/felix-journal.js';
import { InfraAgentService } from './ipdk/service.js';
import { createLoggers, type Loggers } from './log.js';
import { createMetrics } from './metrics.js';
import { Readiness } from './readiness.js';
import type { Reconciler } from './reconciler/reconciler.js';
import { openSecurity, type Security } from './security.js';
import type { ReadEntities } from './server/cells.js';
import { Denials } from './server/denials.js';
import { FlowShares } from './server/flow-shares.js';
import { Flows } from './server/flows.js';
import { Inspector } from './server/inspect.js';
import { startMonitoring } from './server/monitoring.js';
import { Pods } from './server/pods.js';
import { PolicyCounts } from './server/policy-counts.js';
import { Health, startServers } from './server/servers.js';
import { OffloadService } from './server/service.js';
import { Tracer } from './server/trace/tracer.js';
import { Warnings } from './warnings.js';

/** How often the flows of pods are looked at. */
const FLOW_SHARES_MS = 5_000;
/** How often the packets are read that were denied. */
const DENIALS_MS = 1_000;

/** A running manager. */
export class Manager {
  readonly #lifecycle: Lifecycle;

  private constructor(
    /** Where the Offload service listens, with the real port. */
    readonly address: string,
    /** Where metrics are served; undefined if they are not. */
    readonly monitoringAddress: string | undefined,
    /** Why the manager is not ready, or undefined when it is. */
    readonly readiness: () => string | undefined,
    lifecycle: Lifecycle,
  ) {
    this.#lifecycle = lifecycle;
  }

  /**
   * Starts everything; the target may be away. The wanted state of the last run is in force at once.
   *
   * @throws ServiceError CONFIG when an address cannot be listened on or a certificate cannot be used
   * @throws ManagerError STORE when the state directory cannot be used
   */
  static start<Row>(
    config: Config,
    loggers: Loggers = createLoggers(config.log),
    driver?: Driver<Row>,
  ): Promise<Manager> {
    return assemble(async (lifecycle) => {
      const security = openSecurity(config, loggers);
      lifecycle.add(() => security.close());
      const run = <R>(chosen: Driver<R>) => Manager.#run(lifecycle, config, loggers, security, chosen);
      if (driver !== undefined) return run(driver);
      const chosen = await chooseDriver(config, security.p4runtime, loggers.manager);
      return chosen.use(run);
    });
  }

  static async #run<Row>(
    lifecycle: Lifecycle,
    config: Config,
    loggers: Loggers,
    security: Security,
    driver: Driver<Row>,
  ): Promise<Manager> {
    const { target } = config;
    const device = await openDevice(lifecycle, config, loggers, security, driver, () => {
      readiness.refresh();
      if (connection.state.kind === 'ready') warnings.look();
    });
    const { directory, store, contents, reconciler, controller, resolver, connection } = device;
    const { journal, contents: told } = await FelixJournal.open(directory, loggers.state);
    lifecycle.add(() => journal.close());
    const health = new Health();
    const readiness: Readiness = new Readiness(
      {
        targetAddress: target.p4runtimeAddress,
        targetState: () => connection.state,
        certificates: [...security.certificates.values()],
        storage: () => store.problem ?? journal.problem,
        recovery: controller.recovery,
        logger: loggers.manager,
      },
      (isServing) => health.set(isServing),
    );
    lifecycle.add(() => readiness.stop());

    const read = (): ReadEntities | undefined => {
      const { session } = connection;
      return session && ((entities) => session.read(entities));
    };
    const warnings: Warnings = new Warnings({
      drops: () => inspector.packetsBy('drops'),
      logger: loggers.manager,
    });
    lifecycle.add(() => warnings.stop());
    const { flows: share } = config.dataPlane.podShare;
    const flowShares = new FlowShares({
      driver,
      share,
      pods: () => controller.pods(),
      session: () => connection.session,
      warnings,
      logger: loggers.manager,
    });
    if (share > 0) repeat(lifecycle, FLOW_SHARES_MS, loggers, () => flowShares.look());
    const inspector = new Inspector({
      driver,
      controller,
      reconciler,
      logger: loggers.server,
      targetAddress: target.p4runtimeAddress,
      targetState: () => connection.state,
      read,
      agent: () => service.agent(),
      problems: () => readiness.problems(),
      warnings: () => warnings.current(),
    });
    const policyCounts = new PolicyCounts({
      counters: driver.policyCounters,
      inForce: () => controller.profilesInForce(),
      read,
      logger: loggers.server,
    });
    const countAnew = new Guard((error) => {
      loggers.server.warn({ reason: messageOf(error) }, 'counters of policies cannot be read');
    }).soon(() => policyCounts.begin());
    controller.onProfileId((id) => {
      policyCounts.taken(id);
      countAnew();
    });
    const denials = new Denials({
      ring: driver.denials,
      read,
      inForce: () => controller.profilesInForce(),
      pods: () => controller.pods(),
      logger: loggers.server,
    });
    repeat(lifecycle, DENIALS_MS, loggers, () => denials.look());
    const pods = new Pods({
      controller,
      stored: () => store.stored(),
      isReady: () => reconciler.attached,
      lookupPort: (name, mac) => resolver.lookup(name, mac),
    });
    const flows = new Flows({ driver, controller, session: () => connection.session });
    const service: OffloadService<Row> = new OffloadService({
      controller,
      inspector,
      flows,
      policyCounts,
      denials,
      tracer: new Tracer({ driver, controller, reconciler, flows }),
      pods,
      stored: () => store.stored(),
      backlog: () => reconciler.backlog,
      logger: loggers.server,
    });
    const infraAgent = new InfraAgentService({
      controller,
      pods,
      journal,
      contents: told,
      logger: loggers.server,
    });
    infraAgent.restore();
    const listener = await startServers(lifecycle, {
      address: config.listen,
      security: security.server,
      offload: { agents: service.implementation(), operators: service.operatorImplementation() },
      infraAgent: infraAgent.implementation(),
      health,
      endStreams: () => service.stop(),
      logger: loggers.server,
    });

    const registry = createMetrics({
      reconciler,
      controller,
      inspector,
      policyCounts,
      targetState: () => connection.state,
      agentConnected: () => service.agent().connected,
      peers: () => listener.peers,
      certificates: security.certificates,
      problems: () => readiness.problems(),
      warnings: () => warnings.current(),
      endedFlows: () => flowShares.ended,
    });
    const monitoring = await startMonitoring(lifecycle, {
      address: config.monitoring.listen,
      registry,
      readiness: () => readiness.describe(),
      logger: loggers.monitoring,
    });
    startAudits(lifecycle, reconciler, config.reconcile.auditSeconds, loggers);
    connection.start();
    loggers.manager.info(
      {
        listen: listener.address,
        monitoring,
        target: target.p4runtimeAddress,
        objects: contents.records.size,
      },
      'infra-manager runs',
    );
    return new Manager(listener.address, monitoring, () => readiness.describe(), lifecycle);
  }

  /** Ends calls and connections, and waits until everything is stored. May be called twice. */
  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }
}

/** Does something at intervals until the manager stops. */
function repeat(lifecycle: Lifecycle, ms: number, { manager }: Loggers, work: () => Promise<void>): void {
  const guard = new Guard((error) => manager.error({ err: error }, 'internal error'));
  const timer = setInterval(guard.handler(work), ms);
  lifecycle.add(() => clearInterval(timer));
}

/** Audits the device at intervals, unless `seconds` is 0. */
function startAudits<Row>(
  lifecycle: Lifecycle,
  reconciler: Reconciler<Row>,
  seconds: number,
  loggers: Loggers,
): void {
  if (seconds === 0) return;
  let running = false;
  const guard = new Guard((error) => {
    loggers.reconciler.warn({ reason: messageOf(error) }, 'the audit failed');
  });
  const audit = async (): Promise<void> => {
    if (running || !reconciler.attached) return;
    running = true;
    try {
      await reconciler.audit();
    } finally {
      running = false;
    }
  };
  const timer = setInterval(guard.handler(audit), seconds * 1000);
  lifecycle.add(() => clearInterval(timer));
}
