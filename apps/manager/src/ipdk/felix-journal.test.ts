import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame } from '@infra-offload/felix';
import { felix } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLoggers } from '../log.js';
import type { PolicyPayload } from './felix-facts.js';
import { FelixJournal } from './felix-journal.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ipdk-felix-'));
  path = join(directory, 'ipdk-felix');
});
afterEach(() => rmSync(directory, { recursive: true }));

const logger = createLoggers({ level: 'silent', modules: {} }).server;
const set = (id: string, ...members: string[]): PolicyPayload => ({
  $case: 'ipsetUpdate',
  value: { id, members, type: felix.IPSetUpdate_IPSetType.NET },
});
const delta = (id: string, addedMembers: string[], removedMembers: string[]): PolicyPayload => ({
  $case: 'ipsetDeltaUpdate',
  value: { id, addedMembers, removedMembers },
});
const profile = (name: string, action = 'allow'): PolicyPayload => ({
  $case: 'activeProfileUpdate',
  value: {
    id: { name },
    profile: { inboundRules: [felix.Rule.fromPartial({ action })], outboundRules: [] },
  },
});
const removeProfile = (name: string): PolicyPayload => ({
  $case: 'activeProfileRemove',
  value: { id: { name } },
});

async function write(...payloads: PolicyPayload[]): Promise<void> {
  const { journal } = await FelixJournal.open(path, logger);
  for (const payload of payloads) journal.append(payload);
  await journal.committed();
  await journal.close();
}

async function read() {
  const { journal, contents } = await FelixJournal.open(path, logger);
  await journal.close();
  return contents;
}

describe('FelixJournal', () => {
  test('has what was written, without what is outdated', async () => {
    await write(
      set('a', '10.0.0.1', '10.0.0.2'),
      delta('a', ['10.0.0.3'], ['10.0.0.1']),
      profile('x'),
      profile('y'),
    );
    await write(profile('x', 'deny'), removeProfile('y'));
    expect(await read()).toEqual({
      payloads: [set('a', '10.0.0.2', '10.0.0.3'), profile('x', 'deny')],
      isComplete: true,
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });

  test('does without a message that was being written when the manager ended', async () => {
    await write(profile('x'), profile('y'));
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 3));
    expect(await read()).toEqual({ payloads: [profile('x')], isComplete: true });
  });

  test('says so if something else is in the file', async () => {
    await write(profile('x'));
    appendFileSync(path, 'not a journal, is it?');
    expect(await read()).toEqual({ payloads: [profile('x')], isComplete: false });
    const nameless = felix.ToDataplane.encode({ sequenceNumber: 0n, payload: profile('') }).finish();
    writeFileSync(path, encodeFrame(nameless));
    expect(await read()).toEqual({ payloads: [], isComplete: false });
  });

  test('does not grow with what is outdated', async () => {
    const { journal } = await FelixJournal.open(path, logger);
    const members = Array.from({ length: 20_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}/32`);
    for (let i = 0; i < 30; i++) {
      journal.append(set('a', ...members, `10.9.9.${i}`));
      await journal.committed();
    }
    await journal.close();
    expect(statSync(path).size).toBeLessThan(6 * 1024 * 1024);
    const [payload] = (await read()).payloads;
    expect(payload).toEqual(set('a', ...members, '10.9.9.29'));
  });

  test('is an error if it cannot be there', async () => {
    await expect(FelixJournal.open(join(directory, 'nowhere', 'file'), logger)).rejects.toMatchObject({
      code: 'STORE',
    });
  });

  test('property: a restart at any point changes nothing', async () => {
    const name = fc.constantFrom('a', 'b');
    const payloads = fc.oneof(
      fc.tuple(name, fc.constantFrom('allow', 'deny')).map(([id, action]) => profile(id, action)),
      name.map(removeProfile),
      fc.tuple(name, fc.subarray(['1.1.1.1', '2.2.2.2'])).map(([id, members]) => set(id, ...members)),
      fc
        .tuple(name, fc.subarray(['1.1.1.1', '3.3.3.3']), fc.subarray(['2.2.2.2']))
        .map(([id, added, removed]) => delta(id, added, removed)),
      name.map((id): PolicyPayload => ({ $case: 'ipsetRemove', value: { id } })),
    );
    const runs = fc.array(fc.array(payloads, { maxLength: 5 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(runs, async (all) => {
        rmSync(path, { force: true });
        for (const run of all) await write(...run);
        const inPieces = await read();
        rmSync(path);
        await write(...all.flat());
        const sorted = (list: readonly PolicyPayload[]) => list.map((one) => JSON.stringify(one)).sort();
        expect(sorted(inPieces.payloads)).toEqual(sorted((await read()).payloads));
      }),
      { numRuns: 40 },
    );
  });
});
