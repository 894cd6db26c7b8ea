import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { k8sDpArtifacts } from '@infra-offload/p4src';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smallArtifacts } from '../../testing/forwarding.js';
import { compiled, dpdkHeaders, dpdkInstalled, dpdkProgram, startHost } from '../../testing/swx-host.js';
import type { Host } from './host.js';

/** What compiled code does with packets is in differential.system.test.ts. */
describe.runIf(dpdkInstalled && dpdkHeaders !== undefined)('compiled code', () => {
  const directory = mkdtempSync(join(tmpdir(), 'compiled-'));
  let library: string[];

  beforeAll(() => {
    library = compiled(smallArtifacts.spec, 4, directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const start = (spec: string, ports: number): Promise<Host> =>
    startHost(spec, dpdkProgram(['--ports', `${ports}`, ...library]));

  test('runs the program that it was made of, whatever its comments', async () => {
    const host = await start(`; another comment\n${smallArtifacts.spec}`, 3);
    expect(host.description.tables.length).toBeGreaterThan(0);
    await host.stop();
  });

  test('of another program, or for other ports, is refused', async () => {
    await expect(start(k8sDpArtifacts.spec, 4)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/program\.so was compiled from another program: compile it again/),
    });
    await expect(start(smallArtifacts.spec, 8)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/program\.so is for --ports 4, not 8: compile it again/),
    });
  });
});
