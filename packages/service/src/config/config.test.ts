import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { ServiceError } from '../error.js';
import { logSchema } from '../logging.js';
import { programCommand } from '../program.js';
import { tlsFilesIn, tlsSchema } from '../tls.js';
import { checkSettings } from './check.js';
import { fileLayer, type Layer, mergeLayers } from './layer.js';
import {
  addSettings,
  commandLayer,
  parseBoolean,
  parseInteger,
  parseList,
  type SettingOption,
} from './options.js';

const directory = mkdtempSync(join(tmpdir(), 'service-config-'));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const schema = z.strictObject({
  size: z.int().default(1),
  names: z.array(z.string()).default([]),
  fast: z.boolean().optional(),
  tls: tlsSchema(tlsFilesIn('/certs')),
  log: logSchema(['server']),
});

const SETTINGS: readonly SettingOption[] = [
  { path: 'size', flags: '--size <n>', env: 'TEST_SIZE', description: '', parse: parseInteger },
  { path: 'names', flags: '--names <a,b>', description: '', parse: parseList },
  { path: 'fast', flags: '--fast [boolean]', description: '', parse: parseBoolean },
  { path: 'tls.mode', flags: '--tls-mode <mode>', description: '' },
];

function file(text: string): Layer {
  const path = join(directory, 'config.yaml');
  writeFileSync(path, text);
  return fileLayer(path);
}

function flags(...args: readonly string[]): Layer {
  const command = addSettings(programCommand('test', '', '0'), SETTINGS);
  return commandLayer(command.parse(args, { from: 'user' }), SETTINGS);
}

const check = (...layers: readonly Layer[]) =>
  checkSettings(schema, layers, { fastness: 'fast', 'log.all': 'log.level' });

describe('checkSettings', () => {
  it('has defaults', () => {
    expect(check()).toEqual({
      size: 1,
      names: [],
      tls: { mode: 'mtls', cert: '/certs/tls.crt', key: '/certs/tls.key', ca: '/certs/ca.crt' },
      log: { level: 'info', modules: {} },
    });
  });

  it('puts flags over variables over the file, part by part', () => {
    vi.stubEnv('TEST_SIZE', '7');
    const below = file('size: 5\nfast: false\ntls: { ca: /a, mode: tls }\nlog:\n');
    expect(check(below, flags('--names', 'a,,b', '--fast', '--tls-mode', 'insecure'))).toMatchObject({
      size: 7,
      names: ['a', 'b'],
      fast: true,
      tls: { mode: 'insecure', ca: '/a' },
      log: { level: 'info' },
    });
    expect(check(below, flags('--size', '8'))).toMatchObject({ size: 8, fast: false, tls: { mode: 'tls' } });
  });

  it.each([
    ['size: many', /^\S+config\.yaml:1:7: size: /],
    ['siz: 1', /config\.yaml:1:6: unknown key 'siz'; did you mean 'size'\?$/],
    ['tls: { crt: x }', /:1:13: unknown key 'tls\.crt'; did you mean 'cert'\?$/],
    ['log: { colour: x }', /unknown key 'log\.colour'; there are 'level', 'modules'$/],
    ['tls: 5', /:1:6: tls: /],
    ['size: x\ntls: { mode: y }', /:1:7: size: .*; \S+:2:14: tls\.mode: /],
    ['fastness: true', /:1:11: 'fastness' is called 'fast'$/],
    ['log: { all: info }', /:1:13: 'log\.all' is called 'log\.level'$/],
    ['- a', /:1:1: /],
    ['constructor: 1\n__proto__: 2', /unknown key 'constructor'.*unknown key '__proto__'/],
  ])('refuses %j with one line that names the place', (text, message) => {
    const refuse = () => check(file(text), flags());
    expect(refuse).toThrow(ServiceError);
    expect(refuse).toThrow(message);
  });

  it('names the flag or variable that is wrong', () => {
    const strict = z.strictObject({ size: z.int().max(5) });
    const only = SETTINGS.slice(0, 1);
    const given = (...args: readonly string[]) => {
      const command = addSettings(programCommand('test', '', '0'), only);
      return commandLayer(command.parse(args, { from: 'user' }), only);
    };
    expect(() => checkSettings(strict, [file('size: 1'), given('--size', '6')])).toThrow(/^--size: size: /);
    vi.stubEnv('TEST_SIZE', '9');
    expect(() => checkSettings(strict, [given()])).toThrow(/^TEST_SIZE: size: /);
  });
});

describe('fileLayer', () => {
  it('may be absent if it is optional', () => {
    const path = join(directory, 'none.yaml');
    expect(fileLayer(path, true).settings).toEqual({});
    expect(() => fileLayer(path)).toThrow(/none\.yaml: cannot be read: ENOENT/);
    expect(() => fileLayer(directory, true)).toThrow(/cannot be read: EISDIR/);
  });
});

it('layers share nothing', () => {
  const shared = { mode: 'tls' };
  const merged = mergeLayers([
    { settings: { a: shared, b: shared }, placeOf: () => '' },
    { settings: { a: { mode: 'mtls' } }, placeOf: () => '' },
  ]);
  expect(merged).toEqual({ a: { mode: 'mtls' }, b: { mode: 'tls' } });
});
