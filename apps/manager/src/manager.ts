import { Server, type ServiceDefinition } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { statusLimits } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import { infra, OffloadService as OffloadDefinition } from '@infra-offload/infra-api';
import { type Mac, parseMac } from '@infra-offload/net';
import { type Listener, listen, SERVER_OPTIONS, type ServerSecurity } from '@infra-offload/tls-certs/grpc';
import { HealthImplementation } from 'grpc-health-check';
import type { Config } from './config/config.js';
import { Controller } from './controller/controller.js';
import { chooseDriver } from './drivers/choose.js';
import type { Driver } from './drivers/driver.js';
import { ManagerError } from './errors.js';
import { FelixJournal } from './ipdk/felix-journal.js';
import { isIpdkObject } from './ipdk/names.js';
import { InfraAgentService } from './ipdk/service.js';
import { createLoggers, type Loggers } from './log.js';
import { createMetrics } from './metrics.js';
import { Readiness } from './readiness.js';
import { Epochs } from './reconciler/epochs.js';
import { Reconciler } from './reconciler/reconciler.js';
import { openSecurity, type Security } from './security.js';
import { Flows } from './server/flows.js';
import { HttpServer } from './server/http.js';
import { Inspector } from './server/inspect.js';
import { Pods } from './server/pods.js';
import { OffloadService } from './server/service.js';
import { StateDirectory } from './state/directory.js';
import { StateStore, type StoreContents } from './state/store.js';
import { TargetConnection } from './target/connection.js';
import { GnmiPorts } from './target/gnmi.js';
import { InterfacePorts } from './target/interface-ports.js';
import { PortResolver } from './target/port-resolver.js';

/** Largest message of the agent: a snapshot of thousands of services may come in one. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const SERVER = { ...SERVER_OPTIONS, interceptors: [statusLimits] };
/** How long calls may take to end when the manager stops. */
const STOP_GRACE_MS = 1_000;
const HEALTH_NAMES = ['', 'infra_offload.v1.Offload', 'infra.InfraAgent'];

/** A running manager. */
export class Manager {
  readonly #stop: () => Promise<void>;
  #stopped: Promise<void> | undefined;

  private constructor(
    /** Where the Offload service listens, with the real port. */
    readonly address: string,
    /** Where metrics are served; undefined if they are not. */
    readonly metricsAddress: string | undefined,
    /** Why the manager is not ready, or undefined when it is. */
    readonly readiness: () => string | undefined,
    stop: () => Promise<void>,
  ) {
    this.#stop = stop;
  }

  /**
   * Starts everything; the target may be away. The wanted state of the last run is in force at once.
   *
   * @throws ManagerError CONFIG when an address cannot be listened on or a certificate cannot be used, STORE when the state directory cannot be used.
   */
  static async start<Row>(
    config: Config,
    loggers: Loggers = createLoggers(config.log),
    driver?: Driver<Row>,
  ): Promise<Manager> {
    const closers: (() => Promise<void> | void)[] = [];
    const stop = async () => {
      for (const close of closers.reverse()) await close();
    };
    try {
      const security = openSecurity(config, loggers);
      closers.push(() => security.close());
      const build = <R>(chosen: Driver<R>) =>
        Manager.#build(config, loggers, security, chosen, closers, stop);
      if (driver !== undefined) return await build(driver);
      const chosen = await chooseDriver(config, security.p4runtime, loggers.manager);
      return await (chosen.kind === 'dpdk' ? build(chosen.driver) : build(chosen.driver));
    } catch (error) {
      await stop();
      throw error;
    }
  }

  static async #build<Row>(
    config: Config,
    loggers: Loggers,
    security: Security,
    driver: Driver<Row>,
    closers: (() => Promise<void> | void)[],
    stop: () => Promise<void>,
  ): Promise<Manager> {
    const { target, reconcile, dataPlane } = config;
    const directory = await StateDirectory.open(config.stateDirectory, loggers.state);
    closers.push(() => directory.close());
    const { store, contents } = await StateStore.open(directory, loggers.state);
    closers.push(() => store.close());
    const epochs = new Epochs();
    const reconciler = new Reconciler<Row>(
      driver,
      epochs,
      {
        batchUpdates: reconcile.batchUpdates,
        batchBytes: reconcile.batchBytes,
        writesInFlight: reconcile.writesInFlight,
        maxRetryMs: reconcile.maxRetrySeconds * 1000,
        keepsUnknown: awaitsSnapshot(contents),
      },
      {
        found: (rows) => controller.found(rows),
        progressed: (owners) => controller.progressed(owners),
        suspected: (suspicion) => connection.suspect(suspicion),
      },
      loggers.reconciler,
    );
    const controller: Controller<Row> = new Controller({
      driver,
      reconciler,
      store,
      drainSeconds: dataPlane.drainSeconds,
      epochs,
      logger: loggers.manager,
      requestPort: (name) => resolver.request(name),
    });
    closers.push(() => controller.stop());
    const gnmi = new GnmiPorts({
      address: target.gnmiAddress,
      credentials: security.gnmi,
      deadlineMs: target.deadlineMs,
    });
    closers.push(() => gnmi.close());
    const resolver = new PortResolver(
      new InterfacePorts(
        config.interfaceType,
        gnmi,
        (name) => controller.macOf(name) ?? arpProxyMac(config, name),
      ),
      (name) => controller.interfaces().includes(name),
      (name, found) => controller.setPort(name, found),
      loggers.target,
    );
    closers.push(() => resolver.stop());

    const health = new HealthImplementation(
      Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])),
    );
    const connection: TargetConnection<Row> = new TargetConnection(
      {
        address: target.p4runtimeAddress,
        credentials: security.p4runtime,
        deviceId: target.deviceId,
        deadlineMs: target.deadlineMs,
      },
      driver,
      reconciler,
      loggers.target,
      (state) => {
        readiness.refresh();
        controller.targetChanged();
        // Ports may have been made anew while the target was away.
        if (state.kind === 'ready') for (const name of controller.interfaces()) resolver.request(name);
      },
    );
    closers.push(() => connection.stop());
    controller.restore(contents);
    const inspector = new Inspector({
      driver,
      controller,
      reconciler,
      logger: loggers.server,
      targetAddress: target.p4runtimeAddress,
      targetState: () => connection.state,
      read: () => {
        const { session } = connection;
        return session && ((entities) => session.read(entities));
      },
      agent: () => service.agent(),
      problems: () => readiness.problems(),
    });
    const flows = new Flows({ driver, controller, session: () => connection.session });
    const pods = new Pods({
      controller,
      stored: () => store.stored(),
      isReady: () => reconciler.attached,
      lookupPort: (name, mac) => resolver.lookup(name, mac),
    });
    const service: OffloadService<Row> = new OffloadService({
      controller,
      inspector,
      flows,
      pods,
      stored: () => store.stored(),
      backlog: () => reconciler.backlog,
      logger: loggers.server,
    });
    const server = new Server({ ...SERVER, 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
    const operators = new Server(SERVER);
    server.addService(OffloadDefinition as ServiceDefinition, service.implementation());
    const { journal, contents: told } = await FelixJournal.open(directory, loggers.state);
    closers.push(() => journal.close());
    const readiness: Readiness = new Readiness(
      {
        targetAddress: target.p4runtimeAddress,
        targetState: () => connection.state,
        certificates: [...security.certificates.values()],
        storage: () => store.problem ?? journal.problem,
        recovery: controller.recovery,
        logger: loggers.manager,
      },
      (isServing) => {
        for (const name of HEALTH_NAMES) health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
      },
    );
    closers.push(() => readiness.stop());
    const infraAgent = new InfraAgentService({
      controller,
      pods,
      journal,
      contents: told,
      logger: loggers.server,
    });
    infraAgent.restore();
    server.addService(infra.InfraAgentService as ServiceDefinition, infraAgent.implementation());
    health.addToServer(server);
    operators.addService(OffloadDefinition as ServiceDefinition, service.operatorImplementation());
    health.addToServer(operators);
    closers.push(
      () => Promise.all([server, operators].map(shutdown)).then(() => {}),
      () => service.stop(),
    );
    const listener = await bind(server, operators, config.listen, security.server, loggers);
    closers.push(() => listener.close());
    const { address } = listener;

    const registry = createMetrics({
      reconciler,
      controller,
      inspector,
      targetState: () => connection.state,
      agentConnected: () => service.agent().connected,
      peers: () => listener.peers,
      certificates: security.certificates,
      problems: () => readiness.problems(),
    });
    const http =
      config.metrics.listen === 'off'
        ? undefined
        : await HttpServer.listen(
            config.metrics.listen,
            registry,
            () => readiness.describe(),
            loggers.metrics,
          );
    if (http !== undefined) closers.push(() => http.stop());

    if (reconcile.auditSeconds > 0) closers.push(startAudits(reconciler, reconcile.auditSeconds, loggers));
    connection.start();
    loggers.manager.info(
      {
        listen: address,
        metrics: http?.address,
        target: target.p4runtimeAddress,
        objects: contents.records.size,
      },
      'infra-manager runs',
    );
    return new Manager(address, http?.address, () => readiness.describe(), stop);
  }

  /** Ends calls and connections, and waits until everything is stored. May be called twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }
}

/**
 * Whether the device may hold what is wanted and not stored, which a snapshot of the agent will tell: because the state was lost,
 * or because the last run could not store it in the end. IPDK's agents send no snapshot, so that what they have not said is
 * unwanted, unless the state was lost.
 */
function awaitsSnapshot({ isWhole, records }: StoreContents): boolean {
  return !isWhole || ![...records.keys()].some(isIpdkObject);
}

/** The MAC address of the ARP proxy is what pods know as that of their gateway. */
function arpProxyMac({ dataPlane }: Config, interfaceName: string): Mac | undefined {
  return interfaceName === dataPlane.arpProxyInterface ? parseMac(dataPlane.gatewayMac) : undefined;
}

/** Audits the device at intervals. Returns what stops it. */
function startAudits<Row>(reconciler: Reconciler<Row>, seconds: number, loggers: Loggers): () => void {
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
  return () => clearInterval(timer);
}

async function bind(
  server: Server,
  operators: Server,
  address: string,
  security: ServerSecurity,
  loggers: Loggers,
): Promise<Listener> {
  try {
    const clients = { agent: server, operator: operators };
    return await listen({ address, server, clients, security, logger: loggers.server });
  } catch (error) {
    throw new ManagerError('CONFIG', `listen: cannot listen on ${address}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

async function shutdown(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, STOP_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** What the system said, without grpc-js's words around it. */
function reasonOf(error: unknown): string {
  return /\[(.*)\]/.exec(messageOf(error))?.[1] ?? messageOf(error);
}
