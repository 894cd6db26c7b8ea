import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryPorts, Softswitch } from '@infra-offload/softswitch';
import { afterEach, beforeEach } from 'vitest';
import type * as z from 'zod';
import { configSchema } from '../config/config.js';
import type { Driver } from '../drivers/driver.js';
import { createLoggers, type LogLevel } from '../log.js';
import { Manager } from '../manager.js';
import { TestAgent } from './agent.js';

type ConfigInput = z.input<typeof configSchema>;

/** A softswitch with in-memory ports, managers and agents, all taken down together. */
export class TestWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'manager-world-'));
  ports: MemoryPorts;
  target: Softswitch | undefined;
  readonly #managers: Manager[] = [];
  readonly #agents: TestAgent[] = [];
  #addresses = { p4runtime: '127.0.0.1:0', gnmi: '127.0.0.1:0' };

  readonly #portCount: number;

  constructor(portCount = 16) {
    this.#portCount = portCount;
    this.ports = new MemoryPorts(portCount);
  }

  /** Starts the target, at the addresses of the last one. */
  async startTarget(): Promise<Softswitch> {
    this.ports = new MemoryPorts(this.#portCount);
    this.target = await Softswitch.start({
      p4runtimeAddress: this.#addresses.p4runtime,
      gnmiAddress: this.#addresses.gnmi,
      ports: this.ports,
    });
    this.#addresses = { p4runtime: this.target.p4runtimeAddress, gnmi: this.target.gnmiAddress };
    return this.target;
  }

  async stopTarget(): Promise<void> {
    await this.target?.stop();
    this.target = undefined;
  }

  async startManager<Row>(config: ConfigInput = {}, driver?: Driver<Row>): Promise<Manager> {
    const level = (process.env.MANAGER_TEST_LOG ?? 'silent') as LogLevel;
    const full = configSchema.parse({
      listen: '127.0.0.1:0',
      stateDirectory: join(this.directory, 'state'),
      monitoring: { listen: '127.0.0.1:0' },
      tls: { mode: 'insecure' },
      ...config,
      target: {
        p4runtimeTls: { mode: 'insecure' },
        gnmiTls: { mode: 'insecure' },
        p4runtimeAddress: this.#addresses.p4runtime,
        gnmiAddress: this.#addresses.gnmi,
        ...config.target,
      },
    });
    const manager = await Manager.start(full, createLoggers({ level, modules: {} }), driver);
    this.#managers.push(manager);
    return manager;
  }

  agent(manager: Manager): TestAgent {
    const agent = new TestAgent(manager.address);
    this.#agents.push(agent);
    return agent;
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.close();
    for (const manager of this.#managers) await manager.stop();
    await this.stopTarget();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The world of the test that runs, in files that call {@link worldForEachTest}. */
export let world: TestWorld;

/** Has each test of a file begin in a world of its own, with its target. */
export function worldForEachTest(): void {
  beforeEach(async () => {
    world = new TestWorld();
    await world.startTarget();
  });
  afterEach(() => world.stop());
}

/** Waits until `done`; fails after `timeoutMs`. */
export async function eventually(
  done: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a manager is ready. */
export async function ready(manager: Manager): Promise<void> {
  await eventually(() => manager.readiness() === undefined, 'the manager to be ready');
}

/** Writes sent and entities written since a manager started. */
export async function written(
  agent: TestAgent,
): Promise<{ readonly writes: number; readonly updates: number }> {
  const { target } = await agent.managerStatus();
  return { writes: Number(target?.writeRequests ?? 0n), updates: Number(target?.updatesWritten ?? 0n) };
}

/** A manager that is ready, and an agent of it. */
export async function startReady(world: TestWorld, config: Parameters<TestWorld['startManager']>[0] = {}) {
  const manager = await world.startManager(config);
  await ready(manager);
  return { manager, agent: world.agent(manager) };
}
