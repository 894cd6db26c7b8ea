import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeDeviceConfig } from '@infra-offload/p4rt';
import { k8sDpArtifacts, k8sDpDeviceConfig } from '@infra-offload/p4src';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArtifacts } from '../../testing/forwarding.js';
import {
  compiled,
  dpdkHeaders,
  dpdkInstalled,
  dpdkProgram,
  startHost,
  swxHost,
} from '../../testing/swx-host.js';
import type { Host } from './host.js';
import { type Greeting, Operation } from './protocol.js';
import { ByteWriter } from './wire.js';

/** What compiled code does with packets is in differential.system.test.ts. */
describe.runIf(dpdkInstalled && dpdkHeaders !== undefined)('compiled code', () => {
  let directory: string;
  let library: string[];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'compiled-'));
    library = compiled(smallArtifacts.spec, 4, directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const start = (spec: string, ports: number): Promise<Host> =>
    startHost(spec, dpdkProgram(['--ports', `${ports}`, ...library]));

  it('runs the program that it was made of, whatever its comments', async () => {
    const host = await start(`; another comment\n${smallArtifacts.spec}`, 3);
    expect(host.description.tables.length).toBeGreaterThan(0);
    await host.stop();
  });

  it('of another program, or for other ports, is refused', async () => {
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

describe.runIf(dpdkInstalled)('code that is compiled when it is needed', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'code-cache-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  async function greeting(
    cache: string,
    { spec = smallArtifacts.spec, headers = dpdkHeaders ?? '/nonexistent', env = [] as string[] } = {},
  ): Promise<Greeting> {
    const args = ['--ports', '4', '--cache', join(directory, cache), '--headers', headers];
    const { args: all, ...program } = dpdkProgram(args);
    const host = await startHost(spec, { ...program, command: 'env', args: [...env, swxHost(), ...all] });
    await host.stop();
    return host.greeting;
  }
  const interpreted = (interpretedBecause: RegExp) => ({
    compiled: false,
    interpretedBecause: expect.stringMatching(interpretedBecause),
  });

  it.runIf(dpdkHeaders !== undefined)(
    'is kept for each program, and made again only if it is not whole',
    async () => {
      const code = { compiled: true, interpretedBecause: '' };
      expect(await greeting('kept')).toMatchObject(code);
      const [file = ''] = readdirSync(join(directory, 'kept'));
      const path = join(directory, 'kept', file);
      const { ino, size } = statSync(path);
      expect(await greeting('kept')).toMatchObject(code);
      expect(statSync(path).ino).toBe(ino);

      truncateSync(path, 100);
      expect(await greeting('kept')).toMatchObject(code);
      expect(statSync(path).size).toBe(size);

      expect(await greeting('kept', { spec: k8sDpArtifacts.spec })).toMatchObject(code);
      expect(readdirSync(join(directory, 'kept'))).toHaveLength(2);
    },
  );

  it.each([
    ['compiled', dpdkHeaders ?? '/nonexistent'],
    ['interpreted', '/nonexistent'],
  ])('a program has the timeouts that it was given, %s', async (_, headers) => {
    const timeouts = [30, 61, 62, 63, 64, 64, 65, 66, 67, 68, 69, 70, 71] as const;
    const [profile] = decodeDeviceConfig(k8sDpDeviceConfig(timeouts)).profiles;
    const spec = Buffer.from(profile?.binary ?? []).toString();
    const args = ['--ports', '4', '--cache', join(directory, 'timeouts'), '--headers', headers];
    const host = await startHost(spec, dpdkProgram(args));
    const learner = host.description.learners.findIndex(({ name }) => name === 'conntrack');
    const answer = await host.request(Operation.READ_TIMEOUTS, new ByteWriter().u16(learner).view());
    const told = Array.from({ length: answer.u16() }, () => answer.u32());
    expect(told).toEqual(timeouts);
    await host.stop();
  });

  it('without headers the program is interpreted, which is said', async () => {
    expect(await greeting('none', { headers: '/nonexistent' })).toMatchObject(
      interpreted(/there are no headers of DPDK's source package in \/nonexistent \(make /),
    );
  });

  it.runIf(dpdkHeaders !== undefined)('the same without a compiler, of which nothing is left', async () => {
    expect(await greeting('failed', { env: ['CC=false'] })).toMatchObject(
      interpreted(/the C compiler fails/),
    );
    expect(readdirSync(join(directory, 'failed'))).toEqual([]);
  });

  it.runIf(dpdkHeaders !== undefined)('and where others could put code', async () => {
    await greeting('open', { env: ['CC=false'] });
    chmodSync(join(directory, 'open'), 0o777);
    expect(await greeting('open')).toMatchObject(
      interpreted(/must be a directory that nobody but its owner, user \d+, can write to/),
    );
  });

  it.runIf(dpdkHeaders !== undefined)('and a program that has more pieces than DPDK takes', async () => {
    const pieces = Array.from(
      { length: 100 },
      (_, i) => `mov m.group ${i}\n\tmov m.member ${i}\n\ttable narrow\n\t`,
    );
    const spec = smallArtifacts.spec.replace('\ttx ', `\t${pieces.join('')}tx `);
    expect(await greeting('pieces', { spec })).toMatchObject(interpreted(/cannot be built/));
  });
});
