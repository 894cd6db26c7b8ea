import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { assemble, type Lifecycle, LogLevels, MonitoringServer } from '@infra-offload/service';
import type { ClientSecurity } from '@infra-offload/tls-certs/grpc';
import { CalicoServer, exposureOf } from './cni/calico-server.js';
import { CniServer } from './cni/server.js';
import type { AgentConfig } from './config/schema.js';
import { checkHealth } from './health-client.js';
import { AttachmentStore } from './interfaces/attachment-store.js';
import type { Loggers } from './log.js';
import { AgentMetrics } from './metrics.js';
import { ProxyHealthServer } from './monitoring/proxy-health-server.js';
import { Readiness } from './monitoring/readiness.js';
import { healthRoutes, monitoringRoutes } from './monitoring/routes.js';
import { NodeKeeper } from './node-keeper.js';
import { type AgentParts, type AgentPlaces, makeParts } from './parts.js';
import { managerSecurity } from './sync/connection.js';

export type { AgentPlaces } from './parts.js';

/** Calico's plugin asks each 5 s. */
const HEALTH_TIMEOUT_MS = 2_000;

/** Where a running agent serves; undefined where it does not. */
interface Addresses {
  /** Metrics and health checks. */
  readonly monitoringAddress: string | undefined;
  /** Where load balancers ask for the node's health; undefined also where kube-proxy answers them. */
  readonly healthzAddress: string | undefined;
  /** Calico. */
  readonly calicoAddress: string | undefined;
}

/** The whole agent: CNI, interfaces, services, and the connection to the manager. */
export class Agent {
  readonly monitoringAddress: string | undefined;
  readonly healthzAddress: string | undefined;
  readonly calicoAddress: string | undefined;
  readonly #readiness: Readiness;
  readonly #lifecycle: Lifecycle;

  private constructor(addresses: Addresses, readiness: Readiness, lifecycle: Lifecycle) {
    this.monitoringAddress = addresses.monitoringAddress;
    this.healthzAddress = addresses.healthzAddress;
    this.calicoAddress = addresses.calicoAddress;
    this.#readiness = readiness;
    this.#lifecycle = lifecycle;
  }

  /**
   * Starts everything. Pods of an earlier run are taken over before the manager hears anything, since what the first
   * snapshot does not name is dropped. The target's interfaces and the manager may come later.
   *
   * @throws AgentError if state directory or sockets cannot be used, ServiceError if the configuration cannot; nothing keeps
   *   running then.
   */
  static start(config: AgentConfig, loggers: Loggers, places: AgentPlaces = {}): Promise<Agent> {
    return assemble(async (lifecycle) => {
      const security = managerSecurity(config, loggers.sync);
      lifecycle.add(() => security.source?.close());
      const metrics = new AgentMetrics();
      const levels = new LogLevels(loggers);
      // First of all: it is what keeps a second agent from the state directory and the interfaces.
      const cniServer = await CniServer.start({
        socketPath: config.cniSocket,
        logger: loggers.cni,
        levels,
        onRequest: metrics.onRequest,
      });
      lifecycle.add(() => cniServer.stop());
      const directory = join(config.stateDirectory, config.interfaceType);
      const store = await AttachmentStore.open(directory, loggers.interfaces);
      // There until everything else has stopped.
      let monitoring: MonitoringServer | undefined;
      let healthz: ProxyHealthServer | undefined;
      lifecycle.add(() => Promise.all([monitoring?.stop(), healthz?.stop()]));

      const parts: AgentParts = makeParts(lifecycle, {
        config,
        loggers,
        places,
        security,
        metrics,
        store,
        onNodesChanged: () => keeper.onNodesChanged(),
        onFelixSynced: () => keeper.startSync(),
      });
      const healthzProblem = () => healthz?.problem;
      const readiness = makeReadiness(config, security, store, parts, metrics, healthzProblem);
      const problems = () => readiness.problems();
      const keeper = new NodeKeeper({ config, loggers, metrics, store, parts, problems });
      lifecycle.add(() => keeper.stop());

      const { objects, felix, attacher, health } = parts;
      let calico: CalicoServer | undefined;
      const calicoProblems = () => problemsOfCalico(config, security, calico, parts);
      if (config.monitoring.listen !== 'off') {
        monitoring = await MonitoringServer.start({
          setting: 'monitoring.listen',
          address: config.monitoring.listen,
          routes: monitoringRoutes({ registry: metrics.registry, health, levels, readiness, calicoProblems }),
          logger: loggers.monitoring,
        });
      }
      if (config.healthzAddress !== undefined) {
        healthz = await ProxyHealthServer.start({
          address: config.healthzAddress,
          routes: healthRoutes(health, readiness),
          logger: loggers.monitoring,
        });
      }
      if (config.calico !== undefined) {
        const { onRequest } = metrics;
        calico = await CalicoServer.start({ ...config.calico, logger: loggers.cni, onRequest });
      }
      // Calls that are running end before anything that they need.
      lifecycle.add(() => Promise.all([cniServer.stop(), calico?.stop()]));
      await attacher.recover();
      await felix?.start();
      await objects?.start(() => keeper.onObjectsKnown());
      await lifecycle.start(() => keeper.followLinks());
      cniServer.serve(attacher);
      calico?.serve(attacher);
      const { nodeName: node, managerAddress: manager, cniSocket: socket } = config;
      loggers.agent.info(
        { node, manager, socket, calico: calico?.address, monitoring: monitoring?.address },
        'infra-agent runs',
      );
      const addresses = {
        monitoringAddress: monitoring?.address,
        healthzAddress: healthz?.address,
        calicoAddress: calico?.address,
      };
      return new Agent(addresses, readiness, lifecycle);
    });
  }

  /** What keeps pods from being attached; empty if nothing does. */
  problems(): readonly string[] {
    return this.#readiness.problems();
  }

  /** Ends what runs and lets CNI calls finish. Pods keep their interfaces, and the data plane goes on. */
  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }
}

function makeReadiness(
  { calico }: AgentConfig,
  security: ClientSecurity,
  store: AttachmentStore,
  { network, interfaces, kernel, objects, felix, sync }: AgentParts,
  { registry }: AgentMetrics,
  healthzProblem: () => string | undefined,
): Readiness {
  return new Readiness(
    [
      {
        reason: 'host_interface',
        problem: () => (network.isUp ? undefined : `${interfaces.hostInterfaceLabel} is not there yet`),
      },
      { reason: 'kernel', problem: () => kernel.problem, isWarning: true },
      { reason: 'certificates', problem: () => security.source?.problem },
      { reason: 'state', problem: () => store.problem },
      { reason: 'kubernetes_api', problem: () => objects?.whyNotServed() },
      { reason: 'felix', problem: () => felix?.whyNotSynced() },
      { reason: 'manager', problem: () => sync.whyNotSynchronised() },
      { reason: 'calico_tcp', problem: () => calico && exposureOf(calico.listen), isWarning: true },
      { reason: 'healthz', problem: healthzProblem, isWarning: true },
    ],
    registry,
  );
}

/** What keeps pods of Calico from being served; empty if nothing does. */
async function problemsOfCalico(
  { managerAddress }: AgentConfig,
  security: ClientSecurity,
  calico: CalicoServer | undefined,
  { objects, felix }: AgentParts,
): Promise<string[]> {
  if (calico === undefined) return ['Calico is not served: the configuration has no `calico`'];
  const [manager, own] = await Promise.all([
    checkHealth(managerAddress, security.credentials, HEALTH_TIMEOUT_MS),
    checkHealth(calico.address, credentials.createInsecure(), HEALTH_TIMEOUT_MS),
  ]);
  const problems: string[] = [];
  if (!manager.serving) problems.push(`infra-manager is not serving: ${manager.reason}`);
  if (!own.serving) problems.push(`${calico.address} is not serving: ${own.reason}`);
  const unknown = [objects?.whyNotSynced(), felix?.whyNotSynced()];
  return [...problems, ...unknown.filter((reason) => reason !== undefined)];
}
