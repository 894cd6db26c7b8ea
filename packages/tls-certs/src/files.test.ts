import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPem, readPemAsync, writeFiles } from './files.js';
import { authorityFiles, filesOf, LEAVES } from './layout.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tls-certs-files-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (...names: string[]) => join(directory, ...names);
const failure = (file: string, message: RegExp) =>
  expect.objectContaining({
    name: 'TlsCertsError',
    code: 'FILE',
    message: expect.stringMatching(message),
    details: { file },
  });

describe('files that are written', () => {
  it('are for everybody to read, but keys and directories for their owner only', () => {
    writeFiles([
      { file: at('a', 'b', 'x.crt'), text: 'certificate', isSecret: false },
      { file: at('a', 'x.key'), text: 'key', isSecret: true },
    ]);
    expect([readFileSync(at('a', 'b', 'x.crt'), 'utf8'), readFileSync(at('a', 'x.key'), 'utf8')]).toEqual([
      'certificate',
      'key',
    ]);
    const modes = [['a'], ['a', 'b'], ['a', 'b', 'x.crt'], ['a', 'x.key']].map((names) =>
      (statSync(at(...names)).mode & 0o777).toString(8),
    );
    expect(modes).toEqual(['700', '700', '644', '600']);
  });

  it('replace what is there, whatever a run before has left behind', () => {
    writeFileSync(at('x.key'), 'old', { mode: 0o644 });
    writeFileSync(at('x.key.new'), 'half', { mode: 0o644 });
    writeFiles([{ file: at('x.key'), text: 'new', isSecret: true }]);
    expect(readFileSync(at('x.key'), 'utf8')).toBe('new');
    expect((statSync(at('x.key')).mode & 0o777).toString(8)).toBe('600');
    expect(readdirSync(directory)).toEqual(['x.key']);
  });

  it('that cannot be written are named, and nothing half is left', () => {
    mkdirSync(at('x.crt', 'within'), { recursive: true });
    expect(() => writeFiles([{ file: at('x.crt'), text: 'x', isSecret: false }])).toThrow(
      failure(at('x.crt'), /x\.crt cannot be written: E/),
    );
    expect(existsSync(at('x.crt.new'))).toBe(false);
    writeFileSync(at('file'), '');
    expect(() => writeFiles([{ file: at('file', 'x.crt'), text: 'x', isSecret: false }])).toThrow(
      failure(at('file', 'x.crt'), /cannot be written: /),
    );
  });
});

describe('files that are read', () => {
  it('come with their names', async () => {
    writeFileSync(at('x.crt'), 'text');
    const expected = { file: at('x.crt'), text: 'text' };
    expect([readPem(at('x.crt')), await readPemAsync(at('x.crt'))]).toEqual([expected, expected]);
  });

  it.each<[string, () => string, RegExp]>([
    ['is not there', () => at('none'), /none cannot be read: ENOENT: no such file or directory$/],
    ['is a directory', () => directory, / cannot be read: /],
    [
      'is too long',
      () => {
        writeFileSync(at('long'), Buffer.alloc(1024 * 1024 + 1, 0x20));
        return at('long');
      },
      /long cannot be read: has more than 1 MiB$/,
    ],
  ])('are refused if one %s', async (_, make, message) => {
    const file = make();
    expect(() => readPem(file)).toThrow(failure(file, message));
    await expect(readPemAsync(file)).rejects.toThrow(failure(file, message));
  });

  it('may have a mebibyte', async () => {
    writeFileSync(at('long'), Buffer.alloc(1024 * 1024, 0x20));
    expect(readPem(at('long')).text).toHaveLength(1024 * 1024);
  });
});

it('the tree has the places that manager, agent, target and their clients look in', () => {
  expect(authorityFiles('/pki')).toEqual({ cert: '/pki/ca.crt', key: '/pki/ca.key' });
  const places = LEAVES.map((leaf) => {
    const { ca, cert, key } = filesOf('/pki', leaf);
    return [leaf.role, ca, cert, key, leaf.secret].join(' ').trimEnd();
  });
  const standard = (place: string) =>
    ['ca.crt', 'tls.crt', 'tls.key'].map((name) => `/pki/${place}/${name}`).join(' ');
  const ofTarget = (name: string) =>
    ['ca.crt', `${name}.crt`, `${name}.key`].map((file) => `/pki/infrap4d/${file}`).join(' ');
  expect(places).toEqual([
    `manager ${standard('inframanager/server')} manager-server-secret`,
    `controller ${standard('inframanager/client')} manager-client-secret`,
    `agent ${standard('infraagent/client')} agent-client-secret`,
    `target ${ofTarget('stratum')} target-server-secret`,
    `controller ${ofTarget('client')}`,
    `operator ${standard('infractl')}`,
  ]);
});
