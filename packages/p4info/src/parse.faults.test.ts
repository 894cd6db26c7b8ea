import { readFileSync } from 'node:fs';
import {
  crossBytes,
  faultTest,
  growsInProportion,
  HOSTILE_PIECES,
  mutateBytes,
  mutateText,
  mutateWire,
  Trial,
} from '@infra-offload/faults';
import { describe, expect, it } from 'vitest';
import { P4InfoError } from './errors.js';
import { formatProgram } from './format-program.js';
import { P4Program } from './model/program.js';
import { P4Info } from './proto.js';

const TEXT = readFileSync(new URL('../../../p4src/dpdk/k8s_dp.p4info.txtpb', import.meta.url), 'utf8');
/** An object of each kind that k8s_dp has none of, so that there is something of everything to damage. */
const OTHERS = `
digests { preamble { id: 385875969 name: "learn" } type_spec { struct { name: "learn_t" } } }
registers { preamble { id: 369098753 name: "state" } size: 8 type_spec { tuple { members { bool {} } members { new_type { name: "ip_t" } } } } }
value_sets { preamble { id: 50331649 name: "ports" } size: 2 match { id: 1 name: "port" bitwidth: 16 match_type: EXACT } }
externs { extern_type_id: 129 extern_type_name: "Crypto" instances { preamble { id: 2164260865 name: "aes" } info { [type.googleapis.com/p4.config.v1.P4Ids] {} } } }
type_info {
  structs { key: "learn_t" value { members { name: "ip" type_spec { new_type { name: "ip_t" } } } members { name: "next" type_spec { struct { name: "learn_t" } } } } }
  new_types { key: "ip_t" value { original_type { bitstring { bit { bitwidth: 32 } } } } }
  new_types { key: "port_t" value { translated_type { uri: "x" sdn_string {} } } }
}
`;
const LARGE = `${TEXT.slice(0, TEXT.lastIndexOf('\ntype_info'))}${OTHERS}`;
/** One case of so many damages the large one. */
const LARGE_EVERY = 300;
/** Quickly read, for most cases. */
const SMALL = `
pkg_info { arch: "pna" }
tables {
  preamble { id: 33554433 name: "pipe.routes" alias: "routes" annotations: "@hidden" }
  match_fields { id: 1 name: "dst" bitwidth: 32 match_type: LPM }
  match_fields { id: 2 name: "port" bitwidth: 9 match_type: TERNARY type_name { name: "port_t" } }
  action_refs { id: 16777217 }
  action_refs { id: 16777218 scope: DEFAULT_ONLY }
  const_default_action_id: 16777218
  implementation_id: 285212673
  direct_resource_ids: 318767361
  size: 1024
}
actions { preamble { id: 16777217 name: "pipe.send" alias: "send" } params { id: 1 name: "mac" bitwidth: 48 } }
actions { preamble { id: 16777218 name: "NoAction" alias: "NoAction" } }
action_profiles { preamble { id: 285212673 name: "pipe.hops" alias: "hops" } table_ids: 33554433 with_selector: true size: 64 max_group_size: 8 }
direct_counters { preamble { id: 318767361 name: "pipe.sent" alias: "sent" } spec { unit: BOTH } direct_table_id: 33554433 }
counters { preamble { id: 302000001 name: "pipe.drops" alias: "drops" } spec { unit: PACKETS } size: 16 }
meters { preamble { id: 335544321 name: "pipe.rate" alias: "rate" } spec { unit: BYTES } size: 4 }
controller_packet_metadata { preamble { id: 67108865 name: "packet_in" alias: "packet_in" } metadata { id: 1 name: "port" bitwidth: 9 } }
${OTHERS}`;
const [SMALL_WIRE, LARGE_WIRE] = [wireOf(SMALL), wireOf(LARGE)] as const;
const PIECES = [
  ...HOSTILE_PIECES,
  ...[
    'tables',
    'preamble',
    'id: 0',
    'id: -1',
    'alias: ""',
    'bitwidth: 2147483647',
    'size: -1',
    'annotations',
  ],
  ...[
    '[type.googleapis.com/p4.config.v1.P4Info] {',
    'type_info {',
    'structs { key: "a"',
    '"\\xff"',
    "'",
    '# ',
  ],
];

function wireOf(text: string): Uint8Array {
  return P4Info.encode(P4Program.parse(text).p4info).finish();
}

/** Everything that is made of a P4Info. */
function use(input: string | Uint8Array): void {
  const program = P4Program.parse(input);
  program.describe();
  formatProgram(program);
}

describe('P4Info', () => {
  faultTest(
    { fault: 'P4Info text, damaged', promise: 'a program or a P4InfoError', sample: 250, unit: 'input' },
    ({ cases, random }) => {
      const trial = new Trial(P4InfoError.is);
      for (let index = 0; index < cases; index++) {
        trial.try(mutateText(random, index % LARGE_EVERY === 0 ? LARGE : SMALL, PIECES), use);
      }
      return trial.measured;
    },
  );

  faultTest(
    { fault: 'P4Info in binary, damaged', promise: 'a program or a P4InfoError', sample: 600, unit: 'input' },
    ({ cases, random }) => {
      const trial = new Trial(P4InfoError.is);
      for (let index = 0; index < cases; index++) {
        const wire = index % LARGE_EVERY === 0 ? LARGE_WIRE : SMALL_WIRE;
        const damaged = random.chance(70) ? mutateWire(random, wire) : mutateBytes(random, wire);
        trial.try(random.chance(5) ? crossBytes(random, damaged, wire) : damaged, use);
      }
      return trial.measured;
    },
  );

  it.each([
    [
      'types of types',
      'registers { preamble { id: 1 name: "r" } type_spec {',
      'tuple { members {',
      '} }',
      '} }',
    ],
    [
      'Any',
      'externs { instances { preamble { id: 1 name: "e" } info {',
      '[a/google.protobuf.Any] {',
      '}',
      '} } }',
    ],
    ['unknown fields', 'tables { preamble { id: 1 name: "t" }', 'x {', '}', '}'],
  ])('of %s is read or refused, however deep they nest', (_, before, open, close, after) => {
    const trial = new Trial(P4InfoError.is);
    const depths = [...Array.from({ length: 150 }, (__, depth) => depth), 10_000, 300_000];
    const taken = depths.filter((depth) => {
      const text = `tables { preamble { id: 2 name: "t2" } } ${before} ${open.repeat(depth)} ${close.repeat(depth)} ${after}`;
      return trial.try(text, (input) => P4Program.parse(input)) !== undefined;
    });
    expect(taken.length).toBeGreaterThan(40);
    expect(taken).toEqual(taken.map((__, depth) => depth));
  });

  it.each([
    [
      'objects',
      1_500,
      (size: number) => repeat(size, (n) => `tables { preamble { id: ${n} name: "t${n}" } }`),
    ],
    ['fields that are not known', 800, (size: number) => repeat(size, (n) => `tablse { x${n}: 1 }`)],
    ['actions of a profile', 1_500, profileOfManyActions],
    ['types of types', 12, typesOfTypes],
    ['brackets in a row', 50_000, (size: number) => `tables { [${'a '.repeat(size)}]: 1 }`],
    [
      'strings in a row',
      100_000,
      (size: number) => `tables { preamble { id: 1 name: ${'"a" '.repeat(size)} } }`,
    ],
    ['a long number', 100_000, (size: number) => `tables { size: ${'9'.repeat(size)} }`],
    ['a long name', 100_000, (size: number) => `tables { ${'a'.repeat(size)}: 1 }`],
  ])('with many %s takes time in proportion', (_, size, make) => {
    expect(growsInProportion(size, make, use)).toBe(true);
  });
});

function repeat(count: number, make: (n: number) => string): string {
  return Array.from({ length: count }, (_, n) => make(n + 1)).join('\n');
}

function profileOfManyActions(size: number): string {
  return `${repeat(size, (n) => `actions { preamble { id: ${n} name: "a${n}" } }`)}
action_profiles { preamble { id: 8000001 name: "p" } }
tables { preamble { id: 8000002 name: "t" } implementation_id: 8000001 ${repeat(size, (n) => `action_refs { id: ${n} }`)} }`;
}

/** Each of so many types has the next one twice. */
function typesOfTypes(size: number): string {
  const member = (name: string, next: number) =>
    `members { name: "${name}" type_spec { struct { name: "s${next}" } } }`;
  const structs = repeat(
    size,
    (n) => `structs { key: "s${n}" value { ${member('a', n + 1)} ${member('b', n + 1)} } }`,
  );
  return `digests { preamble { id: 1 name: "d" } type_spec { struct { name: "s1" } } } type_info { ${structs} }`;
}
