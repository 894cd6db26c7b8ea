import { thrown } from '@infra-offload/base/testing';
import { describe, expect, it } from 'vitest';
import { readDocuments, type YamlDocument } from './documents.js';
import { YamlError } from './error.js';
import { type Limits, MANIFEST_LIMITS } from './limits.js';

const read = (text: string, limits: Partial<Limits> = {}): YamlDocument[] => [
  ...readDocuments(text, { file: 'f.yaml', limits: { ...MANIFEST_LIMITS, ...limits } }),
];
const values = (text: string) => read(text).map(({ value }) => value);
const failure = (text: string, limits?: Partial<Limits>) => thrown(YamlError, () => read(text, limits));

describe('readDocuments', () => {
  it.each<[string, string, unknown[]]>([
    ['nothing', '', []],
    ['comments and separators only', '# a\n---\n\n---\n# b\n', []],
    ['YAML documents', 'a: 1\n---\nb: 2\n', [{ a: 1 }, { b: 2 }]],
    ['separators with comments and blanks', '--- # a\na: 1\n---  \nb: 2', [{ a: 1 }, { b: 2 }]],
    ['a document that ends with ...', 'a: 1\n...\n---\nb: 2\n...\n', [{ a: 1 }, { b: 2 }]],
    ['Windows line ends', 'a: 1\r\n---\r\nb: 2\r\n', [{ a: 1 }, { b: 2 }]],
    ['byte order marks', '\ufeffa: 1\n---\n\ufeffb: 2\n', [{ a: 1 }, { b: 2 }]],
    ['JSON', '{"a": 1}', [{ a: 1 }]],
    ['JSON documents without anything between them', '{"a":1}{"b":"}{"}', [{ a: 1 }, { b: '}{' }]],
    ['JSON documents on lines', '{"a":1}\n{"b":2}\n', [{ a: 1 }, { b: 2 }]],
    ['JSON documents with separators', '{"a":1}\n---\n{"b":2}', [{ a: 1 }, { b: 2 }]],
    ['YAML behind JSON', '{"a":1}\nb: 2\n', [{ a: 1 }, { b: 2 }]],
    ['a flow mapping, which only looks like JSON', '{a: 1, }', [{ a: 1 }]],
    ['a null document', '~', [null]],
    ['strings of JSON that have no place in YAML', '{"a":"\\ud83d\\ude00\\/\\ud800"}', [{ a: '😀/\ud800' }]],
  ])('reads %s', (_, text, expected) => expect(values(text)).toEqual(expected));

  it('gives a key with the name of the prototype as a key', () => {
    for (const text of ['__proto__: {polluted: 1}', '{"__proto__": {"polluted": 1}}']) {
      const [value] = values(text);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.keys(Object(value))).toEqual(['__proto__']);
    }
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it.each([
    [
      'text behind a separator',
      'a: 1\n---  b: 2\n',
      'f.yaml:2:6: nothing but a comment may follow --- on its line',
    ],
    [
      'a document behind ...',
      'a: 1\n...\nb: 2',
      'f.yaml:3:1: a document has ended before this: begin the next with a line ---',
    ],
    ['an alias without anchor', 'a: 1\nb: [*x]', 'f.yaml:2:5: the alias *x has no anchor before it'],
    ['an alias within its anchor', 'a: &x [*x]', 'f.yaml:1:8: the alias *x is within its own anchor'],
    ['a mapping as a key', '[a]: 1', 'f.yaml:1:1: a mapping or sequence cannot be a key'],
    ['no key at all', '~: 1', "f.yaml:1:1: '~' cannot be a key"],
    [
      'a merge of what is no mapping',
      'a:\n  <<: 1',
      'f.yaml:2:7: << merges a mapping, or a sequence of mappings',
    ],
    [
      'a colon without a blank behind it, which Go takes for a letter',
      '{a:, b: 1}',
      "f.yaml:1:2: a blank is missing behind the colon of 'a'",
    ],
    ['a tag that the value belies', 'a: !!int x', "f.yaml:1:4: 'x' is not what its tag !!int says"],
    ['a number that JSON does not have', 'a: .inf', 'f.yaml:1:4: .inf is a number that JSON does not have'],
    [
      'a mistake in the second document',
      'a: 1\n---\nb: [',
      'f.yaml:3:5: unexpected end of the stream within a flow collection',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(failure(text)).toMatchObject({ code: 'SYNTAX', message });
  });

  it('gives out what stands before a mistake', () => {
    const documents = readDocuments('a: 1\n---\nb: [', { limits: MANIFEST_LIMITS });
    expect(documents.next().value?.value).toEqual({ a: 1 });
    expect(() => documents.next()).toThrow(YamlError);
  });

  it('tells of keys that are given again', () => {
    const [document] = read('a: 1\nb: {c: 1, c: 2}\na: 3');
    expect(document?.value).toEqual({ a: 3, b: { c: 2 } });
    expect(document?.duplicates).toEqual([
      { key: 'c', line: 2, column: 11 },
      { key: 'a', line: 3, column: 1 },
    ]);
    expect(read('x: &x {a: 1}\ny: {<<: *x, a: 2}')[0]?.duplicates).toEqual([]);
  });

  describe('limits', () => {
    it.each([
      ['depth of YAML', 'a:\n- b:\n  - [[1]]', { depth: 4 }, 'f.yaml:3:5: is nested more than 4 levels deep'],
      ['depth of JSON', '{"a":[{"b":[1]}]}', { depth: 3 }, 'f.yaml:1:12: is nested more than 3 levels deep'],
      [
        'size',
        'a: 1\n---\nb: 12345',
        { yamlLength: 6 },
        /^f\.yaml:3:1: a YAML document may have 6 bytes: divide it/,
      ],
      ['values', 'a: [1, 2,\n 3, 4]', { nodes: 4 }, 'f.yaml:2:3: the document has too many values'],
      [
        'what aliases unfold to',
        'a: &a [1, 2]\nb: [*a, *a]',
        { nodes: 11 },
        'f.yaml:2:9: the aliases unfold to too many values',
      ],
    ])('of %s', (_, text, limits, message) => {
      expect(failure(text, limits).code).toBe('LIMIT');
      expect(failure(text, limits).message).toMatch(message);
    });

    it('let aliases be most of a small document, as go-yaml does', () => {
      expect(values(`- &a [${'1, '.repeat(90)}1]\n${'- *a\n'.repeat(90)}`)[0]).toHaveLength(91);
      expect(failure(`- &a [${'1, '.repeat(900)}1]\n${'- *a\n'.repeat(900)}`).code).toBe('LIMIT');
    });
  });

  describe('locate', () => {
    const yaml = '# c\na:\n  b:\n  - 1\n  - {c: d, "e f": 2}\n&x g: !!str h\n';
    it.each<[string, readonly PropertyKey[], number, number]>([
      [yaml, [], 2, 1],
      [yaml, ['a', 'b'], 4, 3],
      [yaml, ['a', 'b', 0], 4, 5],
      [yaml, ['a', 'b', 1, 'e f'], 5, 19],
      [yaml, ['a', 'b', 7, 'x'], 4, 3],
      [yaml, ['g'], 6, 7],
      [yaml, ['toString'], 2, 1],
      ['---\n{"a": [1,\n  {"b": 2}]}', ['a', 1, 'b'], 3, 9],
      ['{"b":\r\n3}\n{"a": 1}', ['b'], 2, 1],
    ])('finds %j of %j at %i:%i', (text, path, line, column) => {
      expect(read(text)[0]?.locate(path)).toEqual({ line, column });
    });

    it('knows the beginning of JSON that YAML cannot read', () => {
      const [, second] = read('{"a":1}\n{"b":"\\ud800"}');
      expect(second?.locate(['b'])).toEqual(expect.objectContaining({ line: 2 }));
    });
  });
});
