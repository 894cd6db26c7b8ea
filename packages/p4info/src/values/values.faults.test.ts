import {
  faultTest,
  HOSTILE_PIECES,
  mutateBytes,
  mutateText,
  type Random,
  Trial,
} from '@infra-offload/faults';
import { describe, expect } from 'vitest';
import { P4InfoError } from '../errors.js';
import { decodeBigint, decodeNumber, decodeString } from './decode.js';
import { encode, type P4Value } from './encode.js';
import { formatValue, type ValueFormat } from './format.js';
import { decodeSigned } from './signed.js';

const TEXTS = [
  '10.96.0.10',
  '02:00:00:00:00:01',
  '2001:db8::ffff:10.0.0.1',
  '0xdeadbeef',
  '18446744073709551615',
  'name',
];
const WIDTHS = [0, 1, 7, 8, 31, 32, 33, 48, 53, 64, 128, 129, 2_048, 65_536, -1, Number.NaN];
const NUMBERS = [
  0,
  -0,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  Number.NaN,
  Number.POSITIVE_INFINITY,
  5e-324,
];
const FORMATS: readonly ValueFormat[] = ['decimal', 'hex', 'ipv4', 'mac', 'ipv6', 'string'];

const DECODERS: readonly ((bytes: Uint8Array) => unknown)[] = [
  decodeNumber,
  decodeBigint,
  decodeString,
  decodeSigned,
];

function anyValue(random: Random): P4Value {
  switch (random.below(5)) {
    case 0:
      return random.pick(NUMBERS);
    case 1:
      return BigInt(random.pick([0, 1, -1])) << BigInt(random.below(300));
    case 2:
      return random.pick(HOSTILE_PIECES);
    case 3:
      return mutateBytes(random, random.bytes(random.below(40)));
    default:
      return mutateText(random, random.pick(TEXTS));
  }
}

describe('values', () => {
  faultTest(
    {
      fault: 'value of a match field or parameter, any',
      promise: 'bytes that mean the same, or a P4InfoError',
      sample: 5_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(P4InfoError.is);
      for (let index = 0; index < cases; index++) {
        const [bitwidth, value] = [random.pick(WIDTHS), anyValue(random)];
        const bytes = trial.try([bitwidth, value] as const, ([width, one]) => encode(width, one));
        if (bytes === undefined || bitwidth === 0) continue;
        expect(decodeBigint(bytes) >> BigInt(bitwidth)).toBe(0n);
        expect(encode(bitwidth, decodeBigint(bytes))).toEqual(bytes);
      }
      return trial.measured;
    },
  );

  faultTest(
    {
      fault: 'byte string of a target, any',
      promise: 'a value or a P4InfoError; as text in any case',
      sample: 3_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(P4InfoError.is);
      for (let index = 0; index < cases; index++) {
        const bytes = mutateBytes(random, random.bytes(random.below(24)));
        for (const decode of DECODERS) trial.try(bytes, decode);
        const width = random.pick(WIDTHS);
        expect(typeof formatValue(width, bytes, random.pick(FORMATS))).toBe('string');
      }
      return trial.measured;
    },
  );
});
