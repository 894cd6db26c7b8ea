import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { OffloadService as OffloadDefinition } from '@infra-offload/infra-api';
import type { FlowTable } from '../drivers/flow-table.js';
import { createLoggers } from '../log.js';
import type { Problem } from '../readiness.js';
import type { ReadEntities } from '../server/cells.js';
import { Denials } from '../server/denials.js';
import { type FlowSession, Flows } from '../server/flows.js';
import { Inspector } from '../server/inspect.js';
import { Pods } from '../server/pods.js';
import { PolicyCounts } from '../server/policy-counts.js';
import { OffloadService } from '../server/service.js';
import { Tracer } from '../server/trace/tracer.js';
import type { TargetState } from '../target/connection.js';
import type { Warning } from '../warnings.js';
import { TestAgent } from './agent.js';
import { Core, coreDriver } from './core.js';

const { server: logger } = createLoggers({ level: 'silent', modules: {} });

/** The gRPC services of a manager over a {@link Core}: for agents, and for operators. */
export class CoreServer {
  readonly core: Core;
  readonly inspector: Inspector<ReturnType<typeof coreDriver.base>[number]>;
  readonly service: OffloadService<ReturnType<typeof coreDriver.base>[number]>;
  readonly denials: Denials;
  readonly pods: Pods<ReturnType<typeof coreDriver.base>[number]>;
  targetState: TargetState = { kind: 'ready', lacks: [] };
  problems: readonly Problem[] = [];
  warnings: readonly Warning[] = [];
  /** What the store says. */
  stored: () => Promise<void> = () => Promise.resolve();
  backlog = 0;
  /** Asked for the port of an interface. */
  lookupPort: (name: string, mac: number) => Promise<number> = async (name) => {
    this.core.tellPorts(name);
    return Number(name.slice(3));
  };
  flowSession: FlowSession | undefined;
  readonly #servers = [new Server(), new Server()] as const;
  readonly #agents: TestAgent[] = [];
  #addresses: readonly string[] = [];

  private constructor(core: Core, flowTable: FlowTable | undefined) {
    this.core = core;
    const { controller, reconciler } = core;
    this.pods = new Pods({
      controller,
      stored: () => this.stored(),
      isReady: () => reconciler.attached,
      lookupPort: (name, mac) => this.lookupPort(name, mac),
    });
    const readDevice = (): ReadEntities | undefined =>
      reconciler.attached ? (entities) => core.device.read(entities) : undefined;
    this.inspector = new Inspector({
      driver: coreDriver,
      controller,
      reconciler,
      logger,
      targetAddress: '192.0.2.1:9559',
      targetState: () => this.targetState,
      read: readDevice,
      agent: () => this.service.agent(),
      problems: () => this.problems,
      warnings: () => this.warnings,
    });
    this.denials = new Denials({
      ring: coreDriver.denials,
      read: readDevice,
      inForce: () => controller.profilesInForce(),
      pods: () => controller.pods(),
      logger,
    });
    const session = () => this.flowSession;
    const flows = new Flows({
      driver: flowTable === undefined ? {} : { flowTable },
      controller,
      session,
    });
    this.service = new OffloadService({
      controller,
      inspector: this.inspector,
      flows,
      policyCounts: new PolicyCounts({
        counters: coreDriver.policyCounters,
        inForce: () => controller.profilesInForce(),
        read: readDevice,
        logger,
      }),
      denials: this.denials,
      tracer: new Tracer({ driver: coreDriver, controller, reconciler, flows }),
      pods: this.pods,
      stored: () => this.stored(),
      backlog: () => this.backlog,
      logger,
    });
  }

  static async start({ core = new Core(), flowTable }: { core?: Core; flowTable?: FlowTable } = {}) {
    const made = new CoreServer(core, flowTable);
    const [agents, operators] = made.#servers;
    agents.addService(OffloadDefinition as ServiceDefinition, made.service.implementation());
    operators.addService(OffloadDefinition as ServiceDefinition, made.service.operatorImplementation());
    made.#addresses = await Promise.all(made.#servers.map(bind));
    return made;
  }

  agent(): TestAgent {
    return this.#client(this.#addresses[0]);
  }

  operator(): TestAgent {
    return this.#client(this.#addresses[1]);
  }

  stop(): void {
    for (const agent of this.#agents) agent.close();
    for (const server of this.#servers) server.forceShutdown();
    this.core.stop();
  }

  #client(address = ''): TestAgent {
    const agent = new TestAgent(address);
    this.#agents.push(agent);
    return agent;
  }
}

async function bind(server: Server): Promise<string> {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return `127.0.0.1:${port}`;
}
