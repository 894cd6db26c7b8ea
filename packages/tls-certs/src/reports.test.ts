import childProcess from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatReports, inspectTree, type Report } from './inspect.js';
import { applySecrets, formatSecrets, secretManifests } from './secrets.js';
import { expired, future, Scratch } from './testing/scratch.js';
import { createTree } from './tree.js';

const scratch = new Scratch();
const root = join(scratch.directory, 'tree');
beforeAll(() => createTree(root, { bits: 2048, days: 30 }));
afterAll(() => scratch.remove());

let copies = 0;
function copy(): string {
  const tree = join(scratch.directory, `copy-${copies++}`);
  cpSync(root, tree, { recursive: true });
  return tree;
}
const problems = (tree: string, now?: Date) =>
  inspectTree(tree, now).flatMap(({ file, problems: found }) =>
    found.map((problem) => `${file}: ${problem}`),
  );

describe('a report', () => {
  it('tells what a certificate is, for whom and how long', () => {
    const reports = new Map(inspectTree(root).map((report) => [report.file, report]));
    expect(reports.get('ca.crt')).toMatchObject({
      subject: 'CN=infra-server_ca',
      names: [],
      daysLeft: 3649,
      isAuthority: true,
      problems: [],
    });
    expect(reports.get('ca.crt')).not.toHaveProperty('role');
    expect(reports.get('infrap4d/stratum.crt')).toMatchObject({
      subject: 'CN=localhost',
      role: 'target',
      names: expect.arrayContaining(['localhost', '127.0.0.1', '::1']),
      daysLeft: 29,
      isAuthority: false,
      problems: [],
    });
    expect([...reports.keys()]).toEqual([...reports.keys()].sort());
  });

  it('counts days back to 0, and on below it', () => {
    const end = inspectTree(root).find(({ file }) => file === 'infractl/tls.crt')?.notAfter;
    if (end === undefined) throw new Error('unreachable');
    const left = (ms: number) =>
      inspectTree(root, new Date(end.getTime() + ms)).find(({ file }) => file === 'infractl/tls.crt');
    expect(left(-86_400_000)).toMatchObject({ daysLeft: 1, problems: [] });
    expect(left(0)).toMatchObject({ daysLeft: 0, problems: [] });
    expect(left(1)).toMatchObject({
      daysLeft: -1,
      problems: [expect.stringMatching(/^the certificate .* expired on/)],
    });
  });

  it('is of what is there: other endings, no hidden copies of a volume, not what is no certificate', async () => {
    const tree = join(scratch.directory, 'volume');
    mkdirSync(join(tree, '..data'), { recursive: true });
    writeFileSync(join(tree, '..data', 'tls.crt'), 'nonsense');
    writeFileSync(join(tree, 'notes.txt'), 'nonsense');
    const { certificate, key } = await scratch.issue('agent');
    writeFileSync(join(tree, 'x.pem'), certificate);
    writeFileSync(join(tree, 'x.key'), key);
    expect(problems(tree)).toEqual(['x.pem: there is no ca.crt beside it or above it']);
    writeFileSync(join(tree, 'ca.crt'), (await scratch.authority).certificate);
    expect(inspectTree(tree).map(({ file }) => file)).toEqual(['ca.crt', 'x.pem']);
    expect(problems(tree)).toEqual([]);
    expect(() => inspectTree(join(tree, 'x.pem'))).toThrow(
      expect.objectContaining({
        code: 'FILE',
        message: expect.stringMatching(/it is a file, not a directory$/),
      }),
    );
    symlinkSync('/nowhere', join(tree, 'y.crt'));
    expect(problems(tree)).toEqual([expect.stringMatching(/^y\.crt: .*y\.crt cannot be read: ENOENT/)]);
  });

  it('takes the authority that is nearest, above as well, but not outside of the tree', () => {
    const tree = copy();
    rmSync(join(tree, 'infractl', 'ca.crt'));
    expect(problems(tree)).toEqual([]);
    expect(problems(join(tree, 'infractl'))).toEqual(['tls.crt: there is no ca.crt beside it or above it']);
  });

  it('tells all that is wrong with a file, and of authorities above what is wrong with these', async () => {
    const tree = copy();
    const directory = join(tree, 'infraagent/client');
    const [old, stranger] = [
      await scratch.issue('agent', expired, scratch.other),
      await scratch.issue('agent', future, scratch.other),
    ];
    writeFileSync(join(directory, 'tls.crt'), old.certificate);
    expect(problems(tree).map((problem) => problem.replace(/\S+\/copy-\d+\//g, ''))).toEqual([
      expect.stringMatching(
        /^infraagent\/client\/tls\.crt: the certificate CN=infraagent-client expired on 2/,
      ),
      expect.stringMatching(
        /^infraagent\/client\/tls\.crt: the certificate .* was not issued by an authority in/,
      ),
      expect.stringMatching(
        /^infraagent\/client\/tls\.crt: infraagent\/client\/tls\.key: the private key is not/,
      ),
    ]);
    writeFileSync(join(directory, 'tls.crt'), stranger.certificate);
    expect(problems(tree)[0]).toMatch(/is not valid before/);
    const ends = inspectTree(root)[0]?.notAfter?.getTime() ?? 0;
    const late = problems(root, new Date(ends + 1000)).filter((problem) =>
      problem.startsWith('infractl/tls.crt'),
    );
    expect(late).toEqual([
      expect.stringMatching(/the certificate CN=infra-operator expired on/),
      expect.stringMatching(/the certificate CN=infra-server_ca expired on/),
    ]);
  });

  it('may be of several authorities, of which any has its key there', async () => {
    const tree = copy();
    writeFileSync(join(tree, 'ca.key'), (await scratch.other).key);
    expect(problems(tree)).toEqual([
      expect.stringMatching(/^ca\.crt: .*ca\.key: the private key is not that of/),
    ]);
    appendFileSync(join(tree, 'ca.crt'), (await scratch.other).certificate);
    expect(problems(tree)).toEqual([]);
    // It signs elsewhere.
    rmSync(join(tree, 'ca.key'));
    expect(problems(tree)).toEqual([]);
  });
});

describe('a table of reports', () => {
  const fine: Report = {
    file: 'a.crt',
    subject: 'CN=a',
    role: 'agent',
    names: ['x', 'y'],
    notAfter: new Date('2030-01-02T03:04:05Z'),
    daysLeft: 7,
    isAuthority: false,
    problems: [],
  };

  it('has a line for each file, aligned, and what is wrong below', () => {
    const authority: Report = { ...fine, file: 'longer.crt', isAuthority: true, names: [] };
    expect(formatReports([fine, authority])).toBe(
      [
        'file        subject  role       ends                 check  names',
        'a.crt       CN=a     agent      2030-01-02 (7 days)  ok     x y',
        'longer.crt  CN=a     authority  2030-01-02 (7 days)  ok     -',
      ].join('\n'),
    );
    const broken: Report = { file: 'b.crt', names: [], isAuthority: false, problems: ['odd', 'very odd'] };
    expect(formatReports([fine, broken])).toBe(
      [
        'file   subject  role   ends                 check  names',
        'a.crt  CN=a     agent  2030-01-02 (7 days)  ok     x y',
        'b.crt  -        -      -                    WRONG  -',
        '',
        'b.crt: odd',
        'b.crt: very odd',
      ].join('\n'),
    );
  });
});

describe('secrets', () => {
  it('are of the namespace of the system, unless told otherwise', () => {
    const manifests = secretManifests(root);
    expect(manifests.map(({ metadata }) => metadata.namespace)).toEqual(Array(4).fill('kube-system'));
    for (const { apiVersion, kind, type } of manifests)
      expect([apiVersion, kind, type]).toEqual(['v1', 'Secret', 'Opaque']);
    expect(formatSecrets(manifests).split('---\n')).toHaveLength(4);
  });

  it('are not made of certificates that have ended, or that nobody there has issued', async () => {
    const tree = copy();
    const put = async (...args: Parameters<Scratch['issue']>) => {
      const { certificate, key } = await scratch.issue(...args);
      writeFileSync(join(tree, 'infraagent/client/tls.crt'), certificate);
      writeFileSync(join(tree, 'infraagent/client/tls.key'), key);
      return expect(() => secretManifests(tree));
    };
    (await put('agent', expired)).toThrow(expect.objectContaining({ code: 'EXPIRED' }));
    (await put('agent')).toThrow(expect.objectContaining({ code: 'CA_MISMATCH' }));
    rmSync(join(tree, 'infraagent/client/ca.crt'));
    expect(() => secretManifests(tree)).toThrow(expect.objectContaining({ code: 'FILE' }));
  });

  describe('go to kubectl', () => {
    afterEach(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });

    function kubectl(answer: object) {
      const ended = { pid: 1, output: [], signal: null, status: 0, stdout: '', stderr: '', ...answer };
      const run = vi.spyOn(childProcess, 'spawnSync').mockReturnValue(ended);
      syncBuiltinESMExports();
      return run;
    }

    it('which has the server apply them, and takes over fields that others have set', () => {
      const run = kubectl({ stdout: 'applied\n' });
      const manifests = secretManifests(root);
      expect(applySecrets(manifests)).toBe('applied\n');
      expect(run.mock.calls).toEqual([
        [
          'kubectl',
          ['apply', '--server-side', '--force-conflicts', '--field-manager=tls-certs', '-f', '-'],
          { input: formatSecrets(manifests), encoding: 'utf8' },
        ],
      ]);
    });

    it.each<[string, object, string]>([
      ['refuses', { status: 1, stderr: ' no\n  cluster \n' }, 'kubectl apply failed: no; cluster'],
      [
        'is not there',
        { error: Object.assign(new Error('spawn ENOENT'), { code: 'ENOENT' }), status: null },
        'kubectl cannot be run: it is not installed',
      ],
      [
        'may not be run',
        { error: Object.assign(new Error('spawn EACCES'), { code: 'EACCES' }), status: null },
        'kubectl cannot be run: spawn EACCES',
      ],
    ])('which fails if it %s', (_, answer, message) => {
      kubectl(answer);
      expect(() => applySecrets([])).toThrow(expect.objectContaining({ code: 'KUBECTL', message }));
    });
  });
});
