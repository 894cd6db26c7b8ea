import { thrown } from '@infra-offload/base/testing';
import { describe, expect, it } from 'vitest';
import { P4InfoError, type P4InfoWarning } from '../errors.js';
import { readP4Info } from '../parse.js';
import type { P4Info } from '../proto.js';

function read(text: string): { readonly p4info: P4Info; readonly warnings: readonly P4InfoWarning[] } {
  const warnings: P4InfoWarning[] = [];
  const p4info = readP4Info(text, { onWarning: (warning) => warnings.push(warning), onObject: () => {} });
  return { p4info, warnings };
}

const fault = (text: string) => thrown(P4InfoError, () => read(text));

describe('forms that mean the same', () => {
  const plain = read(
    'pkg_info { name: "a" arch: "psa" } tables { direct_resource_ids: 1 direct_resource_ids: 2 size: 3 }',
  );

  it.each([
    [
      'a colon before messages',
      'pkg_info: { name: "a" arch: "psa" } tables: { direct_resource_ids: [1, 2] size: 3 }',
    ],
    ['angle brackets', 'pkg_info < name: "a" arch: "psa" > tables: < direct_resource_ids: [1, 2] size: 3 >'],
    [
      'separators',
      'pkg_info { name: "a"; arch: "psa", }; tables { direct_resource_ids: 1; direct_resource_ids: 2, size: 3; },',
    ],
    [
      'lists of messages',
      'pkg_info { name: "a" arch: "psa" } tables [ { direct_resource_ids: [1] direct_resource_ids: [2], size: 3 } ]',
    ],
    [
      'lists with colons and other braces',
      'tables: [ < direct_resource_ids: [ 1 , 2 ] size: 3 > ], pkg_info { arch: "psa" name: "a" }',
    ],
    [
      'empty lists',
      'actions: [] counters [] pkg_info { name: "a" arch: "psa" annotations: [] } tables { direct_resource_ids: [1,2] size: 3 }',
    ],
    [
      'comments and no spaces',
      '#x\npkg_info{name:"a"#y\narch:"psa"}tables{direct_resource_ids:[1#z\n,2]size:3}#end',
    ],
    [
      'carriage returns',
      'pkg_info {\r\n  name: "a" # c\r\n  arch: "psa"\r\n}\r\ntables {\r\n direct_resource_ids: [1,\r\n2] size: 3 }\r\n',
    ],
    ['other spaces', 'pkg_info\v{\fname:\t"a" arch: "psa" } tables { direct_resource_ids: [1, 2] size: 3 }'],
    [
      'a byte order mark',
      '\ufeffpkg_info { name: "a" arch: "psa" } tables { direct_resource_ids: [1, 2] size: 3 }',
    ],
  ])('%s', (_, text) => {
    expect(read(text)).toEqual(plain);
  });
});

describe('enums', () => {
  it.each([
    ['EXACT', 2],
    ['6', 6],
    ['0x3', 3],
    ['99', 99],
    ['-1', -1],
  ])('take %s', (text, value) => {
    const { p4info } = read(`tables { match_fields { match_type: ${text} } }`);
    expect(p4info.tables[0]?.matchFields[0]?.match).toEqual({ $case: 'matchType', value });
  });
});

describe('maps', () => {
  it('are entries with a key and a value, either of which may be left out', () => {
    const { p4info } = read(`type_info {
      enums { key: "a" value { members { name: "x" } } }
      enums: [ { value <> key: "b" }, { key: "c" }, { } ]
    }`);
    const enums = p4info.typeInfo?.enums ?? {};
    expect(Object.keys(enums)).toEqual(['a', 'b', 'c', '']);
    expect(enums.a?.members[0]?.name).toBe('x');
    expect(enums.c?.members).toEqual([]);
  });
});

describe('Any', () => {
  const info = (text: string) => {
    const { p4info, warnings } = read(`externs { instances { info { ${text} } } }`);
    return { any: p4info.externs[0]?.instances[0]?.info, warnings };
  };

  it('is encoded, if its type is known', () => {
    const any = { typeUrl: 'example.com/p4.config.v1.P4IntTypeSpec', value: Uint8Array.of(8, 7) };
    expect(info('[example.com/p4.config.v1.P4IntTypeSpec] { bitwidth: 7 }').any).toEqual(any);
    expect(info('[ example.com / # comment\n p4.config.v1.P4IntTypeSpec ]: < bitwidth: 7 >;').any).toEqual(
      any,
    );
  });

  it('may be written by its fields', () => {
    const { any } = info(String.raw`type_url: "x/y" value: "\010\007"`);
    expect(any).toEqual({ typeUrl: 'x/y', value: Uint8Array.of(8, 7) });
  });

  it('nests', () => {
    const { any } = info('[a/google.protobuf.Any] { type_url: "t" }');
    expect(any?.value).toEqual(Uint8Array.of(0x0a, 1, 0x74));
  });

  it('is left out, if its type is not known', () => {
    expect(info('[a/b.C] { x: 1 y { z: [{}, <>] } }')).toEqual({
      any: undefined,
      warnings: [{ message: 'the type of [a/b.C] is not known; it is left out', line: 1, column: 30 }],
    });
  });

  it.each([
    [
      '[p4.config.v1.P4IntTypeSpec] {}',
      "1:30: '[p4.config.v1.P4IntTypeSpec]' is not a type URL (prefix/full.Name)",
    ],
    ['[a/b.C] {} type_url: "x"', "1:41: expected '}' (an expanded Any holds nothing else), found 'type_url'"],
    ['type_url: "x" [a/b.C] {}', '1:44: [a/b.C]: an expanded Any holds nothing else'],
    ['[a/p4.config.v1.P4IntTypeSpec] 5', "1:61: expected '{' or '<', found '5'"],
    ['[] {}', '1:30: expected [type URL] or [extension name]'],
  ])('refuses %s', (text, message) => {
    const error = fault(`externs { instances { info { ${text} } } }`);
    expect(error.message).toBe(message);
    expect(error.code).toBe('SYNTAX');
  });
});

describe('unknown fields', () => {
  it.each([
    'newer: 1',
    'newer: -1.5e3',
    'newer: - inf',
    'newer: IDENT;',
    'newer: "a" \'b\' # c\n "\\q not read"',
    'newer { a: 1, b { c: "}" } }',
    'newer: < a: [1, 2] b [<>, {}] >',
    'newer: [ -1, "a" "b", X, { y: 1 }, < > ]',
    'newer []',
    'newer { [ext.name]: 5 [a.com/b.C] { d: 1 } 7: 8 }',
    '[some.extension]: [1]',
    '[some.extension] { x: 1 }',
    '1000 { 1: 2 }',
    '1001: 0x0102',
  ])('%s is skipped with a warning', (text) => {
    const { p4info, warnings } = read(`pkg_info {\n  ${text}\n  name: "kept"\n}`);
    expect(p4info.pkgInfo?.name).toBe('kept');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ line: 2, column: 3 });
    expect(warnings[0]?.message).toMatch(
      /^p4\.config\.v1\.PkgInfo has no (?:field|extension) .*; it is left out$/,
    );
  });

  it('may be values of enums, of newer versions or misspelt', () => {
    const { p4info, warnings } = read(
      'tables { match_fields { match_type: EXCAT } action_refs { scope: ONLY_ON_SUNDAYS id: 7 } }',
    );
    expect(p4info.tables[0]?.actionRefs).toEqual([
      { id: 7, scope: 0, annotations: [], annotationLocations: [], structuredAnnotations: [] },
    ]);
    expect(warnings).toEqual([
      {
        message:
          "p4.config.v1.MatchField.MatchType has no value 'EXCAT'; did you mean 'EXACT'? It is left out",
        line: 1,
        column: 37,
      },
      {
        message: "p4.config.v1.ActionRef.Scope has no value 'ONLY_ON_SUNDAYS'; it is left out",
        line: 1,
        column: 66,
      },
    ]);
  });

  it('are said to be perhaps misspelt', () => {
    expect(read('pkg_info { nmae: "x" name: "y" }').warnings).toEqual([
      {
        message: "p4.config.v1.PkgInfo has no field 'nmae'; did you mean 'name'? It is left out",
        line: 1,
        column: 12,
      },
    ]);
  });

  it.each([
    ['newer 5', "1:18: expected ':', '{' or '<', found '5'"],
    ['newer: [ 1', "1:23: expected ',' or ']', found '}'"],
    ['newer: [ [1] ]', "1:21: expected a value, found '['"],
    ['newer: }', "1:19: expected a value, found '}'"],
    ['newer { a: 1 >', "1:25: expected a field name or '}' for the '{' at 1:18, found '>'"],
  ])('that cannot be read are refused: %s', (text, message) => {
    expect(fault(`pkg_info { ${text} }`).message).toBe(message);
  });
});

describe('errors', () => {
  it.each([
    [
      'SYNTAX',
      'tables {\n  size: 1\n',
      "3:1: expected a field name or '}' for the '{' at 1:8, found the end of the text",
    ],
    ['SYNTAX', 'pkg_info { arch "x" }', `1:17: expected ':' after 'arch', found the string "x"`],
    ['SYNTAX', 'pkg_info { arch: "x" } }', "1:24: expected a field name, found '}'"],
    ['SYNTAX', 'pkg_info = 1', "1:10: unexpected character '='"],
    [
      'SYNTAX',
      'pkg_info { \u0012 }',
      '1:12: unexpected control character 0x12 (is this a binary P4Info that was cut or altered?)',
    ],
    ['SYNTAX', 'pkg_info { 😀 }', "1:12: unexpected character '😀'"],
    ['SYNTAX', 'a.b: 1', "1:2: unexpected character '.'"],
    ['SYNTAX', 'pkg_info: "x"', `1:11: expected '{' or '<', found the string "x"`],
    ['SYNTAX', 'tables [ {} {} ]', "1:13: expected ',' or ']', found '{'"],
    ['SYNTAX', 'tables [ {}, ]', "1:14: expected '{' or '<', found ']'"],
    [
      'SYNTAX',
      'tables { direct_resource_ids [1] }',
      "1:30: expected ':' after 'direct_resource_ids', found '['",
    ],
    [
      'SYNTAX',
      'pkg_info { name: "a",, }',
      "1:22: expected a field name or '}' for the '{' at 1:10, found ','",
    ],
    ['FIELD', 'pkg_info { arch: ["x"] }', "1:12: 'arch' is not repeated and takes no list"],
    ['FIELD', 'pkg_info { arch: PSA }', "1:18: expected a string for 'arch', found 'PSA'"],
    ['FIELD', 'pkg_info { arch: "a" arch: "" }', "1:22: 'arch' is given twice, but is not repeated"],
    ['FIELD', 'pkg_info { } pkg_info { }', "1:14: 'pkg_info' is given twice, but is not repeated"],
    ['FIELD', 'tables { size: 0 size: 0 }', "1:18: 'size' is given twice, but is not repeated"],
    [
      'FIELD',
      'tables { match_fields {\n match_type: EXACT\n other_match_type: "x" } }',
      "3:2: 'other_match_type' and 'match_type' exclude each other (oneof match)",
    ],
    [
      'FIELD',
      'counters { spec { unit: "BOTH" } }',
      `1:25: expected an integer for a value of p4.config.v1.CounterSpec.Unit, found the string "BOTH"`,
    ],
    ['FIELD', 'type_info { enums { key: "a" key: "b" } }', "1:30: 'key' is given twice, but is not repeated"],
    ['EMPTY', '', 'the P4Info is empty: there is nothing but white space'],
    ['EMPTY', ' \r\n\t', 'the P4Info is empty: there is nothing but white space'],
    [
      'EMPTY',
      '\ntabels { }',
      "there is no field of P4Info in the text; found 2:1: p4.config.v1.P4Info has no field 'tabels'; did you mean 'tables'? It is left out",
    ],
  ])('%s: %j', (code, text, message) => {
    const error = fault(text);
    expect(error.message).toBe(message);
    expect(error.code).toBe(code);
    const place = /^(\d+):(\d+): /.exec(message);
    if (place !== null)
      expect(error.details).toMatchObject({ line: Number(place[1]), column: Number(place[2]) });
  });

  it('tell the offending token', () => {
    expect(fault('pkg_info { arch: PSA }').details.token).toBe('PSA');
    expect(fault('tables { size: -0x8000000000000001 }').details.token).toBe('-0x8000000000000001');
  });
});

describe('nesting', () => {
  const tuples = (depth: number) =>
    `registers { type_spec { ${'tuple { members { '.repeat(depth)} bool { } ${'} } '.repeat(depth)} } }`;

  it('goes as deep as the decoder does', () => {
    // The message itself, registers, type_spec, the tuples with their members, and bool: 100.
    expect(read(tuples(48)).p4info.registers).toHaveLength(1);
    expect(fault(tuples(49)).message).toMatch(/^1:\d+: messages nest deeper than 100$/);
  });

  it.each([
    'newer {'.repeat(100_000),
    `newer ${'{ a < b '.repeat(100_000)}`,
    `newer: [${'{ b: ['.repeat(100_000)}`,
  ])('is bounded in skipped values, too', (text) => {
    expect(fault(text).message).toMatch(/^1:\d+: messages nest deeper than 100$/);
  });
});
