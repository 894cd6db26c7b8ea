import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { runCodegen } from './codegen-cli.js';
import { formatProgram } from './format-program.js';
import { P4Program } from './model/program.js';

const folder = mkdtempSync(join(tmpdir(), 'p4info-codegen-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = fileURLToPath(new URL('../fixtures/psa.txtpb', import.meta.url));

async function run(...args: string[]) {
  let stdout = '';
  let stderr = '';
  const code = await runCodegen(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('p4info-codegen', () => {
  it('writes TypeScript to standard output, and warnings with their place to standard error', async () => {
    const { code, stdout, stderr } = await run(fixture, '--name', 'psaTest');
    expect(code).toBe(0);
    expect(stdout).toContain('export const psaTestDescriptor = {');
    expect(stderr).toBe(
      `warning: ${fixture}:83:7: the type of [type.googleapis.com/example.v1.Histogram] is not known; it is left out\n`,
    );
  });

  it('writes a file, with a name of its own making', async () => {
    const out = join(folder, 'out.ts');
    const { code, stdout } = await run(fixture, '--out', out);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(readFileSync(out, 'utf8')).toContain('export const psaDescriptor = {');
  });

  it('writes an overview', async () => {
    const { code, stdout } = await run(fixture, '--overview');
    expect(code).toBe(0);
    expect(stdout).toBe(formatProgram(P4Program.parse(readFileSync(fixture))));
  });

  it.each<[string, () => string[], number, RegExp]>([
    [
      'a syntax error',
      () => [file('bad.txtpb', 'tables {\n  size: x\n}')],
      1,
      /^p4info-codegen: \S+bad\.txtpb:2:9: expected an integer/,
    ],
    [
      'an error in the model',
      () => [file('id.txtpb', 'pkg_info {}\nactions {}')],
      1,
      /id\.txtpb:2:1: actions\[0\]: a/,
    ],
    ['an empty file', () => [file('empty.txtpb', '')], 1, /empty\.txtpb: the P4Info is empty \(0 bytes\)\n$/],
    [
      'a missing file',
      () => [join(folder, 'none.txtpb')],
      1,
      /^p4info-codegen: ENOENT: no such file or directory/,
    ],
    ['a folder that is not there', () => [fixture, '--out', join(folder, 'no', 'x.ts')], 1, /ENOENT/],
    ['a bad name', () => [fixture, '--name', '1x'], 2, /'1x' cannot start the name of a constant/],
    ['a file without a usable name', () => [file('7.txtpb', 'pkg_info {}')], 2, /give --name/],
    ['no file', () => [], 2, /missing required argument 'file'/],
    [
      'an unknown flag',
      () => [fixture, '--nmae', 'x'],
      2,
      /unknown option '--nmae'\n\(Did you mean --name\?\)/,
    ],
    ['two files', () => [fixture, fixture], 2, /too many arguments/],
  ])('tells %s', async (_, args, expected, message) => {
    const { code, stdout, stderr } = await run(...args());
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
  });

  it('explains itself', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: p4info-codegen [options] <file>');
  });
});
