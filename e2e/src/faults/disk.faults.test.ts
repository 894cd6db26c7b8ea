/** What infra-manager promises whatever its disk does, with the real programs, pods and packets. */
import { join } from 'node:path';
import { damageFile, faultTest, type Random, SmallDisk } from '@infra-offload/faults';
import type { Problem } from '@infra-offload/infra-api';
import { addServers, eventually, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect } from 'vitest';
import { HTTP, WEB } from '../web.js';

const STATE_MB = 4;
/** Changes that at least one of which needs another page of the disk. */
const CHANGES = 12;

let bed: Testbed;
let disk: SmallDisk | undefined;
let client: TestPod;
let webs: TestPod[];

beforeAll(async () => {
  bed = await Testbed.create({ tapCount: 8 });
  disk = new SmallDisk(bed.layout.state('manager'), STATE_MB);
  await bed.startAll();
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2', 'web-3']);
  await scaleService(bed, WEB, webs);
});

afterAll(async () => {
  heal();
  await bed?.agent.stop();
  await bed?.manager.stop();
  disk?.unmount();
  await bed?.stop();
});

/** Changes one thing, and sees that packets follow. */
async function change(random: Random): Promise<void> {
  const chosen = webs.filter(() => random.chance(50));
  const [some = webs[0]] = chosen;
  if (some === undefined) throw new Error('there are no pods');
  const pods = chosen.length === 0 ? [some] : chosen;
  await scaleService(bed, WEB, pods);
  const { servers, failures } = await client.process.spread(HTTP, 4);
  expect(failures).toEqual({});
  expect(pods.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(servers)));
}

async function problem(): Promise<Problem | undefined> {
  const { problems } = await bed.client.status();
  return problems.find(({ reason }) => reason === 'StateNotStorable');
}

async function entries(): Promise<readonly string[]> {
  return (await bed.client.entries()).map(({ text }) => text).sort();
}

/** Kills the manager, and has it back with everything as it was. Returns the entities it wrote. */
async function restart(meanwhile: () => void = () => undefined): Promise<bigint> {
  const before = await entries();
  await bed.manager.stop('SIGKILL');
  meanwhile();
  await bed.startManager();
  await bed.inSync();
  expect(await entries()).toEqual(before);
  return (await bed.client.status()).target?.updatesWritten ?? 0n;
}

/** Changes things while nothing can be stored, and starts the manager anew in between. */
async function changeUnstored(i: number, code: string, random: Random): Promise<void> {
  let found: Problem | undefined;
  for (let n = 0; n < CHANGES && found === undefined; n++) {
    await change(random);
    found = await problem();
  }
  expect(found?.message).toContain(code);
  const pod = await bed.addPod(`new-${i}`);
  await pod.process.serve('tcp', 8080);
  const { failures } = await client.process.spread({ ...HTTP, address: pod.ip, port: 8080 }, 1);
  expect(failures).toEqual({});
  if (random.chance(50)) await restart();
  await bed.removePod(pod);
  await change(random);
}

function heal(): void {
  disk?.setReadOnly(false);
  disk?.free();
}

/** Makes new connections to the service, one after the other, and counts those that fail. */
class Connections {
  count = 0;
  failed = 0;
  longestMs = 0;
  #ended = false;
  readonly #run = this.#connect();

  async end(): Promise<void> {
    this.#ended = true;
    await this.#run;
  }

  async #connect(): Promise<void> {
    while (!this.#ended) {
      const began = performance.now();
      const { failures } = await client.process.spread(HTTP, 1, 3_000);
      this.longestMs = Math.max(this.longestMs, Math.round(performance.now() - began));
      this.count++;
      if (Object.keys(failures).length > 0) this.failed++;
    }
  }
}

faultTest(
  {
    fault: "the disk of infra-manager's state is full or read-only, the manager killed meanwhile, too",
    promise: 'changes and new pods are in force as ever; Status says what is wrong; in the end all is stored',
    sample: 2,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    const recoveries: number[] = [];
    for (let i = 0; i < cases; i++) {
      const isFull = i % 2 === 0;
      if (isFull) disk?.fill();
      else disk?.setReadOnly(true);
      try {
        await changeUnstored(i, isFull ? 'ENOSPC' : 'EROFS', random);
      } finally {
        heal();
      }
      const healed = performance.now();
      await eventually('the state is stored', async () =>
        (await problem()) === undefined ? true : undefined,
      );
      recoveries.push(Math.round(performance.now() - healed));
      expect(await restart()).toBe(0n);
    }
    return `stored again after ${Math.min(...recoveries)} to ${Math.max(...recoveries)} ms; nothing written at the next start`;
  },
);

faultTest(
  {
    fault: 'infra-manager is killed, its state damaged, and it starts again',
    promise: 'it starts, new connections succeed throughout, and the device has the same entries',
    sample: 4,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    await scaleService(bed, WEB, webs);
    const connections = new Connections();
    let written = 0n;
    try {
      for (let i = 0; i < cases; i++) {
        let done = '';
        const path = join(bed.layout.state('manager'), 'state.log');
        written += await restart(() => {
          done = damageFile(path, random);
        }).catch((error: unknown) => {
          throw new Error(`after the damage '${done}'`, { cause: error });
        });
      }
    } finally {
      await connections.end();
    }
    const { count, failed, longestMs } = connections;
    expect(failed).toBe(0);
    expect(written).toBe(0n);
    return `0 of ${count} connections failed, the longest took ${longestMs} ms; ${written} entities written`;
  },
);
