import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { descriptorSetBase64 } from '../gen/descriptor-set.js';
import { readP4Info } from '../parse.js';
import { P4Info } from '../proto.js';
import { textToWire } from './reader.js';
import { Schema } from './schema.js';
import { pickFrom, randomMessage, TextPrinter } from './testing/printer.js';

const schema = new Schema(Buffer.from(descriptorSetBase64, 'base64'));
const type = schema.message('p4.config.v1.P4Info');
if (type === undefined) throw new Error('no P4Info');
const refuse = () => {
  throw new Error('a warning');
};

const fixtures = ['v1model.txtpb', 'psa.txtpb'].map((name) => {
  const text = readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8');
  return P4Info.encode(readP4Info(text, { onWarning: () => {}, onObject: () => {} })).finish();
});

describe('text format', () => {
  it('means the same in whatever style a P4Info is printed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...fixtures), fc.integer(), (wire, seed) => {
        const text = new TextPrinter(schema, pickFrom(seed)).message(type, wire);
        expect(P4Info.decode(textToWire(text, type, { schema, onWarning: refuse }))).toEqual(
          P4Info.decode(wire),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('holds any message of any shape', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const pick = pickFrom(seed);
        const wire = randomMessage(type, pick);
        const text = new TextPrinter(schema, pick).message(type, wire);
        expect(P4Info.decode(textToWire(text, type, { schema, onWarning: refuse }))).toEqual(
          P4Info.decode(wire),
        );
      }),
      { numRuns: 300 },
    );
  });
});
