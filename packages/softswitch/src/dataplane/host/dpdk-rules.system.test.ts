import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REFUSED, TAKEN } from '@infra-offload/swx/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dpdkInstalled, swxHost } from '../../testing/swx-host.js';

/** DPDK's own parser as the oracle of ours: it reads a program before swx-host compiles it. */
describe.runIf(dpdkInstalled)('DPDK', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'dpdk-rules-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** Why DPDK refuses a program; undefined if it takes it, and what it makes of it gets as far as the C compiler. */
  function refusal(text: string): string | undefined {
    const source = join(directory, 'program.spec');
    writeFileSync(source, text);
    const output = ['--compile', join(directory, 'program.so'), '--headers', directory];
    const { stderr } = spawnSync(swxHost(), ['--spec', source, '--ports', '2', ...output], {
      encoding: 'utf8',
    });
    const reason = /it cannot be turned into code: (.*)/.exec(stderr)?.[1];
    if (reason === undefined) expect(stderr).toContain('the C compiler fails');
    return reason;
  }

  it('refuses what our parser refuses for its sake', () => {
    const taken = REFUSED.filter(([, text]) => refusal(text) === undefined).map(([what]) => what);
    expect(taken).toEqual([]);
  });

  it('takes programs of the same form', () => {
    for (const [what, text] of TAKEN) expect(refusal(text), what).toBeUndefined();
  });
});
