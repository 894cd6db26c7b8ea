import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyGroupPlan } from '@infra-offload/lb-model';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLoggers } from '../log.js';
import type { ServiceObject } from './objects.js';
import { StateStore } from './store.js';

const logger = createLoggers({ level: 'silent', modules: {} }).state;
const service: ServiceObject = {
  kind: 'service',
  namespace: 'default',
  name: 'web',
  portName: '',
  protocol: 'TCP',
  frontends: [{ address: 0x0a60000a, port: 80 }],
  endpoints: [{ address: 0x0af40105, port: 8080, weight: 1 }],
  affinitySeconds: undefined,
  unsupportedAddresses: [],
  agentConditions: [],
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'manager-store-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function fill(records = 1): Promise<void> {
  const { store } = await StateStore.open(directory, logger);
  for (let i = 0; i < records; i++)
    store.put(`service/default/web${i}:/TCP`, {
      object: service,
      id: i + 1,
      plan: emptyGroupPlan(`service/default/web${i}:/TCP`, 255),
    });
  store.restId(77, 1234.5);
  store.departAddress(0x0af40105, 99.5);
  await store.committed();
  await store.close();
}

async function reopen() {
  const { store, contents } = await StateStore.open(directory, logger);
  await store.close();
  return contents;
}

describe('StateStore', () => {
  test('keeps what ids of profiles stand for, and which of them rest', async () => {
    const { store } = await StateStore.open(directory, logger);
    store.useProfileId(1, 'one');
    store.useProfileId(2, 'two');
    store.useProfileId(1, 'another');
    store.restProfileId(2, 1234.5);
    await store.committed();
    await store.close();
    expect(await reopen()).toMatchObject({ profileIds: [[1, 'another']], restingProfileIds: [[2, 1234.5]] });
  });

  test('takes a store from before there were profiles', async () => {
    const file = join(directory, 'state.mdb');
    const old = open<Buffer, string>(file, { noSubdir: true, maxDbs: 4, encoding: 'binary' });
    await old.put('format', Buffer.from('infra-offload-manager/2'));
    await old
      .openDB<Buffer, number>('ids', { encoding: 'binary', keyEncoding: 'uint32' })
      .put(7, Buffer.alloc(8));
    for (const name of ['objects', 'departed']) old.openDB(name, { encoding: 'binary' });
    await old.close();
    const contents = await reopen();
    expect(contents.moved).toBeUndefined();
    expect(contents).toMatchObject({ restingIds: [[7, 0]], profileIds: [] });
  });

  test('keeps objects and resting ids across restarts', async () => {
    await fill();
    const contents = await reopen();
    expect(contents.moved).toBeUndefined();
    expect(contents.records.get('service/default/web0:/TCP')).toMatchObject({
      object: service,
      id: 1,
      plan: { size: 255, slots: [] },
    });
    expect(contents.restingIds).toEqual([[77, 1234.5]]);
    expect(contents.departedAddresses).toEqual([[0x0af40105, 99.5]]);
  });

  test('a removed object stays removed', async () => {
    await fill();
    const { store } = await StateStore.open(directory, logger);
    store.remove('service/default/web0:/TCP');
    store.wakeId(77);
    store.returnAddress(0x0af40105);
    await store.committed();
    await store.close();
    const contents = await reopen();
    expect(contents.records.size).toBe(0);
    expect(contents.restingIds).toEqual([]);
    expect(contents.departedAddresses).toEqual([]);
  });

  test.each([
    ['text', (file: string) => writeFileSync(file, 'this is no database\n'.repeat(1000))],
    ['an empty file', (file: string) => writeFileSync(file, '')],
    ['a truncated store', (file: string) => truncateSync(file, 8192 + 100)],
    [
      'a store with zeroed pages',
      (file: string) => {
        const bytes = readFileSync(file);
        writeFileSync(file, bytes.fill(0, 8192));
      },
    ],
    [
      'a store with random pages',
      (file: string) => {
        const bytes = readFileSync(file);
        for (let i = 8192; i < bytes.length; i++) bytes[i] = (i * 2654435761) >>> 7;
        writeFileSync(file, bytes);
      },
    ],
    [
      'a record with one other bit',
      (file: string) => {
        const bytes = readFileSync(file);
        const at = bytes.indexOf('"name":"web"');
        bytes.write('"name":"wec"', at);
        // The same record may be there twice: LMDB copies pages on write.
        for (let next = bytes.indexOf('"name":"web"'); next >= 0; next = bytes.indexOf('"name":"web"')) {
          bytes.write('"name":"wec"', next);
        }
        writeFileSync(file, bytes);
      },
    ],
  ])('%s in its place is moved aside and kept', async (_, damage) => {
    await fill(40);
    damage(join(directory, 'state.mdb'));
    const contents = await reopen();
    expect(contents.records.size).toBe(0);
    expect(contents.moved?.why).toBeTruthy();
    expect(readdirSync(directory).some((name) => name.startsWith('state.mdb.unusable-'))).toBe(true);
    expect((await reopen()).moved).toBeUndefined();
  });

  test('an LMDB store of another program is moved aside', async () => {
    const other = open(join(directory, 'state.mdb'), { noSubdir: true });
    await other.put('hello', { some: 'thing' });
    await other.close();
    const contents = await reopen();
    expect(contents.moved?.why).toContain('not a store of this program');
  });

  test('a directory that cannot be made fails with its name', async () => {
    const path = join(directory, 'file');
    writeFileSync(path, '');
    await expect(StateStore.open(join(path, 'sub'), logger)).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining('stateDirectory'),
    });
  });
});
