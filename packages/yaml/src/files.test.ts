import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFile } from './config-file.js';
import { YamlError } from './error.js';
import { readTextFile, readTextFileSync } from './file.js';
import { parseJson } from './json.js';

const directory = mkdtempSync(join(tmpdir(), 'yaml-files-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe('readTextFile', () => {
  it.each<[string, () => string, RegExp]>([
    ['no file', () => join(directory, 'none'), /none: cannot be read: ENOENT: no such file or directory$/],
    ['a directory', () => directory, /: cannot be read: EISDIR: illegal operation on a directory$/],
    ['a file that is too large', () => file('large', 'x'.repeat(101)), /large: has more than 100 bytes$/],
    ['a device without end', () => '/dev/zero', /^\/dev\/zero: has more than 100 bytes$/],
    [
      'UTF-16',
      () => file('utf16', Buffer.from('\ufeffa: 1', 'utf16le')),
      /utf16:1:1: is UTF-16 or binary: save it as UTF-8$/,
    ],
    [
      'UTF-16 without a mark',
      () => file('plain16', Buffer.from('a: 1', 'utf16le')),
      /:1:1: is UTF-16 or binary/,
    ],
  ])('refuses %s', async (_, path, message) => {
    expect(() => readTextFileSync(path(), 100)).toThrow(message);
    await expect(readTextFile(path(), 100)).rejects.toThrow(message);
    await expect(readTextFile(path(), 100)).rejects.toSatisfy((error) => YamlError.is(error));
  });

  it('reads what is as long as it may be, from a pipe, too', async () => {
    const text = 'é'.repeat(100_000);
    const path = file('long', text);
    expect(readTextFileSync(path, 200_000)).toBe(text);
    expect(await readTextFile(path, 200_000)).toBe(text);
    const fifo = join(directory, 'fifo');
    spawnSync('mkfifo', [fifo]);
    const [read] = await Promise.all([
      readTextFile(fifo, 100),
      new Promise<void>((resolve) => resolve(writeFileSync(fifo, 'through a pipe'))),
    ]);
    expect(read).toBe('through a pipe');
  });
});

describe('ConfigFile', () => {
  it('has the settings and the places of them', () => {
    const config = ConfigFile.read(file('good.yaml', '# c\nlog:\n  level: info\nport: 0120\n'));
    expect(config.settings).toEqual({ log: { level: 'info' }, port: 80 });
    expect(config.place(['log', 'level'])).toBe(`${directory}/good.yaml:3:10`);
    expect(config.place(['log', 'missing'])).toBe(`${directory}/good.yaml:3:3`);
  });

  it.each(['', '# nothing\n', '---\n', '~'])('takes %j as no settings', (text) => {
    expect(ConfigFile.parse(text, 'f').settings).toEqual({});
  });

  it.each([
    ['- a', 'f:1:1: the configuration is not a mapping of keys to values'],
    ['a string', 'f:1:1: the configuration is not a mapping of keys to values'],
    ['a: 1\n---\nb: 2', 'f:3:1: a configuration is one document'],
    ['a: 1\nb:\n  c: 1\n  c: 2', "f:4:3: 'c' is given twice"],
    ['a: [', 'f:1:5: unexpected end of the stream within a flow collection'],
    ['a: *b', 'f:1:4: the alias *b has no anchor before it'],
  ])('refuses %j', (text, message) => expect(() => ConfigFile.parse(text, 'f')).toThrow(message));
});

describe('parseJson', () => {
  it.each([
    ['', 1, 1],
    ['{"a":1,}', 1, 8],
    ['[1,\n2,\n x]', 3, 2],
    ['[1,]', 1, 4],
    ['{"a" 1}', 1, 6],
    ['{"a":1} x', 1, 9],
    ['"a\nb"', 1, 3],
    ['["\\x"]', 1, 3],
    ['[1\n', 2, 1],
    ['{"a":\r\n01}', 2, 1],
    ['nul', 1, 1],
    [']', 1, 1],
    ['[}', 1, 2],
    ['{1:2}', 1, 2],
    ['"abc', 1, 5],
  ])('tells where %j stops being JSON', (text, line, column) => {
    expect(() => parseJson(text, { file: 'f.json' })).toThrow(
      expect.objectContaining({
        code: 'SYNTAX',
        details: { file: 'f.json', position: { line, column } },
        message: expect.stringMatching(new RegExp(`^f\\.json:${line}:${column}: is not JSON: `)),
      }),
    );
  });

  it('refuses what is too deep, at once', () => {
    expect(() => parseJson(`{"a":\n${'['.repeat(5_000_000)}`)).toThrow(
      '2:100: is nested more than 100 levels deep',
    );
    expect(parseJson(`${'['.repeat(100)}${']'.repeat(100)}`)).toHaveLength(1);
    expect(parseJson('"[[[["', { maxDepth: 1 })).toBe('[[[[');
  });
});
