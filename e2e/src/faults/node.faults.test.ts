/** What a node runs out of, what was left lying on it, and an authority's file that is damaged. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultTest, type Random } from '@infra-offload/faults';
import { programs, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect } from 'vitest';
import { Census } from './support/census.js';

const TAPS = 5;
/** One is the node's, and one is `resident`'s. */
const FREE = TAPS - 2;

let bed: Testbed;
let resident: TestPod;
let atRest: Census;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: TAPS });
  resident = await bed.addPod('resident');
  await bed.removePod(await bed.addPod('first'));
  await bed.inSync();
  atRest = await Census.take(bed);
});
afterAll(() => bed?.stop());

async function reaches(pod: TestPod): Promise<void> {
  const { code } = await pod.namespace.run('ping', ['-c', '1', '-W', '2', resident.ip]);
  expect(code, `${pod.name} reaches the resident pod`).toBe(0);
}

/** Pods for all interfaces that are free. */
async function fill(name: string): Promise<TestPod[]> {
  const pods: TestPod[] = [];
  for (let index = 0; index < FREE; index++) pods.push(await bed.addPod(`${name}-${index}`));
  return pods;
}

faultTest(
  {
    fault: 'more pods than interfaces',
    promise: 'CNI error 11 that says why, no address is lost, a freed interface is given out again',
    sample: 1,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    let refused = 0;
    for (let index = 0; index < cases; index++) {
      const pods = await fill(`full-${index}`);
      const before = bed.leases();
      for (let more = 0; more < 2; more++) {
        const { code, stdout } = await bed.add(`more-${index}`);
        expect(code).not.toBe(0);
        expect(JSON.parse(stdout)).toMatchObject({
          code: 11,
          msg: expect.stringContaining('no free interface'),
        });
        refused++;
      }
      expect(bed.leases()).toEqual(before);
      const gone = random.pick(pods);
      await bed.removePod(gone);
      pods.splice(pods.indexOf(gone), 1, await bed.addPod(`again-${index}`));
      for (const pod of pods) {
        await reaches(pod);
        await bed.removePod(pod);
      }
    }
    await atRest.isNow(bed);
    return `${refused} pods refused, nothing left over`;
  },
);

/** Files as a crash, another version or a person may leave them, by name. */
function leftOvers(random: Random): Map<string, Buffer> {
  const state = join(bed.layout.state('agent'), 'tap');
  const manager = bed.layout.state('manager');
  const [whole] = [JSON.stringify({ containerId: 'x', ifname: 'eth0' })];
  const files = new Map([
    [join(state, 'gone:eth0.json'), Buffer.from(whole)],
    [join(state, 'half:eth0.json'), Buffer.from(whole.slice(0, 9))],
    [join(state, 'empty:eth0.json'), Buffer.alloc(0)],
    [join(state, 'noise:eth0.json'), Buffer.from(random.bytes(200))],
    [join(state, 'written:eth0.json.tmp'), Buffer.from(whole)],
    [join(state, 'README'), Buffer.from('who put this here?')],
    [join(manager, 'core.4711'), Buffer.from(random.bytes(2_000))],
    [join(manager, 'old', 'state.mdb'), Buffer.from(random.bytes(5_000))],
  ]);
  return new Map([...files].filter(() => random.chance(70)));
}

faultTest(
  {
    fault: 'files of a crash, of another version or of nobody in the state directories, and stale sockets',
    promise: 'both start, pods keep their network, every interface can be given out',
    sample: 1,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    let files = 0;
    for (let index = 0; index < cases; index++) {
      await bed.agent.stop('SIGKILL');
      await bed.manager.stop('SIGKILL');
      for (const [file, content] of leftOvers(random)) {
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(file, content);
        files++;
      }
      await bed.startManager();
      await bed.startAgent();
      await bed.inSync();
      for (const pod of await fill(`after-${index}`)) {
        await reaches(pod);
        await bed.removePod(pod);
      }
    }
    await atRest.isNow(bed);
    return `${files} files, nothing else left over`;
  },
);

const DAMAGES: readonly ((pem: Buffer, random: Random) => Buffer)[] = [
  () => Buffer.alloc(0),
  (pem, random) => pem.subarray(0, random.below(pem.length - 40)),
  (_, random) => Buffer.from(random.bytes(1_500)),
  (pem, random) => {
    const text = Buffer.from(pem);
    for (let index = 0; index < 8; index++)
      text[40 + random.below(text.length - 80)] = 0x41 + random.below(26);
    return text;
  },
];
const HOLDERS = [
  { program: 'agent', role: 'agent', file: programs.agent, start: () => bed.startAgent() },
  { program: 'manager', role: 'manager', file: programs.manager, start: () => bed.startManager() },
  { program: 'softswitch', role: 'target', file: programs.softswitch, start: () => bed.startSoftswitch() },
] as const;

faultTest(
  {
    fault: 'a corrupted CA file',
    promise:
      'the one in use stays in use; a start ends with the file’s name; all is well once it is repaired',
    sample: 3,
    unit: 'upheaval',
  },
  async ({ cases, random }) => {
    for (let index = 0; index < cases; index++) {
      const holder = HOLDERS[index] ?? random.pick(HOLDERS);
      const { ca } = bed.layout.identity(holder.role);
      const whole = readFileSync(ca);
      writeFileSync(ca, random.pick(DAMAGES)(whole, random));
      const pod = await bed.addPod(`damaged-${index}`);
      await reaches(pod);
      await bed.removePod(pod);

      await bed[holder.program].stop();
      const config = ['--config', bed.layout.config(holder.program)];
      const { code, stderr } = await bed.node.run(process.execPath, [holder.file, ...config]);
      expect(code, `${holder.program} with a damaged CA: ${stderr}`).toBeGreaterThan(0);
      expect(stderr).toContain(ca);

      writeFileSync(ca, whole);
      await holder.start();
      await bed.inSync();
    }
    await atRest.isNow(bed);
    return 'no connection was refused while running';
  },
);
