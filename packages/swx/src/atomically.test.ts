import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseSpec } from './parser/parse.js';
import { SwxPipeline } from './pipeline.js';
import { aPacket, miniSpec } from './testing/mini.js';

const SPEC = miniSpec(
  'table e\n\ttable w\n\ttable s\n\ttable l\n\tmeter meters h.a.f8 h.a.f16 0x0 m.m32',
  `
struct set_arg_t {
	bit<64> value
}
action set args instanceof set_arg_t {
	mov h.a.f64 t.value
	return
}
action miss args none {
	return
}
action learned args none {
	return
}
regarray cells size 4 initval 0
metarray meters size 4
table e {
	key {
		h.a.f32 exact
	}
	actions {
		set
		miss
	}
	default_action miss args none
	size 4
}
table w {
	key {
		h.a.f32 wildcard
		h.a.f8 exact
	}
	actions {
		set
		miss
	}
	default_action miss args none
	size 4
}
selector s {
	group_id m.m32
	selector {
		h.a.f16
	}
	member_id m.m24
	n_groups_max 4
	n_members_per_group_max 4
}
learner l {
	key {
		m.m48
	}
	actions {
		learned
	}
	default_action learned args none
	size 4
	timeout {
		60
		120
	}
}`,
);

type Change = (swx: SwxPipeline) => unknown;
const number = fc.integer({ min: 0, max: 5 });
const call = (value: number) => ({ action: 'set', args: [BigInt(value)] });
/** A burst of so many packets, and hardly any more; 5 is no profile. */
const rate = (burst: number) =>
  burst === 5 ? undefined : { cir: 1n, cbs: BigInt(burst), pir: 1n, pbs: BigInt(2 * burst) };
const rule = (key: number, mask: number) => [{ value: key, mask }, { value: 1 }];

const change: fc.Arbitrary<Change> = fc.tuple(number, number, number).chain(([key, mask, value]) =>
  fc.constantFrom<Change>(
    (swx) => swx.tableSet('e', { key: [{ value: key }], ...call(value) }),
    (swx) => swx.tableDelete('e', [{ value: key }]),
    (swx) => swx.tableSet('w', { key: rule(key, mask), priority: value, ...call(value) }),
    (swx) => swx.tableDelete('w', rule(key, mask), value),
    (swx) => swx.selectorSet('s', key, [{ member: value, weight: 1 }]),
    (swx) => swx.selectorDelete('s', key),
    (swx) => swx.registerWrite('cells', key, BigInt(value)),
    (swx) => swx.meterSet('meters', key, rate(value)),
    (swx) => swx.meterClear('meters', key),
    (swx) => swx.tableSetDefault('e', 'set', [BigInt(value)]),
    (swx) => swx.learnerSetTimeout('l', key, value),
  ),
);

/** Makes those that can be made. */
function attempt(swx: SwxPipeline, changes: readonly Change[]): void {
  for (const change of changes) {
    try {
      change(swx);
    } catch {
      // Full, or no such member: it has changed nothing.
    }
  }
}

/** Everything, with the indexes of entries. */
function contents(swx: SwxPipeline): unknown {
  return {
    exact: [...swx.tableEntries('e')],
    rules: [...swx.tableEntries('w')],
    counts: [swx.tableEntryCount('e'), swx.tableEntryCount('w')],
    groups: [...swx.selectorGroups('s')].sort((a, b) => a.group - b.group),
    cells: [0, 1, 2, 3].map((index) => swx.registerRead('cells', index)),
    meters: [0, 1, 2, 3].map((index) => swx.meterStats('meters', index)),
    default: swx.tableDefault('e'),
  };
}

/** A packet through each meter: their buckets are seen by nothing else. */
function meter(swx: SwxPipeline): void {
  for (const index of [0, 1, 2, 3]) swx.process(0, aPacket({ f8: BigInt(index), f16: 1n }));
}

it('changes that fail in the middle leave everything as it was, and go on to work', () => {
  const spec = parseSpec(SPEC);
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), fc.array(change, { maxLength: 20 }), (first, then) => {
      const swx = new SwxPipeline(spec, { onTransmit: () => undefined, now: () => 0 });
      attempt(swx, first);
      meter(swx);
      const before = contents(swx);
      expect(() =>
        swx.atomically(() => {
          for (const change of then) change(swx);
          throw new Error('the last one fails in any case');
        }),
      ).toThrow();
      expect(contents(swx)).toEqual(before);

      const other = new SwxPipeline(spec, { onTransmit: () => undefined, now: () => 0 });
      attempt(other, first);
      meter(other);
      for (const each of [swx, other]) {
        meter(each);
        attempt(each, then);
        meter(each);
      }
      expect(contents(swx)).toEqual(contents(other));
    }),
    { numRuns: 200 },
  );
});
