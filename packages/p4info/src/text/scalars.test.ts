import { describe, expect, it } from 'vitest';
import { P4InfoError } from '../errors.js';
import { textToWire } from './reader.js';
import { type ScalarName, scalarSchema, scalarValue } from './testing/scalars.js';

const { schema, type } = scalarSchema();
const read = (field: ScalarName, value: string) =>
  scalarValue(field, textToWire(`${field}: ${value}`, type, { schema, onWarning: () => {} }));

function message(field: ScalarName, value: string): string {
  try {
    read(field, value);
  } catch (error) {
    if (P4InfoError.is(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'no error';
}

describe('numbers', () => {
  it.each<[ScalarName, string, unknown]>([
    ['int32', '0', 0],
    ['int32', '-0', 0],
    ['int32', '2147483647', 2147483647],
    ['int32', '-2147483648', -2147483648],
    ['int32', '- # sign\n 5', -5],
    ['int32', '0x7fFF', 0x7fff],
    ['int32', '-0X10', -16],
    ['int32', '0755', 0o755],
    ['int32', '00', 0],
    ['sint32', '-2147483648', -2147483648],
    ['sfixed32', '-1', -1],
    ['uint32', '0xffffffff', 4294967295],
    ['fixed32', '4294967295', 4294967295],
    ['int64', '-9223372036854775808', -9223372036854775808n],
    ['sint64', '9223372036854775807', 9223372036854775807n],
    ['sfixed64', '-0x8000000000000000', -9223372036854775808n],
    ['uint64', '18446744073709551615', 18446744073709551615n],
    ['uint64', '01777777777777777777777', 18446744073709551615n],
    ['fixed64', `0x${'0'.repeat(300)}1`, 1n],
    ['double', '1', 1],
    ['double', '1.', 1],
    ['double', '1.f', 1],
    ['double', '.5', 0.5],
    ['double', '-1.5e3', -1500],
    ['double', '1E-2F', 0.01],
    ['double', '10f', 10],
    ['double', 'inf', Number.POSITIVE_INFINITY],
    ['double', '-Infinity', Number.NEGATIVE_INFINITY],
    ['double', 'NaN', Number.NaN],
    ['double', '1e999', Number.POSITIVE_INFINITY],
    ['float', '0.1', Math.fround(0.1)],
    ['float', '1e39', Number.POSITIVE_INFINITY],
    ['float', '-nan', Number.NaN],
  ])('%s takes %s', (field, text, value) => {
    expect(read(field, text)).toBe(value);
  });

  it.each<[ScalarName, string, string]>([
    [
      'int32',
      '2147483648',
      "FIELD 1:8: 2147483648 is out of range for 'int32' (int32: -2147483648 to 2147483647)",
    ],
    [
      'sint32',
      '-2147483649',
      "FIELD 1:9: -2147483649 is out of range for 'sint32' (sint32: -2147483648 to 2147483647)",
    ],
    ['uint32', '-1', "FIELD 1:9: -1 is out of range for 'uint32' (uint32: 0 to 4294967295)"],
    [
      'fixed32',
      '0x100000000',
      "FIELD 1:10: 0x100000000 is out of range for 'fixed32' (fixed32: 0 to 4294967295)",
    ],
    [
      'uint64',
      '18446744073709551616',
      "FIELD 1:9: 18446744073709551616 is out of range for 'uint64' (uint64: 0 to 18446744073709551615)",
    ],
    ['int32', '1.5', "FIELD 1:8: expected an integer for 'int32', found '1.5'"],
    ['int32', '"1"', `FIELD 1:8: expected an integer for 'int32', found the string "1"`],
    ['int32', '08', "SYNTAX 1:8: '08' starts with 0, which makes it octal, but has other digits"],
    ['int32', '0x', "SYNTAX 1:8: malformed number '0x'"],
    ['int32', '10bar', "SYNTAX 1:8: malformed number '10bar'"],
    ['int32', '1.2.3', "SYNTAX 1:8: malformed number '1.2.3'"],
    ['int32', '+1', "SYNTAX 1:8: unexpected character '+'"],
    ['int32', '}', "SYNTAX 1:8: expected an integer for 'int32', found '}'"],
    ['int32', '', "SYNTAX 1:8: expected an integer for 'int32', found the end of the text"],
    ['double', '0x10', "FIELD 1:9: expected a decimal number for 'double', found '0x10'"],
    ['double', '010', "FIELD 1:9: expected a decimal number for 'double', found '010'"],
    ['float', 'infinit', "FIELD 1:8: expected a decimal number for 'float', found 'infinit'"],
  ])('%s refuses %s', (field, text, expected) => {
    expect(message(field, text)).toBe(expected);
  });

  it('does not echo a number of a million digits', () => {
    expect(message('uint64', '9'.repeat(1_000_000)).length).toBeLessThan(200);
  });
});

describe('bool', () => {
  it.each(['true', 'True', 't', '1', '01', '0x1'])('takes %s for true', (text) => {
    expect(read('bool', text)).toBe(true);
  });

  it.each(['false', 'False', 'f', '0', '00', '0x0'])('takes %s for false', (text) => {
    expect(read('bool', text)).toBe(false);
  });

  it.each(['TRUE', 'yes', '2', '1.0', '"true"', '10000000000000000000000000'])('refuses %s', (text) => {
    expect(message('bool', text)).toMatch(/^FIELD 1:7: expected true or false for 'bool', found /);
  });
});

describe('strings', () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);

  it.each<[string, string]>([
    ['"plain"', 'plain'],
    [`'single "quoted"'`, 'single "quoted"'],
    [`"double 'quoted'"`, "double 'quoted'"],
    [`"a" 'b'\n# between\n"c"`, 'abc'],
    ['""', ''],
    [String.raw`"\a\b\f\n\r\t\v\?\\\'\""`, '\x07\b\f\n\r\t\v?\\\'"'],
    [String.raw`"\101\12\0"`, 'A\n\0'],
    [String.raw`"\1018"`, 'A8'],
    [String.raw`"\x41\xAg\X4a"`, 'A\ngJ'],
    [String.raw`"\u00e9\u20AC"`, 'é€'],
    [String.raw`"\U0001F600 \ud83d\ude00"`, '😀 😀'],
    [String.raw`"\303\251"`, 'é'],
    [String.raw`"\303" "\251"`, 'é'],
    ['"😀é"', '😀é'],
    ['"\ufeff"', '\ufeff'],
    ['"tab\tinside"', 'tab\tinside'],
  ])('%s', (text, value) => {
    expect(read('bytes', text)).toEqual(Uint8Array.from(Buffer.from(value)));
  });

  it('may be any bytes, if the field is bytes', () => {
    expect(read('bytes', String.raw`"\377\x00\xfe"`)).toEqual(bytes(255, 0, 254));
  });

  it('are UTF-8, if the field is a string', () => {
    expect(read('string', '"é"')).toBe('é');
    expect(message('string', String.raw`"a" "\377"`)).toBe("FIELD 1:9: the string of 'string' is not UTF-8");
    expect(message('string', String.raw`"\xed\xa0\x80"`)).toBe(
      "FIELD 1:9: the string of 'string' is not UTF-8",
    );
  });

  it.each<[string, string]>([
    ['"open', '1:8: this string is not closed on its line'],
    ['"open\n"', '1:8: this string is not closed on its line'],
    ['"open\\\n"', '1:8: this string is not closed on its line'],
    ['"open\\"', '1:8: this string is not closed on its line'],
    ['"nul\0"', '1:8: this string is not closed on its line'],
    [String.raw`"ab\q"`, String.raw`1:11: bad escape '\q'`],
    [String.raw`"\x"`, String.raw`1:9: bad escape '\x'`],
    [String.raw`"\u12"`, String.raw`1:9: bad escape '\u12'`],
    [String.raw`"\8"`, String.raw`1:9: bad escape '\8'`],
    [String.raw`"\400"`, String.raw`1:9: escape '\400' is more than one byte`],
    [String.raw`"\U00110000"`, String.raw`1:9: escape '\U00110000' is beyond U+10FFFF`],
    [String.raw`"\ud800"`, String.raw`1:9: escape '\ud800' is half of a surrogate pair`],
    [String.raw`"\udc00\ud800"`, String.raw`1:9: escape '\udc00' is half of a surrogate pair`],
    ['"x\ud800"', '1:10: half of a surrogate pair'],
  ])('%j is refused', (text, expected) => {
    expect(message('bytes', text)).toBe(`SYNTAX ${expected}`);
  });

  it('may be very long', () => {
    expect(read('string', `"${'ab\\n'.repeat(500_000)}"`)).toHaveLength(1_500_000);
  });
});
