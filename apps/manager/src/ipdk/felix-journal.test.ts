import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { felix } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import { StateDirectory } from '../state/directory.js';
import type { PolicyPayload } from './felix-facts.js';
import { FelixJournal } from './felix-journal.js';

let path: string;
let directory: StateDirectory;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'ipdk-felix-'));
  directory = await StateDirectory.open(path, logger);
});
afterEach(async () => {
  await directory.close();
  rmSync(path, { recursive: true });
});

const FILE = 'ipdk-felix.log';
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
  const { journal } = await FelixJournal.open(directory, logger);
  for (const payload of payloads) journal.append(payload);
  await journal.close();
}

async function read() {
  const { journal, contents } = await FelixJournal.open(directory, logger);
  await journal.close();
  return contents;
}

describe('FelixJournal', () => {
  it('has what was written, without what is outdated', async () => {
    await write(
      set('a', '10.0.0.1', '10.0.0.2'),
      delta('a', ['10.0.0.3'], ['10.0.0.1']),
      profile('x'),
      profile('y'),
    );
    await write(profile('x', 'deny'), removeProfile('y'));
    expect(await read()).toEqual({
      payloads: [set('a', '10.0.0.2', '10.0.0.3'), profile('x', 'deny')],
      isLost: false,
    });
    expect(statSync(directory.join(FILE)).mode & 0o777).toBe(0o600);
    expect(existsSync(directory.join(`${FILE}.tmp`))).toBe(false);
  });

  it('knows that it has lost something, but for a file without messages', async () => {
    await write();
    writeFileSync(directory.join(FILE), 'x'.repeat(32));
    expect(await read()).toEqual({ payloads: [], isLost: false });
    await write(profile('x'));
    writeFileSync(directory.join(FILE), readFileSync(directory.join(FILE)).fill(0, 40, 41));
    expect(await read()).toEqual({ payloads: [], isLost: true });
    // What is nameless was not written by this program.
    await write(profile('x'), profile(''));
    expect(await read()).toEqual({ payloads: [], isLost: true });
    expect(readdirSync(path).filter((name) => name.includes('.unusable-')).length).toBe(3);
  });

  it('does not grow with what is outdated', async () => {
    const { journal } = await FelixJournal.open(directory, logger);
    const members = Array.from({ length: 20_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}/32`);
    for (let i = 0; i < 30; i++) {
      journal.append(set('a', ...members, `10.9.9.${i}`));
      await journal.stored();
    }
    await journal.close();
    expect(statSync(directory.join(FILE)).size).toBeLessThan(6 * 1024 * 1024);
    const [payload] = (await read()).payloads;
    expect(payload).toEqual(set('a', ...members, '10.9.9.29'));
  });

  it('property: a restart at any point changes nothing', async () => {
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
        rmSync(directory.join(FILE), { force: true });
        for (const run of all) await write(...run);
        const inPieces = await read();
        rmSync(directory.join(FILE));
        await write(...all.flat());
        const sorted = (list: readonly PolicyPayload[]) => list.map((one) => JSON.stringify(one)).sort();
        expect(sorted(inPieces.payloads)).toEqual(sorted((await read()).payloads));
      }),
      { numRuns: 12 },
    );
  });
});
