/** What an agent loses, and what it has no more room for: real pods, packets and disks. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultTest, type Random } from '@infra-offload/faults';
import { ADDRESSES, eventually, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect } from 'vitest';
import { HTTP, WEB } from '../web.js';

/** One for the node, two pods that stay, two that come and go. */
const TAPS = 5;

let bed: Testbed;
let client: TestPod;
let web: TestPod;

beforeAll(async () => {
  bed = await Testbed.create({ tapCount: TAPS });
  // A disk of its own, that can be filled.
  mkdirSync(bed.layout.state('agent'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', bed.layout.state('agent')]);
  await bed.startAll();
  [client, web] = [await bed.addPod('client'), await bed.addPod('web')];
  await web.process.serve('tcp', 8080);
  await scaleService(bed, WEB, [web]);
  await client.process.open('kept', HTTP, 5_000);
});

afterAll(async () => {
  await bed?.agent.stop();
  if (bed !== undefined) execFileSync('umount', ['-q', bed.layout.state('agent')]);
  await bed?.stop();
});

const stateDirectory = () => join(bed.layout.state('agent'), 'tap');

/** A kept connection and a new one through the service. */
async function expectTraffic(): Promise<void> {
  await client.process.ask('kept', 5_000);
  await client.process.open('new', HTTP, 5_000);
  await client.process.close('new');
}

const readiness = async () =>
  (await bed.node.run('curl', ['-s', `http://${ADDRESSES.agentHttp}/readyz`])).stdout;

/** Starts the agent where it cannot store, and waits until it serves all the same. */
const startWithoutState = () =>
  bed.agent.start(async () => (await bed.cni({ command: 'STATUS' })).stdout.includes('cannot be stored'));

/** Makes, uses and removes a pod; its address is nobody else's. */
async function guest(name: string): Promise<number> {
  const pod = await bed.addPod(name);
  expect([client.ip, web.ip]).not.toContain(pod.ip);
  await pod.process.open('first', HTTP, 5_000);
  await bed.removePod(pod);
  return pod.addMs;
}

const damages: readonly (readonly [string, (random: Random) => void])[] = [
  ['directory gone', () => rmSync(stateDirectory(), { recursive: true })],
  ['a file gone', (random) => rmSync(someFile(random))],
  ['a file empty', (random) => truncateSync(someFile(random))],
  ['a file cut', (random) => truncateSync(someFile(random), 1 + random.below(100))],
  ['a file of garbage', (random) => writeFileSync(someFile(random), random.bytes(300))],
  [
    'a file in the place of the directory',
    () => {
      rmSync(stateDirectory(), { recursive: true });
      writeFileSync(stateDirectory(), '');
    },
  ],
];

function someFile(random: Random): string {
  return join(
    stateDirectory(),
    random.pick(readdirSync(stateDirectory()).filter((name) => name.endsWith('.json'))),
  );
}

faultTest(
  {
    fault: 'agent killed, its state directory gone, or files in it gone, empty, cut or of garbage',
    promise: 'pods keep network and connections; DEL works; no address is given away twice',
    sample: damages.length,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    let slowest = 0;
    for (let index = 0; index < cases; index++) {
      const [what, damage] = damages[index % damages.length] ?? random.pick(damages);
      const left = await bed.addPod('left');
      await bed.agent.stop('SIGKILL');
      damage(random);
      const began = performance.now();
      if (what.startsWith('a file in the place')) {
        await startWithoutState();
        await expectTraffic();
        rmSync(stateDirectory());
        await eventually('ready again', async () => (await readiness()).startsWith('ready') || undefined);
      } else await bed.startAgent();
      slowest = Math.max(slowest, performance.now() - began);
      await expectTraffic();
      expect((await bed.check(client)).code, `CHECK after ${what}`).toBe(0);
      await bed.removePod(left);
      await guest('guest');
      await bed.inSync();
    }
    return `no connection died; ready again after ${(slowest / 1000).toFixed(1)} s at most`;
  },
);

const disks: readonly (readonly [string, () => void, () => void])[] = [
  [
    'full',
    () => {
      try {
        writeFileSync(join(bed.layout.state('agent'), 'filler'), Buffer.alloc(1024 * 1024));
      } catch {
        // That is what it is for.
      }
    },
    () => rmSync(join(bed.layout.state('agent'), 'filler')),
  ],
  [
    'read-only',
    () => void execFileSync('mount', ['-o', 'remount,ro', bed.layout.state('agent')]),
    () => void execFileSync('mount', ['-o', 'remount,rw', bed.layout.state('agent')]),
  ],
];

faultTest(
  {
    fault: "disk of the agent's state full or read-only, with and without a restart of the agent",
    promise: 'pods keep their network, DEL works, ADD says code 11, /readyz why; it recovers by itself',
    sample: 2 * disks.length,
    unit: 'upheaval',
  },
  async ({ cases }) => {
    let slowest = 0;
    for (let index = 0; index < cases; index++) {
      const [what, spoil, mend] = disks[index % disks.length] ?? ['', () => {}, () => {}];
      const pod = await bed.addPod('leaving');
      spoil();
      if (index % (2 * disks.length) >= disks.length) {
        await bed.agent.stop('SIGKILL');
        await startWithoutState();
      } else {
        const refused = await bed.add('refused');
        expect(JSON.parse(refused.stdout), what).toMatchObject({
          code: 11,
          msg: expect.stringMatching(/cannot/),
        });
        expect(await readiness()).toMatch(/attachments cannot be stored in .*: (ENOSPC|EROFS)/);
      }
      await expectTraffic();
      await bed.removePod(pod);
      const began = performance.now();
      mend();
      await eventually('ready again', async () => (await readiness()).startsWith('ready') || undefined);
      slowest = Math.max(slowest, performance.now() - began);
      await guest('guest');
      await bed.inSync();
    }
    return `ready ${(slowest / 1000).toFixed(1)} s after it was mended at most`;
  },
);

faultTest(
  {
    fault:
      'more pods than interfaces, made and removed again and again, half of them without their namespace',
    promise: 'code 11 while none is free, the next free one at once; no interface, address or entry is lost',
    sample: 3,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    await bed.inSync();
    const [links, leases, tables] = [await bed.tapLinks(), bed.leases(), await bed.tableSizes()];
    for (let index = 0; index < cases; index++) {
      const pods = [await bed.addPod('one'), await bed.addPod('two')];
      const refused = await bed.add('three');
      expect(JSON.parse(refused.stdout)).toMatchObject({
        code: 11,
        msg: expect.stringMatching(/no free interface/),
      });
      for (const pod of pods) await bed.removePod(pod, { namespaceFirst: random.chance(50) });
    }
    await eventually('all is as before', async () => {
      expect([await bed.tapLinks(), bed.leases(), await bed.tableSizes()]).toEqual([links, leases, tables]);
      return true;
    });
    await expectTraffic();
    return `${2 * cases} pods made and removed, nothing left over`;
  },
);
