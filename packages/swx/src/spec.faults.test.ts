import { readFileSync } from 'node:fs';
import {
  faultTest,
  growsInProportion,
  HOSTILE_PIECES,
  mutateBytes,
  mutateText,
  Trial,
} from '@infra-offload/faults';
import { describe, expect, it } from 'vitest';
import { SwxError } from './errors.js';
import { parseSpec } from './parser/parse.js';
import { SwxPipeline } from './pipeline.js';
import { A_BYTES, aPacket, miniSpec } from './testing/mini.js';

const K8S = readFileSync(new URL('../../../p4src/dpdk/k8s_dp.spec', import.meta.url), 'utf8');
const MINI = miniSpec(
  'jmpeq L m.m8 0x1\n\ttable tab\n\tregadd r m.m8 1\n\tmeter q 0 m.m16 m.m8 m.m24\n\tL : hash jhash m.m32 h.a.f8 h.a.f64',
  `regarray r size 3 initval 7
metarray q size 2
action other args none {
	return
}
table tab {
	key {
		h.a.f8 wildcard
	}
	actions {
		other
	}
	default_action other args none
	size 4
}`,
);
const PIECES = [
  ...HOSTILE_PIECES,
  ...[
    'struct',
    'header',
    'action',
    'apply {',
    'table',
    'selector',
    'learner',
    'regarray',
    'metarray',
    'learn',
    'rearm',
  ],
  ...[
    'bit<262144>',
    'bit<8>',
    'varbit<320>',
    'size 0x4000000',
    'size 2147483648',
    'timeout',
    '65535',
    'm.',
    'h.',
    't.',
  ],
  ...[
    'jmp',
    'jmpeq',
    'mov',
    'add',
    'emit',
    'extract',
    'lookahead',
    'recirculate',
    'mirror',
    'tx',
    'drop',
    'return',
  ],
];
/** One case of so many damages k8s_dp, which takes a hundred times as long as the small program. */
const LARGE_EVERY = 300;
const packets = [
  new Uint8Array(),
  aPacket(),
  aPacket({ f8: 1n }),
  new Uint8Array(A_BYTES - 1),
  new Uint8Array(65_536).fill(0x45),
];

/** Compiles a spec and runs packets through it. */
function run(text: string): void {
  const pipeline = new SwxPipeline(parseSpec(text), { onTransmit: () => {} });
  for (const packet of packets) pipeline.process(0, packet);
  pipeline.trace(1, packets[1] ?? new Uint8Array());
}

describe('a spec', () => {
  faultTest(
    {
      fault: 'SWX specification, damaged',
      promise: 'it runs packets or is a SwxError',
      sample: 120,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(SwxError.is);
      for (let index = 0; index < cases; index++) {
        const text = index % LARGE_EVERY === 0 ? K8S : MINI;
        trial.try(mutateText(random, text, PIECES), run);
      }
      return trial.measured;
    },
  );

  faultTest(
    {
      fault: 'SWX specification, damaged in bytes',
      promise: 'it runs packets or is a SwxError',
      sample: 100,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(SwxError.is);
      const bytes = Buffer.from(MINI);
      for (let index = 0; index < cases; index++) {
        trial.try(Buffer.from(mutateBytes(random, bytes)).toString(), run);
      }
      return trial.measured;
    },
  );

  it.each<[string, number, (size: number) => string]>([
    ['structs', 4_000, (size) => `${repeat(size, (n) => `struct s${n} {\n\tbit<8> a\n}`)}${miniSpec('')}`],
    [
      'fields',
      8_000,
      (size) =>
        miniSpec(
          repeat(size, (n) => `mov m.m8 h.w.f${n}`),
          wide(size),
        ),
    ],
    ['actions of a table', 2_000, (size) => miniSpec('table tab', tableOf(size))],
    [
      'register arrays',
      2_000,
      (size) =>
        miniSpec(
          repeat(size, (n) => `regadd r${n} 0 1`),
          repeat(size, (n) => `regarray r${n} size 1 initval 0`),
        ),
    ],
    ['labels', 3_000, (size) => miniSpec(repeat(size, (n) => `L${n} : jmp L${size}`))],
    [
      'jumps back',
      3_000,
      (size) => miniSpec(repeat(size, (n) => `L${n} : jmpeq L${Math.max(1, n - 1)} m.m8 1`)),
    ],
    [
      'hashes',
      1_000,
      (size) =>
        miniSpec(
          repeat(size, (n) => `hash jhash m.m32 h.w.f${n} h.w.f${n}`),
          wide(size),
        ),
    ],
    ['open blocks', 20_000, (size) => 'x {\n'.repeat(size)],
    ['words in a line', 50_000, (size) => `${'word '.repeat(size)}\n`],
    ['dots in a name', 50_000, (size) => miniSpec(`mov m.${'a.'.repeat(size)} 1`)],
  ])('with many %s takes time in proportion', (_, size, make) => {
    const trial = new Trial(SwxError.is);
    expect(growsInProportion(size, make, (text) => trial.try(text, run))).toBe(true);
    // No refusal for any other reason than being too much.
    trial.try(make(size), run);
  });

  it.each([
    ['actions of a table', () => miniSpec('table tab', tableOf(1, 150_000))],
    ['structs', () => `${repeat(150_000, (n) => `struct s${n} {\n\tbit<8> a\n}`)}${miniSpec('')}`],
    [
      'registers',
      () =>
        miniSpec(
          '',
          repeat(64, (n) => `regarray r${n} size 0x4000000 initval 1`),
        ),
    ],
    [
      'wide metadata',
      () =>
        miniSpec('').replace('bit<32> out', `bit<32> out\n${repeat(3_000, (n) => `\tbit<262144> x${n}`)}`),
    ],
    [
      'wide headers',
      () =>
        miniSpec(
          '',
          `struct w_t {\n\tbit<262144> x\n}\n${repeat(3_000, (n) => `header w${n} instanceof w_t`)}`,
        ),
    ],
    [
      'code on wide fields',
      () =>
        miniSpec(
          'mov h.w.y h.w.x\n'.repeat(20_000),
          'struct w_t {\n\tbit<262144> x\n\tbit<262144> y\n}\nheader w instanceof w_t',
        ),
    ],
    [
      'wide comparisons',
      () =>
        miniSpec(
          'jmplt L h.w.x h.w.y\nL : add h.w.x h.w.y',
          'struct w_t {\n\tbit<262144> x\n\tbit<262144> y\n}\nheader w instanceof w_t',
        ),
    ],
    ['a jump to itself', () => miniSpec('L : jmp L')],
    ['a recirculation without end', () => miniSpec('recirculate')],
  ])('with %s costs neither the process nor the machine', (_, make) => {
    const before = process.memoryUsage().rss;
    new Trial(SwxError.is).try(make(), run);
    expect(process.memoryUsage().rss - before).toBeLessThan(1.2e9);
  });
});

function repeat(count: number, make: (n: number) => string): string {
  return `${Array.from({ length: count }, (_, n) => make(n + 1)).join('\n')}\n`;
}

function wide(fields: number): string {
  return `struct w_t {\n${repeat(fields, (n) => `\tbit<8> f${n}`)}}\nheader w instanceof w_t`;
}

function tableOf(actions: number, times = 1): string {
  return `${repeat(actions, (n) => `action a${n} args none {\n\treturn\n}`)}
table tab {
	key {
		h.a.f8 exact
	}
	actions {
${repeat(actions * times, (n) => `\t\ta${1 + (n % actions)}`)}
	}
	default_action a1 args none
	size 4
}`;
}
