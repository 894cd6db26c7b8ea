import { describe, expect, it } from 'vitest';
import { type LoadedFile, loadManifests } from './load-file.js';

const service = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n`;
const json = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
});

async function load(text: string, before?: LoadedFile['objects']) {
  const { objects, problems } = await loadManifests('f.yaml', text, before);
  return {
    names: objects?.map(({ object }) => object.name),
    problems: problems.map(({ message }) => message),
  };
}

describe('loadManifests', () => {
  it.each([
    ['one document', service('a'), ['a']],
    ['several documents', `---\n${service('a')}---\n${service('b')}...\n`, ['a', 'b']],
    ['empty documents and comments', `# nothing\n---\n---\n# here\n${service('a')}---\n`, ['a']],
    ['an empty file', '', []],
    ['Windows line ends', `${service('a')}---\n${service('b')}`.replaceAll('\n', '\r\n'), ['a', 'b']],
    ['a byte order mark', `\ufeff${service('a')}`, ['a']],
    ['JSON', JSON.stringify(json('a'), null, 2), ['a']],
    ['a List', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [json('a'), json('b')] }), ['a', 'b']],
    [
      'a List in YAML',
      `kind: List\napiVersion: v1\nitems:\n- ${service('a').trim().replaceAll('\n', '\n  ')}\n`,
      ['a'],
    ],
    [
      'a List in a List',
      JSON.stringify({ kind: 'List', items: [{ kind: 'List', items: [json('a')] }] }),
      ['a'],
    ],
    [
      'a typed list, whose items need not tell their kind',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ServiceList',
        items: [{ ...json('a'), kind: undefined, apiVersion: undefined }],
      }),
      ['a'],
    ],
    [
      'lists of other kinds, and without items',
      '{kind: DeploymentList, apiVersion: apps/v1, items: [7]}\n---\n{kind: List, apiVersion: v1}',
      [],
    ],
    ['other kinds', `{kind: Deployment, apiVersion: apps/v1}\n---\n${service('a')}`, ['a']],
    [
      'anchors and merge keys',
      `kind: List\nitems:\n- &a {${'apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}'}}\n- {<<: *a, metadata: {name: b}}\n`,
      ['a', 'b'],
    ],
  ])('reads %s', async (_, text, names) => {
    expect(await load(text)).toEqual({ names, problems: [] });
  });

  it.each([
    [
      'a syntax error',
      `${service('a')}---\nkind: [`,
      /^f\.yaml:\d+:\d+: .*; nothing of this file is in force$/,
    ],
    ['a tab', 'kind:\n\tService', /^f\.yaml:2:1: tab characters must not be used in indentation/],
    [
      'an alias that leads nowhere',
      `${service('a')}---\nkind: *x`,
      /^f\.yaml:6:7: the alias \*x has no anchor before it;/,
    ],
    ['a truncated JSON file', JSON.stringify(json('a')).slice(0, -3), /^f\.yaml:1:\d+: /],
    ['plain text', 'once upon a time', /^f\.yaml:1:1: is a string, not a Kubernetes object;/],
    ['something binary', '\u0000\u0001\ufffd\u0002', /^f\.yaml:1:1: /],
    [
      'a broken field in YAML',
      service('a').replace('port: 80', 'port: x'),
      /^f\.yaml:4:45: Service default\/a: spec\.ports\[0\]\.port: must be/,
    ],
    [
      'a missing field, at its parent',
      service('a').replace('name: a', ''),
      /^f\.yaml:3:11: Service: metadata\.name: invalid input/,
    ],
    [
      'a broken field in JSON',
      JSON.stringify(json('a'), null, 1).replace('80', '0'),
      /^f\.yaml:11:13: Service default\/a: spec\.ports\[0\]\.port: must be/,
    ],
    [
      'a broken item of a list',
      `kind: List\nitems:\n- {kind: Service, apiVersion: v1, metadata: {name: a, namespace: 7}}`,
      /^f\.yaml:3:\d+: Service default\/a: items\[0\]\.(metadata\.namespace|spec): /,
    ],
  ])('reports %s with its place', async (_, text, message) => {
    const result = await load(text);
    expect(result.names ?? []).toEqual([]);
    expect(result.problems[0]).toMatch(message);
  });

  describe('an object that is wrong', () => {
    const broken = (name: string) => service(name).replace('port: 80', 'port: x');
    const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: 7}\n';
    const join = (...documents: string[]) => documents.join('---\n');
    const after = async (before: string, text: string) =>
      load(text, (await loadManifests('f.yaml', before, undefined)).objects);

    it('is left out, alone', async () => {
      const { names, problems } = await load(join(pod, service('a'), broken('b'), service('c')));
      expect(names).toEqual(['a', 'c']);
      expect(problems).toEqual([
        expect.stringMatching(/^f\.yaml:4:18: Pod default\/p: spec\.nodeName: .*; it is not in force$/),
        expect.stringMatching(/Service default\/b: .*; it is not in force$/),
      ]);
    });

    it('keeps its last good version, while the others come, change and go', async () => {
      const before = join(service('a'), service('b'), service('gone'));
      const { names, problems } = await after(before, join(broken('a'), service('new'), service('b')));
      expect(names).toEqual(['a', 'new', 'b']);
      expect(problems).toEqual([expect.stringMatching(/; its last good version stays in force$/)]);
    });

    it('takes nothing of its kind away if it does not tell its name', async () => {
      const before = join(service('a'), pod.replace('7', 'node-1'));
      const nameless = service('a').replace('name: a', 'nam: a');
      const result = await after(before, join(nameless, service('b')));
      expect(result.names).toEqual(['b', 'a']);
      expect(result.problems[0]).toMatch(/; no Service of this file is taken away until it is right$/);
      expect((await after(before, 'metadata: {name: a}')).names).toEqual(['a', 'p']);
    });

    it('is not told twice when it is there twice', async () => {
      const { names, problems } = await after(service('a'), join(service('a'), broken('a')));
      expect(names).toEqual(['a']);
      expect(problems).toHaveLength(1);
    });
  });

  it('says what stays in force', async () => {
    expect((await load('kind: [', [])).problems[0]).toMatch(/; the file's last good state stays in force$/);
  });

  it('does not unfold a small file into a huge one', async () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 10; i++) {
      const [from, to] = [String.fromCharCode(96 + i), String.fromCharCode(97 + i)];
      bomb.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(', ')}]`);
    }
    expect((await load(bomb.join('\n'))).problems[0]).toMatch(
      /^f\.yaml:\d+:\d+: the aliases unfold to too many values;/,
    );
  });

  it.each([
    ['YAML', '['.repeat(50_000), /^f\.yaml:1:200: is nested more than 200 levels deep;/],
    [
      'blocks',
      Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
      /^f\.yaml:200:200: is nested more/,
    ],
    [
      'JSON with a mistake',
      `{"kind": 7, "x": ${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      /^f\.yaml:1:217: is nested more than 200/,
    ],
    ['lists', `${'{"kind": "List", "items": ['.repeat(50)}${']}'.repeat(50)}`, /is a list in too many lists/],
  ])('survives deep nesting: %s', async (_, text, message) => {
    const { problems } = await load(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
  });

  it('reads what is merely deep', async () => {
    const text = `${service('a')}---\nkind: Deep\napiVersion: v1\nx: ${'['.repeat(150)}${']'.repeat(150)}`;
    expect(await load(text)).toEqual({ names: ['a'], problems: [] });
  });

  it('skips an object of another version, and reads the others', async () => {
    const text = `apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: x}\n---\n${service('a')}`;
    expect(await load(text)).toEqual({
      names: ['a'],
      problems: [
        "f.yaml:1:13: EndpointSlice default/x: apiVersion: 'discovery.k8s.io/v1beta1' is not supported, only 'discovery.k8s.io/v1'",
      ],
    });
  });

  it.each([
    ['one after the other', `${JSON.stringify(json('a'))}${JSON.stringify(json('b'))}`],
    ['on lines', `${JSON.stringify(json('a'))}\n${JSON.stringify(json('b'))}\n`],
    ['with YAML behind it', `${JSON.stringify(json('a'), null, 2)}\n${service('b')}`],
    ['between separators', `${service('a')}---\n${JSON.stringify(json('b'))}`],
  ])('reads JSON documents %s', async (_, text) => {
    expect(await load(text)).toEqual({ names: ['a', 'b'], problems: [] });
  });

  it('reads numbers as Kubernetes does', async () => {
    const text = service('a').replace('port: 80', 'port: 0120, nodePort: 0x7530');
    const { objects } = await loadManifests('f.yaml', text, undefined);
    expect(objects?.[0]?.object).toMatchObject({ ports: [{ port: 80, nodePort: 30000 }] });
  });

  it('lets the last of two equal keys count, as kubectl does, and says so', async () => {
    const text = service('a').replace('port: 80', 'port: 80, port: 81');
    const { objects, problems } = await loadManifests('f.yaml', text, undefined);
    expect(objects?.[0]?.object).toMatchObject({ ports: [{ port: 81 }] });
    expect(problems).toEqual([expect.objectContaining({ code: 'DUPLICATE_KEY', line: 4, column: 49 })]);
    expect(problems[0]?.message).toBe(
      "f.yaml:4:49: the key 'port' is given again; as in kubectl, the last one counts",
    );
  });

  it.each([
    [
      'a document behind ...',
      `${service('a')}...\n${service('b')}`,
      /^f\.yaml:6:1: a document has ended before this/,
    ],
    [
      'text behind ---',
      `${service('a')}--- b\n${service('b')}`,
      /^f\.yaml:5:5: nothing but a comment may follow ---/,
    ],
    ['a second YAML flow mapping', '{kind: A}\n{kind: B}', /^f\.yaml:2:1: /],
  ])('reports what kubectl leaves out without a word: %s', async (_, text, message) => {
    expect((await load(text)).problems[0]).toMatch(message);
  });

  it('counts problems beyond the twentieth', async () => {
    const { problems } = await load(Array(25).fill('- x').join('\n---\n'));
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)).toBe('f.yaml: 5 more problems in this file');
  });
});
