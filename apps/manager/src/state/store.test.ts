import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyGroupPlan } from '@infra-offload/lb-model';
import { ipv4 } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import type { ServiceObject } from '../model/objects.js';
import { StateDirectory } from './directory.js';
import { StateStore } from './store.js';

const logger = createLoggers({ level: 'silent', modules: {} }).state;
const service: ServiceObject = {
  kind: 'service',
  namespace: 'default',
  name: 'web',
  portName: '',
  protocol: 'TCP',
  frontends: [{ address: ipv4(0x0a60000a), port: 80 }],
  endpoints: [{ address: ipv4(0x0af40105), port: 8080, weight: 1 }],
  hasEndpointsElsewhere: false,
  affinitySeconds: undefined,
  unsupportedAddresses: [],
  agentConditions: [],
};

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'manager-store-'));
});
afterEach(() => {
  rmSync(path, { recursive: true, force: true });
});

/** Opens the store, does something with it, and closes it. Returns what it held. */
async function withStore(use: (store: StateStore) => void = () => undefined) {
  const directory = await StateDirectory.open(path, logger);
  const { store, contents } = await StateStore.open(directory, logger);
  use(store);
  await store.close();
  await directory.close();
  return contents;
}

function fill(records = 1) {
  return withStore((store) => {
    for (let i = 0; i < records; i++)
      store.put(`service/default/web${i}:/TCP`, {
        object: service,
        id: i + 1,
        plan: emptyGroupPlan(`service/default/web${i}:/TCP`, 255),
      });
    store.restId(77, 1234.5);
    store.departAddress(ipv4(0x0af40105), 99.5);
  });
}

describe('StateStore', () => {
  it('knows that it knows nothing at first', async () => {
    expect(await withStore()).toMatchObject({ isWhole: false, restingIds: [] });
    expect(await withStore()).toMatchObject({ isWhole: true, restingIds: [] });
  });

  it('keeps what ids of profiles stand for, and which of them rest', async () => {
    await withStore((store) => {
      store.useProfileId(1, 'one');
      store.useProfileId(2, 'two');
      store.useProfileId(1, 'another');
      store.restProfileId(2, 1234.5);
    });
    expect(await withStore()).toMatchObject({
      profileIds: [[1, 'another']],
      restingProfileIds: [[2, 1234.5]],
    });
  });

  it('keeps objects and resting ids across restarts', async () => {
    await fill();
    const contents = await withStore();
    expect(contents.isWhole).toBe(true);
    expect(contents.records.get('service/default/web0:/TCP')).toMatchObject({
      object: service,
      id: 1,
      plan: { size: 255, slots: [] },
    });
    expect(contents.restingIds).toEqual([[77, 1234.5]]);
    expect(contents.departedAddresses).toEqual([[0x0af40105, 99.5]]);
  });

  it('a removed object stays removed', async () => {
    await fill();
    await withStore((store) => {
      store.remove('service/default/web0:/TCP');
      store.wakeId(77);
      store.returnAddress(ipv4(0x0af40105));
    });
    const contents = await withStore();
    expect(contents.records.size).toBe(0);
    expect(contents.restingIds).toEqual([]);
    expect(contents.departedAddresses).toEqual([]);
  });

  it('claims are restored in the order in which objects changed last', async () => {
    await fill(3);
    await withStore((store) => store.put('service/default/web0:/TCP', { object: service }));
    expect([...(await withStore()).records.keys()]).toEqual([
      'service/default/web1:/TCP',
      'service/default/web2:/TCP',
      'service/default/web0:/TCP',
    ]);
  });

  it.each([
    [
      'an id of two services',
      (store: StateStore) => store.put('service/b/b:/TCP', planned('service/b/b:/TCP')),
    ],
    [
      'a plan of another service',
      (store: StateStore) => store.put('service/b/b:/TCP', planned('service/x/x:/TCP', 9)),
    ],
  ])('%s makes it unusable', async (_, contradict) => {
    await withStore((store) => store.put('service/a/a:/TCP', planned('service/a/a:/TCP')));
    await withStore(contradict);
    expect(await withStore()).toMatchObject({ isWhole: false });
    expect((await withStore()).isWhole).toBe(true);
  });

  it('what another version has written is kept, and not used', async () => {
    writeFileSync(join(path, 'state.log'), 'infra-manager/9\n and much more of it');
    expect(await withStore()).toMatchObject({ isWhole: false });
    const [kept = ''] = readdirSync(path).filter((name) => name.startsWith('state.log.unusable-'));
    expect(readFileSync(join(path, kept), 'utf8')).toContain('infra-manager/9');
  });

  it('a directory that cannot be made fails with its name', async () => {
    const file = join(path, 'file');
    writeFileSync(file, '');
    await expect(StateDirectory.open(join(file, 'sub'), logger)).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining('stateDirectory'),
    });
  });
});

function planned(key: `service/${string}`, id = 1) {
  return { object: service, id, plan: emptyGroupPlan(key, 255) };
}
