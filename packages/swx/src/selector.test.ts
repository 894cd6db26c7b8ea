import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './runtime/hash.js';
import { Selector } from './runtime/selector.js';
import { aField, aPacket, Bench, miniSpec } from './testing/mini.js';

const declarations = `
selector s {
	group_id m.m8
	selector {
		m.m32
		m.n64
	}
	member_id m.m16
	n_groups_max 8
	n_members_per_group_max 16
}`;
const body =
  'mov m.m8 h.a.f8\nmov m.m32 h.a.f32\nmov m.m48 0xFFFFFFFFFFFF\nmov m.n64 h.a.f64\nmov m.m16 99\ntable s\nmov h.a.f16 m.m16';

/** The members in the 16 slots of a group, found through keys that hash to each slot. */
function slots(members: readonly { member: number; weight: number }[]): number[] {
  const selector = new Selector('s', 8, 8, 16);
  selector.set(1, members);
  const found = new Map<number, number>();
  for (let i = 0; found.size < 16; i++) {
    new DataView(selector.key.buffer).setUint32(0, i, true);
    found.set(crc32c(selector.key, 0, 8, 0) & 15, selector.select(1));
  }
  return Array.from({ length: 16 }, (_, slot) => found.get(slot) ?? -1);
}

describe('selectors', () => {
  it('fill the slots by weight, the rest to the first members', () => {
    expect(slots([1, 2, 3].map((member) => ({ member, weight: 1 })))).toEqual([
      1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3,
    ]);
    expect(
      slots([
        { member: 5, weight: 30 },
        { member: 7, weight: 10 },
      ]),
    ).toEqual([...new Array(12).fill(5), 7, 7, 7, 7]);
    expect(
      slots([
        { member: 1, weight: 3 },
        { member: 2, weight: 4 },
      ]),
    ).toEqual([...new Array(8).fill(1), ...new Array(8).fill(2)]);
    expect(slots([{ member: 0, weight: 100 }])).toEqual(new Array(16).fill(0));
  });

  it('give every member its share, to within its weight', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(weights, (list) => {
        const table = slots(list.map((weight, member) => ({ member, weight })));
        const sum = list.reduce((a, b) => a + b);
        list.forEach((weight, member) => {
          const share = (16 * weight) / sum;
          expect(Math.abs(table.filter((m) => m === member).length - share)).toBeLessThanOrEqual(weight);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('answer member 0 for an empty or unknown group', () => {
    const b = new Bench(miniSpec(body, declarations));
    const member = (group: bigint): bigint => aField(b.one(aPacket({ f8: group, f32: 5n })).packet, 'f16');
    expect(member(1n)).toBe(0n);
    b.pipeline.selectorSet('s', 1, [{ member: 3, weight: 1 }]);
    expect(member(1n)).toBe(3n);
    expect(member(9n)).toBe(3n);
    b.pipeline.selectorSet('s', 1, []);
    expect(member(1n)).toBe(0n);
    expect(b.pipeline.selectorDelete('s', 1)).toBe(true);
    expect(b.pipeline.selectorDelete('s', 1)).toBe(false);
    expect([...b.pipeline.selectorGroups('s')]).toEqual([]);
  });

  it('look at the selector fields only, not at what lies between them', () => {
    const spread = (text: string): string[] => {
      const b = new Bench(miniSpec(text, declarations));
      b.pipeline.selectorSet(
        's',
        1,
        Array.from({ length: 16 }, (_, member) => ({ member, weight: 1 })),
      );
      return Array.from({ length: 40 }, (_, i) =>
        String(aField(b.one(aPacket({ f8: 1n, f32: BigInt(i), f64: BigInt(i * i) })).packet, 'f16')),
      );
    };
    const members = spread(body);
    expect(new Set(members).size).toBeGreaterThan(10);
    expect(spread(body.replace('0xFFFFFFFFFFFF', '0x1234'))).toEqual(members);
  });

  it('refuse what DPDK refuses', () => {
    const { pipeline } = new Bench(miniSpec(body, declarations));
    const set =
      (group: number, ...members: [number, number][]) =>
      () =>
        pipeline.selectorSet(
          's',
          group,
          members.map(([member, weight]) => ({ member, weight })),
        );
    expect(set(8, [1, 1])).toThrow(/group 8 is not one of 0 … 7/);
    expect(set(0, [16, 1])).toThrow(/member 16 is not one of 0 … 15/);
    expect(set(0, [1, 0])).toThrow(/weight 0 of member 1/);
    expect(set(0, [1, 1], [1, 1])).toThrow(/member 1 is there twice/);
    expect(set(0, [1, 8], [2, 9])).toThrow(/weights add up to 17, more than its 16 slots/);
    expect(
      () => new Bench(miniSpec(body, declarations.replace('per_group_max 16', 'per_group_max 0x100000'))),
    ).toThrow(/1048576 slots a group/);
    expect(() => pipeline.selectorSet('z', 0, [])).toThrow(/no selector 'z'; there is 's'/);
  });
});
