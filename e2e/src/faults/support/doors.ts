import { readFileSync } from 'node:fs';
import { type ChannelCredentials, Client, credentials, status } from '@grpc/grpc-js';
import { usageOf } from '@infra-offload/faults';
import type { AbuseIdentity, AbuseOptions } from '@infra-offload/faults/http2';
import { programs } from '@infra-offload/testbed';
import type { Role } from '@infra-offload/tls-certs';
import { openClientSecurity, type TlsSettings } from '@infra-offload/tls-certs/grpc';
import { managerAddresses, type Program, type TlsFixture, until } from '../../tls-fixture.js';

/** One of the ports that anybody on the network may connect to. */
export interface Door {
  readonly name: string;
  readonly address: string;
  readonly program: Program;
  /** Whose client's certificate opens it. */
  readonly role: Role;
  /** A method that only looks, and the message that asks for it. */
  readonly path: string;
  readonly request: Buffer;
  /** What the server has to be. */
  readonly server: Role;
}

/** How the two programs use the identities: an honest client's are made once. */
export class Doors {
  readonly #fixture: TlsFixture;
  readonly #settings = new Map<Role, TlsSettings>();

  private constructor(
    fixture: TlsFixture,
    readonly all: readonly Door[],
    readonly ca: string,
  ) {
    this.#fixture = fixture;
  }

  /** Starts a softswitch and a manager that are connected, on ports of their own. */
  static async open(fixture: TlsFixture): Promise<Doors> {
    const put = async (role: Role) => fixture.put(await fixture.issue(role));
    const softswitch = fixture.run(programs.softswitch, {
      p4runtime: '127.0.0.1:0',
      gnmi: '127.0.0.1:0',
      taps: { count: 0 },
      runDirectory: fixture.path('run'),
      tls: await put('target'),
    });
    const [, p4runtime = '', gnmi = ''] = await until('softswitch to be ready', () => {
      if (softswitch.ended) throw new Error(softswitch.stderr);
      return /p4runtime (\S+), gnmi (\S+),/.exec(softswitch.stdout) ?? undefined;
    });
    const controller = await put('controller');
    const manager = fixture.run(programs.manager, {
      listen: '127.0.0.1:0',
      monitoring: { listen: '127.0.0.1:0' },
      stateDirectory: fixture.path('state'),
      tls: await put('manager'),
      target: {
        p4runtimeAddress: p4runtime,
        p4runtimeTls: controller,
        gnmiAddress: gnmi,
        gnmiTls: controller,
      },
    });
    const { listen, metrics } = await managerAddresses(manager);
    await until('the manager to be ready', async () => {
      const { ok } = await fetch(`http://${metrics}/readyz`);
      return ok || undefined;
    });
    // Whole messages: a device id, and nothing.
    const deviceId = Buffer.from([0x08, 1]);
    const none = Buffer.alloc(0);
    const target = { program: softswitch, role: 'controller', server: 'target' } as const;
    return new Doors(
      fixture,
      [
        {
          name: 'manager (50002)',
          address: listen,
          program: manager,
          role: 'agent',
          server: 'manager',
          path: '/infra_offload.v1.Offload/Status',
          request: none,
        },
        {
          ...target,
          name: 'P4Runtime (9559)',
          address: p4runtime,
          path: '/p4.v1.P4Runtime/GetForwardingPipelineConfig',
          request: deviceId,
        },
        { ...target, name: 'gNMI (9339)', address: gnmi, path: '/gnmi.gNMI/Capabilities', request: none },
      ],
      (await fixture.authority).certificate,
    );
  }

  /** How a hostile client connects. Without an identity: in plain text. */
  way(door: Door, identity?: AbuseIdentity): AbuseOptions {
    return { address: door.address, ...(identity && { tls: identity }) };
  }

  /** What opens a door. */
  async key({ role }: Door): Promise<AbuseIdentity> {
    const { cert, key } = await this.#settingsOf(role);
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  }

  /** How many milliseconds an honest client waits for its answer, connecting included. */
  async ask(door: Door): Promise<number> {
    const started = performance.now();
    const security = openClientSecurity(await this.#settingsOf(door.role), door.server);
    const told = await answer(door, security.credentials);
    security.source?.close();
    if (told !== 'OK') throw new Error(`${door.name}: an honest client got ${told}`);
    return performance.now() - started;
  }

  /**
   * What a client of gRPC with some identity is told, though it has not looked at that itself: OK, or the status and why.
   *
   * @param identity undefined: in plain text
   */
  answerTo(door: Door, identity: AbuseIdentity | undefined): Promise<string> {
    const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
    if (identity === undefined) return answer(door, credentials.createInsecure());
    return answer(door, credentials.createSsl(pem(this.ca), pem(identity.key), pem(identity.cert)));
  }

  async #settingsOf(role: Role): Promise<TlsSettings> {
    const settings = this.#settings.get(role) ?? (await this.#fixture.put(await this.#fixture.issue(role)));
    this.#settings.set(role, settings);
    return settings;
  }
}

/** OK, or the status of the call and why. */
function answer({ address, path, request }: Door, own: ChannelCredentials): Promise<string> {
  const bytes = (value: Buffer) => value;
  const client = new Client(address, own, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': 'localhost',
  });
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, bytes, bytes, request, { deadline: Date.now() + 30_000 }, (error) => {
      client.close();
      resolve(error === null ? 'OK' : `${status[error.code]}: ${error.details}`);
    });
  });
}

/** How often an honest client asks before it gets company. */
const REST_LOOKS = 5;

/** Watches an honest client, and what a program holds, until told to stop. */
export class Watch {
  readonly #doors: Doors;
  readonly #door: Door;
  slowestMs = 0;
  peakMb = 0;
  #isOver = false;
  readonly #watching: Promise<void>;

  private constructor(
    doors: Doors,
    door: Door,
    /** How long an honest client waits when nobody else is there. */
    readonly restMs: number,
    readonly restMb: number,
  ) {
    this.#doors = doors;
    this.#door = door;
    this.#watching = this.#watch();
    // It is told when the watch ends.
    this.#watching.catch(() => {});
  }

  static async begin(doors: Doors, door: Door): Promise<Watch> {
    let restMs = 0;
    for (let i = 0; i < REST_LOOKS; i++) restMs = Math.max(restMs, await doors.ask(door));
    return new Watch(doors, door, restMs, usageOf(door.program.pid).residentMb);
  }

  /** Asks once more, and tells how it was. */
  async end(): Promise<this> {
    this.#isOver = true;
    await this.#watching;
    await this.#look();
    return this;
  }

  toString(): string {
    return `slowest answer ${this.slowestMs.toFixed(0)} ms (at rest ${this.restMs.toFixed(0)} ms), memory ${this.restMb} -> ${this.peakMb} MB`;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #look(): Promise<void> {
    this.slowestMs = Math.max(this.slowestMs, await this.#doors.ask(this.#door));
    this.peakMb = Math.max(this.peakMb, usageOf(this.#door.program.pid).residentMb);
  }
}
