import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SwxError } from './errors.js';
import { aPacket, Bench, miniSpec } from './testing/mini.js';

const OPERANDS = [
  'h.a',
  'h.n',
  'h.a.f8',
  'h.a.f16',
  'h.a.f64',
  'h.a.f128',
  'h.n.x',
  'm.m8',
  'm.m24',
  'm.n64',
  'm.m128',
  'm.port',
  't.x',
  't.y',
  'e.o.x',
  'f.g',
  'L',
  '0',
  '0xFF',
  '0x1FFFFFFFFFFFFFFFFF',
  'r',
  'q',
  'act',
  'other',
  'tab',
  'sel',
  'lrn',
  'jhash',
  'crc32',
  'rs',
];
const OPERATIONS = [
  'tx',
  'drop',
  'mirror',
  'recirculate',
  'recircid',
  'extract',
  'lookahead',
  'emit',
  'validate',
  'invalidate',
  'mov',
  'movh',
  'dma',
  'add',
  'sub',
  'ckadd',
  'cksub',
  'and',
  'or',
  'xor',
  'shl',
  'shr',
  'regprefetch',
  'regrd',
  'regwr',
  'regadd',
  'metprefetch',
  'meter',
  'table',
  'learn',
  'rearm',
  'forget',
  'entryid',
  'extern',
  'hash',
  'rss',
  'jmp',
  'jmpv',
  'jmpnv',
  'jmph',
  'jmpnh',
  'jmpa',
  'jmpna',
  'jmpeq',
  'jmpneq',
  'jmplt',
  'jmpgt',
  'return',
];
/** Operands for each operation that fit often enough. */
const COUNTS = [0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5];

const declarations = (inAction: readonly string[]): string => `
rss rs
extobj o instanceof type
regarray r size 3 initval 7
metarray q size 2
struct arg_t {
	bit<64> x
	bit<128> y
}
action other args none {
	return
}
action act args instanceof arg_t {
	${inAction.join('\n\t')}
	L : return
}
table tab {
	key {
		h.a.f8 exact
		h.a.f128 lpm
	}
	actions {
		act
		other
	}
	default_action act args none
	size 4
}
selector sel {
	group_id m.m8
	selector {
		h.a.f24
		h.a.f8
	}
	member_id m.m24
	n_groups_max 3
	n_members_per_group_max 5
}
learner lrn {
	key {
		h.a.f16
	}
	actions {
		act
		other
	}
	default_action act args none
	size 4
	timeout {
		1
	}
}`;

it('whatever the instructions, a spec is refused with a SwxError or runs any packet', () => {
  const operand = fc.constantFrom(...OPERANDS);
  const instruction = fc
    .tuple(
      fc.constantFrom(...OPERATIONS),
      fc.constantFrom(...COUNTS),
      fc.array(operand, { minLength: 5, maxLength: 5 }),
    )
    .map(([name, count, operands]) => [name, ...operands.slice(0, count)].join(' '));
  const body = fc.array(instruction, { maxLength: 2 });
  let ran = 0;
  fc.assert(
    fc.property(body, body, fc.uint8Array({ maxLength: 80 }), (inApply, inAction, packet) => {
      let bench: Bench;
      try {
        bench = new Bench(
          miniSpec(`${inApply.join('\n')}\nL : table tab\ntable sel\ntable lrn`, declarations(inAction)),
        );
      } catch (error) {
        if (!SwxError.is(error)) throw error;
        return;
      }
      ran++;
      bench.send(packet);
      bench.send(aPacket({ f8: 1n }));
      const { received, transmitted, dropped, malformed } = bench.pipeline.stats;
      expect(received).toBe(2);
      expect(transmitted + dropped + malformed).toBe(2);
      bench.pipeline.trace(1, packet);
    }),
    { numRuns: 500 },
  );
  expect(ran).toBeGreaterThan(20);
});
