import fc from 'fast-check';
import { expect, it } from 'vitest';
import { forwardingOf, readAll, smallConfig, tryUpdate } from '../testing/forwarding.js';
import { byKey, EVERYTHING, Model, update } from '../testing/model.js';
import type { Forwarding } from './forwarding.js';
import { Journal } from './journal.js';

function readBack(forwarding: Forwarding) {
  return byKey(EVERYTHING.flatMap((request) => readAll(forwarding, request)));
}

it('M1 any sequence of updates has the outcome of a simple model, and reads back as it', () => {
  fc.assert(
    fc.property(fc.array(update, { maxLength: 60 }), (updates) => {
      const forwarding = forwardingOf(smallConfig());
      const model = new Model();
      for (const each of updates) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
      expect(readBack(forwarding)).toEqual(model.entities);
    }),
    { numRuns: 60 },
  );
});

it('M2 a batch that is rolled back leaves everything as it was, and usable', () => {
  fc.assert(
    fc.property(
      fc.array(update, { maxLength: 40 }),
      fc.array(update, { minLength: 1, maxLength: 30 }),
      (first, batch) => {
        const forwarding = forwardingOf(smallConfig());
        const model = new Model();
        for (const each of first) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
        const journal = new Journal();
        for (const each of batch) tryUpdate(forwarding, each, journal);
        journal.rollback();
        expect(readBack(forwarding)).toEqual(model.entities);
        // Also what is counted behind the scenes: the same updates have the same outcomes again.
        for (const each of batch) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
        expect(readBack(forwarding)).toEqual(model.entities);
      },
    ),
    { numRuns: 60 },
  );
});
