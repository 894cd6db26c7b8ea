import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTree } from './tree.js';

const directory = mkdtempSync(join(tmpdir(), 'tls-certs-cli-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const CLI = fileURLToPath(new URL('./cli.ts', import.meta.url));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', '--conditions', '@infra-offload/source', CLI, ...args],
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

const tree = join(directory, 'tree');
beforeAll(() => createTree(tree, { bits: 2048 }));

it('inspect ends with 1 as soon as anything is wrong, and prints the table in any case', async () => {
  const good = await run('inspect', tree);
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(good.stdout).toMatch(
    /^file +subject +role +ends +check +names\nca\.crt +CN=infra-server_ca +authority/,
  );
  rmSync(join(tree, 'infractl/tls.key'));
  const bad = await run('inspect', tree);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(
    /infractl\/tls\.crt +CN=infra-operator .*WRONG[\s\S]*\n\ninfractl\/tls\.crt: there is no key beside it\n$/u,
  );
});

it.each([
  [
    ['create', '-d', 'tree'],
    1,
    /^tls-certs: tree\/ca\.crt and \d+ more files are there already: .*--force\n$/,
  ],
  [['create', '--bits', '1024'], 2, /argument '1024' is invalid. it must be 3072 or 4096\./],
  [['create', '--days', '0'], 2, /argument '0' is invalid/],
  [
    ['renew', '-d', 'nowhere'],
    1,
    /^tls-certs: nowhere\/ca\.crt cannot be read: ENOENT: no such file or directory\n$/,
  ],
  [['inspect', 'nowhere'], 1, /^tls-certs: nowhere cannot be read: ENOENT: no such file or directory\n$/],
  [
    ['secrets', '-d', 'nowhere'],
    1,
    /^tls-certs: nowhere\/inframanager\/server\/ca\.crt cannot be read: ENOENT/,
  ],
  [['revoke'], 2, /unknown command 'revoke'/],
])(
  '%j ends with %i and says in one line what is wrong',
  async (args, status, message) => {
    await createTree(join(directory, 'tree'), { bits: 2048, force: true });
    const place = (arg: string) => (arg === 'tree' || arg === 'nowhere' ? join(directory, arg) : arg);
    const { code, stdout, stderr } = await run(...args.map(place));
    expect(code).toBe(status);
    expect(stdout).toBe('');
    expect(stderr.replaceAll(`${directory}/`, '')).toMatch(message);
  },
  30_000,
);
