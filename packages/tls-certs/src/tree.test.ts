import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createAuthority } from './authority.js';
import { formatReports, inspectTree } from './inspect.js';
import { authorityFiles, filesOf, LEAVES } from './layout.js';
import { formatSecrets, secretManifests } from './secrets.js';
import { expired, Scratch } from './testing/scratch.js';
import { createTree, renewTree } from './tree.js';

const scratch = new Scratch();
const root = join(scratch.directory, 'tree');
let files: string[];

beforeAll(async () => {
  files = await createTree(root, { bits: 2048, names: ['10.10.0.2'] });
});
afterAll(() => scratch.remove());

/** A copy of the tree, to be damaged. */
function copy(name: string): string {
  const target = join(scratch.directory, name);
  cpSync(root, target, { recursive: true });
  return target;
}

function at(tree: string, directory: string, name: string): string {
  return join(tree, directory, name);
}

const read = (file: string) => readFileSync(file, 'utf8');

describe('createTree', () => {
  it("has IPDK's layout; keys and directories are for their owner only", () => {
    const found = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
    expect(found).toEqual(
      [
        ...['ca.crt', 'ca.key', 'infraagent', 'infraagent/client', 'infractl', 'inframanager'],
        ...['inframanager/client', 'inframanager/server', 'infrap4d'],
        ...['infraagent/client', 'infractl', 'inframanager/client', 'inframanager/server'].flatMap(
          (directory) => ['ca.crt', 'tls.crt', 'tls.key'].map((name) => `${directory}/${name}`),
        ),
        ...['ca.crt', 'client.crt', 'client.key', 'stratum.crt', 'stratum.key'].map(
          (name) => `infrap4d/${name}`,
        ),
      ].sort(),
    );
    for (const name of ['.', ...found]) {
      const mode = statSync(join(root, name)).mode & 0o777;
      expect([name, mode.toString(8)]).toEqual([
        name,
        name.endsWith('.key') ? '600' : name.endsWith('.crt') ? '644' : '700',
      ]);
    }
    expect(files).toContain(join(root, 'ca.key'));
  });

  it('overwrites nothing unless forced, not even a part', async () => {
    const tree = copy('force');
    rmSync(join(tree, 'ca.crt'));
    const before = read(at(tree, 'infraagent/client', 'tls.key'));
    await expect(createTree(tree, { bits: 2048 })).rejects.toThrow(
      /and \d+ more files are there already: renew .* or replace all.* with --force/,
    );
    expect(existsSync(join(tree, 'ca.crt'))).toBe(false);
    await createTree(tree, { bits: 2048, force: true });
    expect(read(at(tree, 'infraagent/client', 'tls.key'))).not.toBe(before);
    expect(inspectTree(tree).flatMap(({ problems }) => problems)).toEqual([]);
  });

  it('leaves nothing behind when a name cannot be', async () => {
    const tree = join(scratch.directory, 'nothing');
    await expect(createTree(tree, { bits: 2048, names: ['a b'] })).rejects.toThrow(/'a b'/);
    expect(existsSync(tree)).toBe(false);
    await expect(createTree(tree, { bits: 2048, days: 4000 })).rejects.toThrow(
      /4000 days: their authority is for 3650/,
    );
  });
});

describe('renewTree', () => {
  it('replaces certificates and keys, keeps the authority and the names', async () => {
    const tree = copy('renew');
    rmSync(join(tree, 'infractl'), { recursive: true });
    const [authority, key] = [read(join(tree, 'ca.crt')), read(at(tree, 'infrap4d', 'stratum.key'))];
    const { warnings } = await renewTree(tree, { bits: 2048, names: ['second.example'], days: 30 });
    expect(warnings).toEqual([]);
    expect(read(join(tree, 'ca.crt'))).toBe(authority);
    expect(read(at(tree, 'infrap4d', 'stratum.key'))).not.toBe(key);
    expect(statSync(at(tree, 'infrap4d', 'stratum.key')).mode & 0o777).toBe(0o600);
    const reports = new Map(inspectTree(tree).map((report) => [report.file, report]));
    expect([...reports.values()].flatMap(({ problems }) => problems)).toEqual([]);
    expect(reports.get('inframanager/server/tls.crt')).toMatchObject({
      role: 'manager',
      names: expect.arrayContaining(['::1', '10.10.0.2', 'second.example']),
      daysLeft: 29,
    });
    expect(reports.get('infraagent/client/tls.crt')?.names).not.toContain('second.example');
    expect(reports.get('infractl/tls.crt')?.role).toBe('operator');
  });

  it('warns of an authority that ends soon, and does not use one that has ended', async () => {
    const tree = copy('old');
    const { cert, key } = authorityFiles(tree);
    const soon = await createAuthority({ bits: 2048, notAfter: new Date(Date.now() + 20 * 86_400_000) });
    writeFileSync(cert, soon.certificate);
    writeFileSync(key, soon.key);
    const { warnings } = await renewTree(tree, { bits: 2048 });
    expect(warnings).toEqual([
      expect.stringMatching(/^the authority ends in (19|20) days, and all certificates with it/),
    ]);
    expect(inspectTree(tree).flatMap(({ problems }) => problems)).toEqual([]);
  });

  it('lets another authority take over, with both trusted in between', async () => {
    const tree = copy('takeover');
    const { cert, key } = authorityFiles(tree);
    const [before, next] = [read(cert), await scratch.other];
    const wrong = () => inspectTree(tree).flatMap(({ problems }) => problems);
    writeFileSync(cert, before + next.certificate);
    await renewTree(tree, { bits: 2048 });
    expect(read(at(tree, 'infractl', 'ca.crt'))).toBe(before + next.certificate);
    expect(wrong()).toEqual([]);
    writeFileSync(key, next.key);
    await renewTree(tree, { bits: 2048 });
    expect(wrong()).toEqual([]);
    writeFileSync(cert, next.certificate);
    await renewTree(tree, { bits: 2048 });
    expect(read(at(tree, 'infractl', 'ca.crt'))).toBe(next.certificate);
    expect(wrong()).toEqual([]);
  });

  it('needs the authority and its key', async () => {
    const tree = copy('keyless');
    rmSync(join(tree, 'ca.key'));
    await expect(renewTree(tree, { bits: 2048 })).rejects.toThrow(/ca\.key cannot be read: ENOENT/);
    writeFileSync(join(tree, 'ca.key'), (await scratch.other).key);
    await expect(renewTree(tree, { bits: 2048 })).rejects.toThrow(
      /ca\.key: the private key is not that of the certificate/,
    );
  });
});

describe('inspectTree', () => {
  it('says all is well', () => {
    const reports = inspectTree(root);
    expect(reports).toHaveLength(12);
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    expect(formatReports(reports)).toMatch(
      /^inframanager\/server\/tls\.crt +CN=inframanager-server +manager +20\d\d-\d\d-\d\d \(364 days\) +ok +localhost .*10\.10\.0\.2$/m,
    );
  });

  it('finds what is wrong, and goes on', async () => {
    const tree = copy('wrong');
    const put = (directory: string, name: string, text: string) =>
      writeFileSync(at(tree, directory, name), text);
    put('infraagent/client', 'tls.crt', (await scratch.issue('agent', {}, scratch.other)).certificate);
    put('inframanager/server', 'tls.crt', 'nonsense');
    put('inframanager/client', 'tls.key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    rmSync(at(tree, 'infractl', 'tls.key'));
    put('infrap4d', 'stratum.crt', (await scratch.issue('target', expired)).certificate);
    put('infrap4d', 'ca.crt', (await scratch.authority).certificate);
    const text = formatReports(inspectTree(tree));
    expect(text).toMatch(
      /infraagent\/client\/tls\.crt: the certificate CN=infraagent-client was not issued by an authority in .* \(one of the right name is there, but with another key\)/,
    );
    expect(text).toMatch(
      /infraagent\/client\/tls\.crt: \S+tls\.key: the private key is not that of the certificate/,
    );
    expect(text).toMatch(/inframanager\/server\/tls\.crt: no certificate in PEM form in it/);
    expect(text).toMatch(
      /inframanager\/client\/tls\.crt: \S+tls\.key: the private key in it cannot be read: it is damaged/,
    );
    expect(text).toMatch(/infractl\/tls\.crt: there is no key beside it/);
    expect(text).toMatch(/infrap4d\/stratum\.crt: the certificate CN=localhost expired on/);
    expect(text).toMatch(/infraagent\/client\/ca\.crt .* ok/);
  });

  it('says so where there is nothing', () => {
    const empty = join(scratch.directory, 'empty');
    mkdirSync(empty);
    expect(() => inspectTree(empty)).toThrow(/there are no certificates/);
    expect(() => inspectTree(join(empty, 'none'))).toThrow(/cannot be read: ENOENT/);
  });
});

describe('secrets', () => {
  it('are four manifests with what pods mount', () => {
    const documents = parseAllDocuments(formatSecrets(secretManifests(root, 'infra'))).map((document) =>
      document.toJS(),
    );
    expect(documents.map(({ metadata }) => metadata)).toEqual(
      ['manager-server-secret', 'manager-client-secret', 'agent-client-secret', 'target-server-secret'].map(
        (name) => ({ name, namespace: 'infra' }),
      ),
    );
    const agent = LEAVES.find(({ role }) => role === 'agent');
    if (agent === undefined) throw new Error('unreachable');
    const { ca, cert, key } = filesOf(root, agent);
    const decoded = Object.entries(documents[2].data).map(([name, value]) => [
      name,
      Buffer.from(String(value), 'base64').toString(),
    ]);
    expect(Object.fromEntries(decoded)).toEqual({
      'ca.crt': read(ca),
      'tls.crt': read(cert),
      'tls.key': read(key),
    });
  });

  it('are not made of certificates that do not fit', () => {
    const tree = copy('secrets');
    writeFileSync(at(tree, 'infraagent/client', 'tls.key'), read(at(tree, 'infractl', 'tls.key')));
    expect(() => secretManifests(tree)).toThrow(expect.objectContaining({ code: 'KEY_MISMATCH' }));
  });
});
