import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { damageFile, faultTest, type Random } from '@infra-offload/faults';
import { felix } from '@infra-offload/infra-api';
import { emptyGroupPlan } from '@infra-offload/lb-model';
import { ipv4 } from '@infra-offload/net';
import { afterAll, beforeAll, expect } from 'vitest';
import type { PolicyPayload } from '../ipdk/felix-facts.js';
import { FelixJournal } from '../ipdk/felix-journal.js';
import { createLoggers } from '../log.js';
import type { ServiceObject } from '../model/objects.js';
import { StateDirectory } from './directory.js';
import { StateStore, type StoreContents } from './store.js';

const logger = createLoggers({ level: 'silent', modules: {} }).state;
const RECORDS = 40;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'store-faults-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function service(i: number): ServiceObject {
  return {
    kind: 'service',
    namespace: 'default',
    name: `web${i}`,
    portName: '',
    protocol: 'TCP',
    frontends: [{ address: ipv4(0x0a60000a + i), port: 80 }],
    endpoints: [{ address: ipv4(0x0af40105), port: 8080, weight: 1 }],
    hasEndpointsElsewhere: false,
    affinitySeconds: undefined,
    unsupportedAddresses: [],
    agentConditions: [],
  };
}

function put(store: StateStore, i: number): void {
  const key = `service/default/web${i}:/TCP` as const;
  store.put(key, { object: service(i), id: i + 1, plan: emptyGroupPlan(key, 255) });
}

async function withStore(
  path: string,
  use: (store: StateStore) => Promise<void> | void = () => undefined,
): Promise<StoreContents> {
  const directory = await StateDirectory.open(path, logger);
  const { store, contents } = await StateStore.open(directory, logger);
  await use(store);
  await store.close();
  await directory.close();
  return contents;
}

/** Directories with the same store, one for each case. */
async function* copies(name: string, cases: number, make: (path: string) => Promise<unknown>) {
  const original = join(root, name);
  await make(original);
  for (let i = 0; i < cases; i++) {
    const path = join(root, `${name}-${i}`);
    mkdirSync(path);
    cpSync(original, path, { recursive: true });
    yield path;
    rmSync(path, { recursive: true });
  }
}

function fill(path: string) {
  return withStore(path, (store) => {
    for (let i = 0; i < RECORDS; i++) put(store, i);
    store.restId(77, 1234.5);
    store.useProfileId(3, 'digest');
  });
}

const sizes = ({ records, restingIds, profileIds }: StoreContents) =>
  [records.size, restingIds.length, profileIds.length].join(' ');
const FULL = `${RECORDS} 1 1`;
const EMPTY = '0 0 0';

faultTest(
  {
    fault: 'damage of the state while the manager is off: bits, pages, lengths, another file, a directory',
    promise: 'noticed before use, kept aside, begun anew; never a part of it',
    sample: 60,
    most: 20_000,
  },
  async ({ cases, random }) => {
    let noticed = 0;
    for await (const path of copies('off', cases, fill)) {
      const done = damageFile(join(path, 'state.log'), random);
      const contents = await withStore(path, (store) => put(store, 1));
      // What is behind the last record counts for nothing.
      expect(sizes(contents), done).toBe(contents.isWhole ? FULL : EMPTY);
      noticed += Number(!contents.isWhole);
      if (!contents.isWhole && done !== 'removed')
        expect(
          readdirSync(path).some((name) => name.startsWith('state.log.unusable-')),
          done,
        ).toBe(true);
      const after = await withStore(path);
      expect(after.isWhole, done).toBe(true);
      expect(after.records.has('service/default/web1:/TCP'), done).toBe(true);
    }
    return `${noticed} of ${cases} mattered, all of them noticed`;
  },
);

faultTest(
  {
    fault: 'damage of the state while the manager runs, its directory removed, too',
    promise: 'it goes on; what is on the disk in the end is all of it, or is noticed',
    sample: 15,
    most: 20_000,
  },
  async ({ cases, random }) => {
    let whole = 0;
    for await (const path of copies('on', cases, fill)) {
      let done = '';
      await withStore(path, async (store) => {
        put(store, 0);
        await store.stored();
        for (let i = 0; i < 3; i++) {
          done = harm(path, random);
          put(store, RECORDS + i);
          await store.stored();
          expect(store.problem, done).toBeUndefined();
        }
      });
      const contents = await withStore(path);
      expect(sizes(contents), done).toBe(contents.isWhole ? `${RECORDS + 3} 1 1` : EMPTY);
      whole += Number(contents.isWhole);
    }
    return `${whole} of ${cases} mended on the run, the others noticed at the next start`;
  },
);

function harm(path: string, random: Random): string {
  if (random.chance(90)) return damageFile(join(path, 'state.log'), random);
  rmSync(path, { recursive: true });
  return 'its directory removed';
}

const profile = (i: number): PolicyPayload => ({
  $case: 'activeProfileUpdate',
  value: {
    id: { name: `profile-${i}` },
    profile: { inboundRules: [felix.Rule.fromPartial({ action: 'allow' })], outboundRules: [] },
  },
});

faultTest(
  {
    fault: 'damage of what Felix has said through an IPDK agent',
    promise: 'noticed before use, so that pods without known policy are closed',
    sample: 15,
    most: 20_000,
  },
  async ({ cases, random }) => {
    const open = async (path: string, use: (journal: FelixJournal) => void = () => undefined) => {
      const directory = await StateDirectory.open(path, logger);
      const { journal, contents } = await FelixJournal.open(directory, logger);
      use(journal);
      await journal.close();
      await directory.close();
      return contents;
    };
    const fillJournal = (path: string) =>
      open(path, (journal) => {
        for (let i = 0; i < RECORDS; i++) journal.append(profile(i));
      });
    let noticed = 0;
    for await (const path of copies('felix', cases, fillJournal)) {
      const done = damageFile(join(path, 'ipdk-felix.log'), random);
      const { payloads, isLost } = await open(path, (journal) => journal.append(profile(1)));
      expect([0, RECORDS], done).toContain(payloads.length);
      const isGone = ['removed', 'empty', 'a directory in its place', 'a link to itself in its place'];
      if (payloads.length === 0 && !isGone.includes(done) && !done.startsWith('cut to'))
        expect(isLost, done).toBe(true);
      noticed += Number(payloads.length === 0);
      expect((await open(path)).payloads.length, done).toBe(payloads.length === 0 ? 1 : RECORDS);
    }
    return `${noticed} of ${cases} mattered, all of them noticed`;
  },
);
