import { miniSpec } from './mini.js';

/** A header that ends with a varbit field, beside what the small spec has. */
const VARBIT =
  'struct v_t {\n\tbit<8> size\n\tvarbit<80> options\n}\nheader v instanceof v_t\nregarray r size 2 initval 0\nmetarray q size 2';
const OTHER = 'action other args none {\n\treturn\n}';

const inApply = (instruction: string): string =>
  miniSpec(`${instruction}\nL : mov m.m8 1`, `${VARBIT}\n${OTHER}`);
const inAction = (instruction: string): string =>
  miniSpec('', `${OTHER}\naction a args none {\n\t${instruction}\n\tL : return\n}`);
const table = (key: string, rest = 'default_action other args none\n\tsize 4'): string =>
  miniSpec(
    'table t',
    `${VARBIT}\n${OTHER}\ntable t {\n\tkey {\n\t\t${key}\n\t}\n\tactions {\n\t\tother\n\t}\n\t${rest}\n}`,
  );
const learner = (key: string, size = 4, timeouts = 1): string =>
  miniSpec(
    'table l',
    `${OTHER}\nlearner l {\n\tkey {\n\t\t${key}\n\t}\n\tactions {\n\t\tother\n\t}\n\tdefault_action other args none
	size ${size}\n\ttimeout {\n${'\t\t5\n'.repeat(timeouts)}\t}\n}`,
  );
const selector = (fields: string): string =>
  miniSpec(
    'table s',
    `selector s {\n\tgroup_id m.m8\n\tselector {\n\t\t${fields}\n\t}\n\tmember_id m.m32\n\tn_groups_max 4\n\tn_members_per_group_max 4\n}`,
  );
const lines = (...all: string[]): string => all.join('\n\t\t');

/** Programs of the same form that DPDK takes, so that the others are refused for what they are named after. */
export const TAKEN: readonly (readonly [what: string, text: string])[] = [
  ['an instruction', inApply('mov m.m8 2')],
  ['wide fields of headers, copied', inApply('mov m.m128 h.a.f128')],
  ['an action', inAction('jmp L')],
  ['a table', table(lines('h.a.f8 wildcard', 'h.a.f16 exact'))],
  ['a table of prefixes', table(lines('m.m8 exact', 'm.m32 lpm'))],
  ['a learner', learner(lines('m.m16', 'm.m8'), 4, 16)],
  ['a selector', selector(lines('h.a.f8', 'h.a.f64'))],
];

/** Programs that no version of DPDK takes, and what is said of them. */
export const REFUSED: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['a key of two headers', table(lines('h.a.f8 exact', 'h.n.x exact')), /not in the same header/],
  ['a key of a header and metadata', table(lines('h.a.f8 exact', 'm.m8 exact')), /not in the same header/],
  ['a key field twice', table(lines('h.a.f8 exact', 'h.a.f8 exact')), /'h\.a\.f8' is given twice/],
  ['two prefixes', table(lines('m.m32 lpm', 'm.m16 lpm')), /beside an lpm field, all others must be exact/],
  ['a prefix and a mask', table(lines('m.m32 lpm', 'm.m16 wildcard')), /beside an lpm field/],
  [
    'default arguments left out',
    table('h.a.f8 exact', 'default_action other args const\n\tsize 4'),
    /expected 'none' or/,
  ],
  ['a learner of two headers', learner(lines('h.a.f8', 'h.n.x')), /not in the same header/],
  ['a learner with a field twice', learner(lines('m.m8', 'm.m8')), /given twice/],
  ['a learner with a gap in its key', learner(lines('m.m8', 'm.m24')), /must follow one another/],
  ['a learner without room', learner('m.m8', 0), /has size 0/],
  ['a learner with 17 timeouts', learner('m.m8', 4, 17), /17 timeouts, and at most 16/],
  ['a selector of a header and metadata', selector(lines('h.a.f8', 'm.m8')), /not in the same header/],
  ['a selector with a field twice', selector(lines('h.a.f8', 'h.a.f8')), /given twice/],
  ...['jmph L', 'jmpnh L', 'jmpa L other', 'jmpna L other'].map(
    (text) => [`'${text}' in an action`, inAction(text), /possible in 'apply' only/] as const,
  ),
  ...[
    'add m.m128 1',
    'sub h.a.f128 1',
    'and m.m8 h.a.f128',
    'shl m.m128 1',
    'regrd m.m128 r 0',
    'regwr r 0 m.m128',
    'regadd r h.a.f128 1',
    'regprefetch r m.m128',
    'metprefetch q m.m128',
    'meter q 0 m.m128 0 m.m8',
    'meter q 0 m.m8 0 m.m128',
    'mirror m.m128 m.m8',
    'entryid m.m128',
    'recircid m.m128',
    'tx m.m128',
    'jmpeq L m.m128 1',
    'jmplt L m.m8 h.a.f128',
    'cksub h.n.x h.a.f128',
    'hash jhash m.m128 h.a.f8 h.a.f8',
    'extract h.v m.m128',
  ].map((text) => [`'${text}'`, inApply(text), /has 128 bits, and values have at most 64/] as const),
  ["'mov m.m128 1'", inApply('mov m.m128 1'), /more than 64 bits: it takes no number/],
  ["'mov m.m128 m.m8'", inApply('mov m.m128 m.m8'), /copied from and to others like it/],
  ["'mov m.m8 h.a.f128'", inApply('mov m.m8 h.a.f128'), /copied from and to others like it/],
  ["'movh m.m8 m.m16'", inApply('movh m.m8 m.m16'), /one operand must be a header's field of 64 bits/],
  ["'movh m.m128 m.m64'", inApply('movh m.m128 m.m64'), /one operand must be a header's field of 64 bits/],
  ["'mirror h.a.f8 m.m8'", inApply('mirror h.a.f8 m.m8'), /neither slot nor session/],
  ["'lookahead h.v'", inApply('lookahead h.v'), /ends with a varbit field/],
  ["'jmplt L h.v.options 1'", inApply('jmplt L h.v.options 1'), /varbit field/],
  ["'regadd r h.v.options 1'", inApply('regadd r h.v.options 1'), /varbit field/],
  ["'cksub h.n.x h.v.options'", inApply('cksub h.n.x h.v.options'), /varbit field/],
  [
    "'hash jhash m.m32 h.v.size h.v.options'",
    inApply('hash jhash m.m32 h.v.size h.v.options'),
    /varbit field/,
  ],
];
