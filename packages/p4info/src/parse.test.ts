import { readFileSync } from 'node:fs';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { thrown } from '@infra-offload/base/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { P4InfoError } from './errors.js';
import { P4Program } from './model/program.js';
import { P4Info } from './proto.js';

const text = readFileSync(new URL('../fixtures/v1model.txtpb', import.meta.url));
const program = P4Program.parse(text);
const binary = P4Info.encode(program.p4info).finish();

const fault = (input: string | Uint8Array) => thrown(P4InfoError, () => P4Program.parse(input));

const bytes = (...parts: (string | Uint8Array | readonly number[])[]) =>
  Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part))));

describe('text and binary', () => {
  it.each([[null], [undefined], [5], [{}], [new ArrayBuffer(8)]])('is not %s', (input) => {
    expect(() => Reflect.apply(P4Program.parse, P4Program, [input])).toThrow(
      expect.objectContaining({ name: 'P4InfoError', code: 'VALUE_TYPE' }),
    );
  });

  it('tells sizes below 0, and takes them as not known', () => {
    const of = (field: string) => `${field} { preamble { id: 1 name: "x" } size: -5 }\n`;
    for (const [field, kind] of Object.entries({
      tables: 'table',
      action_profiles: 'action profile',
      counters: 'counter',
      meters: 'meter',
      registers: 'register',
      value_sets: 'value set',
    })) {
      const { warnings } = P4Program.parse(of(field));
      expect(warnings.map(({ message }) => message)).toContain(
        `${kind} 'x' has size -5; taken as 0, not known`,
      );
    }
    expect(P4Program.parse(of('tables')).table('x').size).toBe(0);
  });

  it('are read alike', () => {
    expect(P4Program.parse(binary).p4info).toEqual(program.p4info);
    expect(P4Program.parse(text.toString()).p4info).toEqual(program.p4info);
  });

  it('are told apart also where they are short', () => {
    // A binary without any control character: pkg_info { name: "0123456789" }, whose tags and lengths are white space.
    const sly = bytes([0x0a, 0x0c, 0x0a, 0x0a], '0123456789');
    expect(P4Program.parse(sly).name).toBe('0123456789');
    expect(P4Program.parse(bytes('\n\f\n\npkg_info { arch: "x" }')).arch).toBe('x');
    expect(P4Program.parse(bytes('\n# a comment of some length\npkg_info { arch: "x" }')).arch).toBe('x');
    expect(P4Program.parse(bytes([0x0a, 0x00])).arch).toBe('');
  });

  it('takes text after a byte order mark', () => {
    expect(P4Program.parse(bytes([0xef, 0xbb, 0xbf], text)).p4info).toEqual(program.p4info);
  });

  it('does not take a Buffer of a pool for more than it is', () => {
    const pool = Buffer.concat([Buffer.from('garbage'), binary, Buffer.from('garbage')]);
    expect(P4Program.parse(pool.subarray(7, 7 + binary.length)).p4info).toEqual(program.p4info);
  });
});

describe('binary', () => {
  it('of a newer version is read with warnings', () => {
    const newer = bytes(binary, [0xc2, 0x3e, 2, 1, 2], [0x12, 0x03, 0xa0, 0x1f, 0x05]);
    const warnings: string[] = [];
    // The table that was added has no name, which is another matter.
    expect(() => P4Program.parse(newer, { onWarning: ({ message }) => warnings.push(message) })).toThrow(
      'tables[3]',
    );
    expect(warnings).toEqual([
      `field 1000 of P4Info (at byte ${binary.length}) is not known; it is kept as it is`,
      `field 500 of tables[3] (at byte ${binary.length + 7}) is not known; it is kept as it is`,
    ]);
  });

  it('of a newer version has the same fields when it is written again', () => {
    const preamble = [0x0a, 5, 0x08, 0x63, 0x12, 1, 0x78];
    // Field 500 as a number, and as a group of field 1.
    const table = [0x12, 16, ...preamble, 0xa0, 0x1f, 5, 0xa3, 0x1f, 0x08, 1, 0xa4, 0x1f];
    const newer = bytes(binary, [0xc2, 0x3e, 2, 1, 2], table);
    const again = P4Info.encode(P4Program.parse(newer).p4info).finish();
    expect(P4Info.decode(again)).toEqual(P4Info.decode(newer));
    expect(again.length).toBe(newer.length);
    expect(Buffer.from(again).toString('hex')).toContain('c23e020102');
  });

  it('may have fields of numbers that are newer, of any kind (property)', () => {
    const number = fc.integer({ min: 1_000, max: 18_000 });
    const value = fc.oneof(fc.nat(), fc.uint8Array({ maxLength: 10 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(number, value), { maxLength: 4 }), (fields) => {
        const writer = new BinaryWriter();
        const sorted = fields.toSorted(([a], [b]) => a - b);
        for (const [id, one] of sorted) {
          if (typeof one === 'number') writer.tag(id, WireType.Varint).uint32(one);
          else writer.tag(id, WireType.LengthDelimited).bytes(one);
        }
        const newer = bytes(binary, writer.finish());
        const again = P4Info.encode(P4Program.parse(newer).p4info).finish();
        expect(Buffer.from(again)).toEqual(Buffer.from(newer));
      }),
    );
  });

  it.each([
    [
      'a length beyond the end',
      [0x0a, 0x05, 0x2a, 0x03, 0x70],
      'announced, but only 3 left at byte 1 (pkg_info)',
      1,
    ],
    [
      'a string beyond its message',
      [0x0a, 0x03, 0x2a, 0x07, 0x70, 0x12, 0x00],
      'left at byte 3 (pkg_info.arch)',
      3,
    ],
    [
      'a number that does not end',
      [0x12, 0x02, 0x40, 0x80],
      'ends within a number at byte 3 (tables[0].size)',
      3,
    ],
    [
      'a number without end',
      [0x12, 0x0c, 0x40, ...Array(10).fill(0xff), 0x7f],
      'a number of more than 10 bytes',
      3,
    ],
    ['a wrong wire type', [0x12, 0x02, 0x0d, 0x01], 'wire type 5 instead of 2', 2],
    ['a wire type that does not exist', [0x12, 0x01, 0x0f], 'wire type 7', 2],
    ['a field 0', [0x00, 0x01], 'field number 0 at byte 0', 0],
    ['an end of no group', [0x0c, 0x01], 'wire type 4', 0],
    ['a group that does not end', [0xbb, 0x3e, 0x08, 0x01], 'ends within a number', 4],
    ['a string that is not UTF-8', [0x0a, 0x03, 0x2a, 0x01, 0xff], 'a string that is not UTF-8 at byte 4', 4],
  ])('with %s is refused', (_, input, message, offset) => {
    const error = fault(Uint8Array.from(input));
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toMatch(/^the binary P4Info is damaged or is none: /);
    expect(error.message).toContain(message);
    expect(error.details.offset).toBe(offset);
  });

  it('takes packed and unpacked numbers', () => {
    const packed = P4Program.parse(
      bytes(
        binary,
        [
          0x22, 0x13, 0x0a, 0x05, 0x08, 0x01, 0x12, 0x01, 0x78, 0x12, 0x02, 0x01, 0x02, 0x10, 0x03, 0x20,
          0x04, 0x28, 0x05, 0x40, 0x01,
        ],
      ),
    );
    expect(packed.p4info.actionProfiles[1]?.tableIds).toEqual([1, 2, 3]);
  });

  it('cut anywhere is a P4InfoError or, between two objects, a smaller P4Info', () => {
    for (let length = 0; length < binary.length; length++) {
      try {
        P4Program.parse(binary.subarray(0, length));
      } catch (error) {
        if (!P4InfoError.is(error)) throw error;
      }
    }
  });

  it('with any byte changed is read or a P4InfoError', () => {
    fc.assert(
      fc.property(fc.nat(binary.length - 1), fc.nat(255), (index, byte) => {
        const damaged = Uint8Array.from(binary);
        damaged[index] = byte;
        try {
          P4Program.parse(damaged);
        } catch (error) {
          if (!P4InfoError.is(error)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('nested without bound is refused', () => {
    // registers { type_spec { tuple { members { tuple … } } } }, built from the inside.
    let inner: number[] = [];
    const wrap = (tag: number) => {
      const length = inner.length < 128 ? [inner.length] : [(inner.length & 127) | 128, inner.length >> 7];
      inner = [tag, ...length, ...inner];
    };
    for (let i = 0; i < 200; i++) wrap(i % 2 === 0 ? 0x0a : 0x1a);
    wrap(0x12);
    wrap(0x5a);
    expect(fault(Uint8Array.from(inner)).message).toContain('messages nest deeper than 100');
  });
});

describe('text', () => {
  it.each(['# proto-file: p4/config/v1/p4info.proto\n# proto-message: p4.config.v1.P4Info\n\n', '#'])(
    'of comments alone is a P4Info without fields: %j',
    (comments) => {
      const { p4info, tables, warnings } = P4Program.parse(comments);
      expect(P4Info.encode(p4info).finish()).toHaveLength(0);
      expect(tables).toEqual([]);
      expect(warnings).toEqual([]);
    },
  );

  it('cut or altered anywhere is read or a P4InfoError', () => {
    const whole = text.toString();
    const change = fc.record({ at: fc.nat(whole.length), cut: fc.nat(20), put: fc.string({ maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let altered = whole;
        for (const { at, cut, put } of changes)
          altered = altered.slice(0, at) + put + altered.slice(at + cut);
        try {
          P4Program.parse(altered);
        } catch (error) {
          if (!P4InfoError.is(error)) throw error;
          expect(error.message).toMatch(/^\d+:\d+: /);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is neither', () => {
  it.each([
    ['nothing', bytes(), 'EMPTY', 'the P4Info is empty (0 bytes)'],
    ['white space', bytes(' \n'), 'EMPTY', 'the P4Info is empty: there is nothing but white space'],
    ['UTF-16', bytes([0xff, 0xfe], 'p\0k\0g\0'), 'ENCODING', 'this is UTF-16 text; P4Info text is UTF-8'],
    ['Latin-1', bytes('pkg_info {\n  name: "é', [0xe9], '" }'), 'ENCODING', '2:11: the text is not UTF-8'],
    ['a JSON file', bytes('{ "program": "x.p4" }'), 'SYNTAX', "1:1: expected a field name, found '{'"],
    ['an ELF file', bytes([0x7f], 'ELF', [2, 1, 1, 0]), 'CORRUPT', undefined],
    ['a zip file', bytes('PK', [3, 4, 20, 0, 0]), 'CORRUPT', undefined],
  ])('%s', (_, input, code, message) => {
    const error = fault(input);
    expect(error.code).toBe(code);
    if (message !== undefined) expect(error.message).toBe(message);
  });

  it('is a P4InfoError, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 })),
        (input) => {
          try {
            P4Program.parse(input);
          } catch (error) {
            if (!P4InfoError.is(error)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('P4InfoError.is', () => {
  it('knows an error of another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { name: 'P4InfoError', code: 'SYNTAX', details: {} });
    expect(P4InfoError.is(foreign)).toBe(true);
    expect(P4InfoError.is(foreign, 'CORRUPT')).toBe(false);
    expect(P4InfoError.is(new Error('x'))).toBe(false);
  });
});
