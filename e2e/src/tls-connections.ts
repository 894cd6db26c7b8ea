import { inspect } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { AddPodRequest, OffloadClient } from '@infra-offload/infra-api';
import { MemoryPorts, Softswitch } from '@infra-offload/softswitch';
import { programs } from '@infra-offload/testbed';
import type { Role } from '@infra-offload/tls-certs';
import { openServerSecurity, type TlsSettings } from '@infra-offload/tls-certs/grpc';
import { managerAddresses, type Program, type TlsFixture, until } from './tls-fixture.js';

/** One of the connections of the system: what can be at its ends, and what is to be seen when they meet. */
export interface Connection {
  readonly name: string;
  readonly client: Role;
  readonly server: Role;
  /** @throws Error with the line that it ends with instead. */
  serve(settings: TlsSettings): Promise<Served>;
  /** What the client says: `ok`, or one line. */
  connect(address: string, settings: TlsSettings): Promise<string>;
}

export interface Served {
  readonly address: string;
  log(): string;
  stop(): Promise<void>;
}

type Addresses = { readonly listen: string; readonly metrics: string };

const NO_TLS = { mode: 'insecure', cert: '-', key: '-', ca: '-' } as const;
const PORTS = 2;

/** All connections. Agent and manager are the built programs, targets are in this process. */
export class Connections {
  readonly #fixture: TlsFixture;
  /** A target without TLS, for what is not about it. */
  readonly #target: Softswitch;

  private constructor(fixture: TlsFixture, target: Softswitch) {
    this.#fixture = fixture;
    this.#target = target;
  }

  static async open(fixture: TlsFixture): Promise<Connections> {
    return new Connections(fixture, (await startTarget(NO_TLS)).softswitch);
  }

  async close(): Promise<void> {
    await this.#target.stop();
  }

  get agentToManager(): Connection {
    return {
      name: 'agent to manager',
      client: 'agent',
      server: 'manager',
      serve: async (tls) => {
        const program = this.#manager({ tls, target: this.#plainTarget() });
        const { listen, metrics } = await managerAddresses(program);
        await readiness(metrics);
        return { address: listen, log: () => program.stderr, stop: () => program.kill() };
      },
      connect: async (managerAddress, tls) => {
        const program = this.#fixture.run(programs.agent, { managerAddress, tls }, [
          'checkManager',
          '--timeout',
          '100ms',
        ]);
        return (await program.exit) === 0 ? 'ok' : program.stderr.trim();
      },
    };
  }

  get managerToP4Runtime(): Connection {
    return {
      name: 'manager to P4Runtime',
      client: 'controller',
      server: 'target',
      serve: (settings) => serveTarget(settings, ({ p4runtimeAddress }) => p4runtimeAddress),
      connect: (p4runtimeAddress, p4runtimeTls) =>
        this.#observe({ ...this.#plainTarget(), p4runtimeAddress, p4runtimeTls }, ({ metrics }) =>
          readiness(metrics),
        ),
    };
  }

  get managerToGnmi(): Connection {
    return {
      name: 'manager to gNMI',
      client: 'controller',
      server: 'target',
      serve: (settings) => serveTarget(settings, ({ gnmiAddress }) => gnmiAddress),
      connect: async (gnmiAddress, gnmiTls) => {
        // One of its own: a manager takes no pods for a target that has those of another.
        const { softswitch } = await startTarget(NO_TLS);
        const { p4runtimeAddress } = softswitch;
        const target = { p4runtimeAddress, p4runtimeTls: NO_TLS, gnmiAddress, gnmiTls };
        try {
          return await this.#observe(target, async ({ listen, metrics }) => {
            await readiness(metrics);
            return addPod(listen);
          });
        } finally {
          await softswitch.stop();
        }
      },
    };
  }

  #plainTarget(): object {
    const { p4runtimeAddress, gnmiAddress } = this.#target;
    return { p4runtimeAddress, gnmiAddress, p4runtimeTls: NO_TLS, gnmiTls: NO_TLS };
  }

  #manager(config: object): Program {
    return this.#fixture.run(programs.manager, {
      listen: '127.0.0.1:0',
      monitoring: { listen: '127.0.0.1:0' },
      stateDirectory: this.#fixture.path('state'),
      ...config,
    });
  }

  /** Runs a manager until enough was seen, or it has ended by itself. */
  async #observe(target: object, see: (addresses: Addresses) => Promise<string>): Promise<string> {
    const program = this.#manager({ tls: NO_TLS, target });
    try {
      return await see(await managerAddresses(program));
    } catch (error) {
      return messageOf(error);
    } finally {
      await program.kill();
    }
  }
}

/** `ok`, or why the manager is not ready. */
function readiness(metrics: string): Promise<string> {
  return until('the manager to say whether it is ready', async () => {
    const response = await fetch(`http://${metrics}/readyz`);
    const text = (await response.text()).trim();
    if (response.ok) return 'ok';
    // It also says since when.
    return /is away: (?!connecting)/.test(text) ? text.replace(/ \(since [^)]+\)$/, '') : undefined;
  });
}

/** Has a manager ask gNMI for the port of an interface: `ok`, or what it says. */
async function addPod(manager: string): Promise<string> {
  const client = new OffloadClient(manager, credentials.createInsecure());
  const pod = {
    attachmentId: 'c1/eth0',
    namespace: 'default',
    name: 'pod-1',
    interfaceName: 'mem1',
    mac: '02:00:00:00:01:01',
    addresses: ['10.244.1.1'],
  };
  try {
    return await new Promise((resolve) => {
      client.addPod(AddPodRequest.fromPartial({ pod }), (error) =>
        resolve(error === null ? 'ok' : error.details),
      );
    });
  } finally {
    client.close();
  }
}

async function startTarget(settings: TlsSettings): Promise<{ softswitch: Softswitch; lines: string[] }> {
  const lines: string[] = [];
  const write = (fields: object, message: string) => void lines.push(`${message} ${inspect(fields)}`);
  const logger = { debug: write, info: write, warn: write, error: write };
  const softswitch = await Softswitch.start({
    p4runtimeAddress: '127.0.0.1:0',
    gnmiAddress: '127.0.0.1:0',
    ports: new MemoryPorts(PORTS),
    security: openServerSecurity(settings, logger),
    logger,
  });
  return { softswitch, lines };
}

async function serveTarget(settings: TlsSettings, address: (target: Softswitch) => string): Promise<Served> {
  const { softswitch, lines } = await startTarget(settings);
  return { address: address(softswitch), log: () => lines.join('\n'), stop: () => softswitch.stop() };
}
