import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Entity, type TableEntry, Update } from '../gen/p4/v1/p4runtime.js';
import { insert } from '../updates.js';
import { typedProgram } from './program.js';
import type { MatchInput, MatchKind, ProgramDescriptor, Value } from './types.js';

interface Field {
  readonly kind: Exclude<MatchKind, 'other'>;
  readonly bitwidth: number;
  /** Two random values of the width, and a prefix length. */
  readonly a: bigint;
  readonly b: bigint;
  readonly prefix: number;
  readonly present: boolean;
}

const value = (bitwidth: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bitwidth)) - 1n });
const field: fc.Arbitrary<Field> = fc
  .tuple(fc.constantFrom('exact', 'lpm', 'ternary', 'range', 'optional'), fc.integer({ min: 1, max: 140 }))
  .chain(([kind, bitwidth]) =>
    fc.record({
      kind: fc.constant<Field['kind']>(kind),
      bitwidth: fc.constant(bitwidth),
      a: value(bitwidth),
      b: value(bitwidth),
      prefix: fc.integer({ min: 0, max: bitwidth }),
      present: fc.boolean(),
    }),
  );
const param = fc
  .integer({ min: 1, max: 140 })
  .chain((bitwidth) => fc.record({ bitwidth: fc.constant(bitwidth), v: value(bitwidth) }));
/** How a value is given to the builder. */
const form = fc.constantFrom<(v: bigint) => Value>(
  (v) => v,
  (v) => (v <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(v) : v),
  (v) => `0x${v.toString(16)}`,
  (v) => v.toString(),
  (v) => Buffer.from(v.toString(16).padStart(40, '0'), 'hex'),
);

/** What is to come back: a number up to 32 bits, a bigint above. */
const decoded = (bitwidth: number, v: bigint) => (bitwidth <= 32 ? Number(v) : v);

function input(one: Field, give: (v: bigint) => Value): MatchInput<MatchKind> | undefined {
  if (one.kind !== 'exact' && !one.present) return undefined;
  const [low, high] = one.a < one.b ? [one.a, one.b] : [one.b, one.a];
  switch (one.kind) {
    case 'exact':
    case 'optional':
      return give(one.a);
    case 'lpm':
      return { value: give(one.a), prefixLength: one.prefix };
    case 'ternary':
      return { value: give(one.a), mask: give(one.b) };
    case 'range':
      return { low: give(low), high: give(high) };
  }
}

function output(one: Field): unknown {
  const { bitwidth, a, b, prefix } = one;
  if (one.kind !== 'exact' && !one.present) return undefined;
  const [low, high] = a < b ? [a, b] : [b, a];
  const rest = BigInt(bitwidth - prefix);
  switch (one.kind) {
    case 'exact':
    case 'optional':
      return decoded(bitwidth, a);
    case 'lpm':
      return prefix === 0
        ? undefined
        : { value: decoded(bitwidth, (a >> rest) << rest), prefixLength: prefix };
    case 'ternary':
      return b === 0n ? undefined : { value: decoded(bitwidth, a & b), mask: decoded(bitwidth, b) };
    case 'range': {
      const full = low === 0n && high === (1n << BigInt(bitwidth)) - 1n;
      return full ? undefined : { low: decoded(bitwidth, low), high: decoded(bitwidth, high) };
    }
  }
}

function program(fields: readonly Field[], params: readonly { bitwidth: number }[]): ProgramDescriptor {
  const needsPriority = fields.some(({ kind }) => kind !== 'exact' && kind !== 'lpm');
  return {
    name: 'random',
    tables: {
      t: {
        id: 1,
        size: 1,
        needsPriority,
        isConst: false,
        supportsIdleTimeout: false,
        match: Object.fromEntries(
          fields.map(({ kind, bitwidth }, i) => [`f${i}`, { id: i + 1, kind, bitwidth }]),
        ),
        actions: {
          a: {
            id: 2,
            scope: 'both',
            params: Object.fromEntries(params.map(({ bitwidth }, i) => [`p${i}`, { id: i + 1, bitwidth }])),
          },
        },
      },
    },
    actionProfiles: {},
    counters: {},
    directCounters: {},
    meters: {},
    directMeters: {},
    registers: {},
    digests: {},
    valueSets: {},
    packetMetadata: {},
  };
}

/** Every byte string of an entry. */
function byteStrings(entry: TableEntry): Uint8Array[] {
  const match = entry.match.flatMap(({ fieldMatchType: type }) => {
    switch (type?.$case) {
      case 'exact':
      case 'optional':
      case 'lpm':
        return [type.value.value];
      case 'ternary':
        return [type.value.value, type.value.mask];
      case 'range':
        return [type.value.low, type.value.high];
      default:
        throw new Error('unexpected match');
    }
  });
  const action = entry.action?.type;
  return [...match, ...(action?.$case === 'action' ? action.value.params.map((one) => one.value) : [])];
}

it('any entry of any program goes over the wire and comes back (property)', () => {
  fc.assert(
    fc.property(
      fc.array(field, { minLength: 1, maxLength: 5 }),
      fc.array(param, { maxLength: 4 }),
      form,
      (fields, params, give) => {
        const descriptor = program(fields, params);
        const table = typedProgram(descriptor).table('t');
        const match = Object.fromEntries(fields.map((one, i) => [`f${i}`, input(one, give)]));
        const action = table.action('a', Object.fromEntries(params.map(({ v }, i) => [`p${i}`, give(v)])));
        const priority = descriptor.tables.t?.needsPriority === true ? 7 : 0;
        const entity = table.entry(match, action, priority === 0 ? {} : { priority });

        if (entity.entity?.$case !== 'tableEntry') throw new Error('not a table entry');
        for (const bytes of byteStrings(entity.entity.value)) {
          expect(bytes.length).toBeGreaterThan(0);
          if (bytes.length > 1) expect(bytes[0]).not.toBe(0);
        }

        const wire = Update.decode(Update.encode(insert(entity)).finish()).entity ?? { entity: undefined };
        const expected = fields
          .map((one, i) => [`f${i}`, output(one)] as const)
          .filter(([, out]) => out !== undefined);
        const back = table.decode(Entity.decode(Entity.encode(wire).finish()));
        expect(back.match).toEqual(Object.fromEntries(expected));
        expect(back.priority).toBe(priority);
        expect(back.action).toEqual({
          kind: 'action',
          name: 'a',
          params: Object.fromEntries(params.map(({ bitwidth, v }, i) => [`p${i}`, decoded(bitwidth, v)])),
        });
      },
    ),
    { numRuns: 400 },
  );
});
