/**
 * kill -9 under traffic, with figures: how long nothing gets through, what is lost, which connections live on, and
 * whether the device has the same entries afterwards. What is killed is started again at once, as systemd would.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import { Entity } from '@infra-offload/p4rt/proto';
import {
  ADDRESSES,
  addServers,
  eventually,
  programs,
  ServiceProcess,
  scaleService,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { type ClientSecurity, openClientSecurity } from '@infra-offload/tls-certs/grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

const CONNECTIONS = 20;
const PINGS = 6_000;
const PING_SECONDS = 0.001;
/** Traffic before the kill. */
const SETTLE_MS = 1_000;

let bed: Testbed;
let client: TestPod;
let web: TestPod;
let relay: ServiceProcess;
let p4runtime: string;
let security: ClientSecurity;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  client = await bed.addPod('client');
  const webs = await addServers(bed, WEB, ['web-1', 'web-2', 'web-3']);
  web = webs[0] ?? client;
  await scaleService(bed, WEB, webs);
  security = openClientSecurity({ mode: 'mtls', ...bed.layout.identity('controller') }, 'target');
  const socket = join(bed.layout.directory, 'p4runtime.sock');
  p4runtime = `unix:${socket}`;
  relay = new ServiceProcess(
    'p4runtime-relay',
    bed.node,
    programs.relay,
    [`${socket}=${ADDRESSES.p4runtime}`],
    bed.layout.log('p4runtime-relay'),
  );
  await relay.start(async () => existsSync(socket));
});

afterAll(async () => {
  security?.source?.close();
  await relay?.stop();
  await bed?.stop();
});

/** All entries, members and groups, as the target tells them. */
async function deviceEntries(): Promise<string[]> {
  const { credentials } = security;
  const session = await P4RuntimeSession.open({
    address: p4runtime,
    deviceId: 1,
    electionId: 1n,
    credentials,
  });
  try {
    const everything = (['tableEntry', 'actionProfileMember', 'actionProfileGroup'] as const).map((kind) =>
      Entity.fromPartial({ entity: { $case: kind, value: {} } }),
    );
    const found: string[] = [];
    for await (const entity of session.read(everything))
      found.push(Buffer.from(Entity.encode(entity).finish()).toString('hex'));
    return found.sort();
  } finally {
    await session.close();
  }
}

interface Outage {
  /** Longest time in which no new connection to the service succeeded. */
  readonly outageMs: number;
  /** Until the manager had nothing more to write. */
  readonly inSyncMs: number;
  readonly pingsLost: number;
  /** Of the connections that were open and idle. */
  readonly alive: number;
  /** Longest time without an answer of a connection in full use; undefined if it broke. */
  readonly transferGapMs: number | undefined;
  /** Updates that the manager has written since before. */
  readonly written: bigint;
}

/** Makes new connections to the service, one after the other. */
class Probe {
  #ended = false;
  #succeeded = performance.now();
  #longest = 0;
  #count = 0;
  readonly #run = this.#probe();

  /** The longest time between two that succeeded, in ms, once some more have that were begun after this. */
  async end(): Promise<number> {
    const enough = this.#count + 3;
    await eventually('new connections work', async () => this.#count >= enough || undefined);
    this.#ended = true;
    await this.#run;
    return Math.round(this.#longest);
  }

  async #probe(): Promise<void> {
    while (!this.#ended) {
      const { failures } = await client.process.spread(HTTP, 1, 100);
      if (Object.keys(failures).length > 0) continue;
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - this.#succeeded);
      this.#succeeded = now;
      this.#count++;
    }
  }
}

/** What the pipeline has counted of services. */
async function servicePackets(): Promise<bigint> {
  const { counters } = await bed.client.status();
  return counters
    .filter(({ name }) => name.endsWith('service_counter'))
    .reduce((sum, { packets }) => sum + packets, 0n);
}

/** Kills under traffic and measures. `kill` ends something, and starts it again if nobody else does. */
async function outage(what: string, kill: () => Promise<void>): Promise<Outage> {
  const before = await deviceEntries();
  const writtenBefore = (await bed.client.status()).target?.updatesWritten ?? 0n;
  for (let i = 0; i < CONNECTIONS; i++) await client.process.open(`${what} ${i}`, HTTP);
  const pinging = client.namespace.run('ping', [
    ...['-q', '-c', `${PINGS}`, '-i', `${PING_SECONDS}`, '-W', '2'],
    web.ip,
  ]);
  const transfer = client.process.transfer(HTTP, PINGS * PING_SECONDS * 1000).then(
    ({ longestGapMs }) => longestGapMs,
    () => undefined,
  );
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

  const probe = new Probe();
  const killed = performance.now();
  await kill();
  await bed.inSync();
  const inSyncMs = Math.round(performance.now() - killed);
  const outageMs = await probe.end();

  const { stdout } = await pinging;
  const transferGapMs = await transfer;
  let alive = 0;
  for (let i = 0; i < CONNECTIONS; i++) {
    const answered = await client.process.ask(`${what} ${i}`).then(
      () => true,
      () => false,
    );
    if (answered) alive++;
    await client.process.close(`${what} ${i}`);
  }
  expect(await deviceEntries()).toEqual(before);
  const pingsLost = PINGS - Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
  const writtenAfter = (await bed.client.status()).target?.updatesWritten ?? 0n;
  // A manager that was killed counts from 0 again.
  const written = writtenAfter >= writtenBefore ? writtenAfter - writtenBefore : writtenAfter;
  console.log(
    [
      `kill -9 of ${what}: no new connections for ${outageMs} ms, in sync after ${inSyncMs} ms;`,
      `${pingsLost} of ${PINGS} pings lost; ${alive} of ${CONNECTIONS} idle connections live,`,
      `one in full use ${transferGapMs === undefined ? 'broke' : `paused ${transferGapMs} ms`};`,
      `${before.length} entries, the same afterwards; updates written by the manager: ${written}`,
    ].join(' '),
  );
  return { outageMs, inSyncMs, pingsLost, alive, transferGapMs, written };
}

it('the manager: no packet notices', async () => {
  const { pingsLost, alive, transferGapMs, written } = await outage('the manager', async () => {
    await bed.manager.stop('SIGKILL');
    await bed.startManager();
  });
  expect(pingsLost).toBeLessThan(PINGS / 50);
  expect(alive).toBe(CONNECTIONS);
  expect(transferGapMs).toBeLessThan(1_000);
  expect(written).toBe(0n);
});

it('the agent: no packet notices', async () => {
  const { pingsLost, alive, transferGapMs } = await outage('the agent', async () => {
    await bed.agent.stop('SIGKILL');
    await bed.startAgent();
  });
  expect(pingsLost).toBeLessThan(PINGS / 50);
  expect(alive).toBe(CONNECTIONS);
  expect(transferGapMs).toBeLessThan(1_000);
});

describe.each([
  ['killed', 'SIGKILL'],
  ['stopped, as for an upgrade, and started', 'SIGTERM'],
] as const)('the softswitch, %s', (what, signal) => {
  it('loses no packet, and nothing is written', async () => {
    const counted = await servicePackets();
    const dataplane = await bed.dataplanePid();
    const { pingsLost, alive, transferGapMs, written } = await outage(
      `the softswitch (${what})`,
      async () => {
        await bed.softswitch.stop(signal);
        await bed.startSoftswitch();
      },
    );
    expect(pingsLost).toBe(0);
    expect(alive).toBe(CONNECTIONS);
    expect(transferGapMs).toBeLessThan(500);
    expect(written).toBe(0n);
    expect(await bed.dataplanePid()).toBe(dataplane);
    expect(await servicePackets()).toBeGreaterThan(counted);
  });
});

it('the data plane: packets wait, and the manager does not notice', async () => {
  const { pingsLost, alive, written } = await outage('the data plane', async () => {
    process.kill(await bed.dataplanePid(), 'SIGKILL');
  });
  // What waits in the devices is bounded.
  expect(pingsLost).toBeLessThan(PINGS / 2);
  expect(alive).toBe(CONNECTIONS);
  // It still has its session, and nothing to write.
  expect(written).toBe(0n);
});

it('both at once: everything is made again', async () => {
  const { alive } = await outage('softswitch and data plane', async () => {
    process.kill(await bed.dataplanePid(), 'SIGKILL');
    await bed.softswitch.stop('SIGKILL');
    await bed.startSoftswitch();
  });
  expect(alive).toBe(CONNECTIONS);
});
