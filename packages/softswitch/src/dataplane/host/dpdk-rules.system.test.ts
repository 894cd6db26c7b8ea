import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REFUSED, TAKEN } from '@infra-offload/swx/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dpdkHeaders, dpdkInstalled, swxHost } from '../../testing/swx-host.js';

/** DPDK's own parser as the oracle of ours: with `--compile`, it reads a program before anything is compiled. */
describe.runIf(dpdkInstalled && dpdkHeaders !== undefined)('DPDK', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'dpdk-rules-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** What is said of a program; undefined if it was taken. */
  function verdict(text: string): string | undefined {
    const source = join(directory, 'program.spec');
    writeFileSync(source, text);
    const library = join(directory, 'program.so');
    const args = ['--spec', source, '--ports', '2', '--compile', library, '--headers', dpdkHeaders ?? ''];
    const { status, stderr } = spawnSync(swxHost(), args, { encoding: 'utf8' });
    return status === 0 ? undefined : stderr;
  }

  it('refuses what our parser refuses for its sake', () => {
    const taken = REFUSED.filter(([, text]) => verdict(text) === undefined).map(([what]) => what);
    expect(taken).toEqual([]);
  }, 120_000);

  it('takes programs of the same form', () => {
    for (const [what, text] of TAKEN) expect(verdict(text), what).toBeUndefined();
  }, 120_000);
});
