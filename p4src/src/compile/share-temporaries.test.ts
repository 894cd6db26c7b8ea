import { describe, expect, it } from 'vitest';
import { shareTemporaries } from './share-temporaries.js';

/** So many bytes that sharing is needed. */
const PADDING = Array.from({ length: 29 }, (_, i) => `\tbit<64> padding_${i}`);

function program(fields: readonly string[], body: readonly string[], before: readonly string[] = []): string {
  return [
    ...[
      'struct m_t {',
      ...PADDING,
      ...fields.map((field) => `\t${field}`),
      '}',
      'metadata instanceof m_t',
      '',
    ],
    ...[...before, 'apply {', ...body.map((line) => `\t${line}`), '}', ''],
  ].join('\n');
}

const bodyOf = (spec: string): string[] => {
  const lines = spec.split('\n');
  return lines.slice(lines.indexOf('apply {') + 1, lines.lastIndexOf('}')).map((line) => line.trim());
};
const T = (i: number): string => `MainControlT_tmp_${i}`;
const temporaries = (count: number, bits = 64): string[] =>
  Array.from({ length: count }, (_, i) => `bit<${bits}> ${T(i)}`);

describe('shareTemporaries', () => {
  it('leaves metadata that fits as it is', () => {
    const spec = program(temporaries(3), [`mov m.${T(0)} m.x`, `mov m.x m.${T(0)}`]);
    expect(shareTemporaries(spec)).toBe(spec);
  });

  it('gives temporaries that are needed one after the other one place', () => {
    const uses = [0, 1, 2, 3].flatMap((i) => [`mov m.${T(i)} m.x`, `add m.${T(i)} 1`, `mov m.y m.${T(i)}`]);
    const shared = shareTemporaries(program(temporaries(4), uses));
    expect(bodyOf(shared)).toEqual(
      [0, 1, 2, 3].flatMap(() => ['mov m.apply_64_0 m.x', 'add m.apply_64_0 1', 'mov m.y m.apply_64_0']),
    );
    expect(shared).not.toContain('_tmp_');
  });

  it('keeps apart what is needed at the same time, or has another width', () => {
    const fields = [...temporaries(3), `bit<8> ${T(3)}`];
    const uses = [`mov m.${T(0)} m.x`, `mov m.${T(1)} m.y`, `mov m.${T(3)} 1`];
    const ends = [`add m.${T(0)} m.${T(1)}`, `mov m.x m.${T(0)}`, `jmpeq END m.${T(3)} 1`, 'END :\tdrop'];
    expect(bodyOf(shareTemporaries(program(fields, [...uses, ...ends])))).toEqual([
      ...['mov m.apply_64_0 m.x', 'mov m.apply_64_1 m.y', 'mov m.apply_8_0 1'],
      ...['add m.apply_64_0 m.apply_64_1', 'mov m.x m.apply_64_0', 'jmpeq END m.apply_8_0 1', 'END :\tdrop'],
    ]);
  });

  it('leaves out what nobody reads, and moves to itself', () => {
    const uses = [`mov m.${T(0)} m.x`, `mov m.${T(1)} m.x`, `mov m.${T(2)} m.${T(1)}`, `mov m.y m.${T(2)}`];
    expect(bodyOf(shareTemporaries(program(temporaries(4), uses)))).toEqual([
      'mov m.apply_64_0 m.x',
      'mov m.y m.apply_64_0',
    ]);
  });

  it('leaves out what is written again before it is read, on all ways from there', () => {
    const uses = [`mov m.${T(0)} m.x`, `jmpeq L m.x 1`, `mov m.${T(0)} 1`, 'jmp M'];
    const ends = [`L :mov m.z 1`, `mov m.${T(0)} 2`, `M :mov m.y m.${T(0)}`].map((line) =>
      line.replace(':', ':\t'),
    );
    const isRead = [...uses.slice(0, 3), `L :\tmov m.y m.${T(0)}`];
    expect(bodyOf(shareTemporaries(program(temporaries(4), [...uses, ...ends])))).toEqual([
      ...['jmpeq L m.x 1', 'mov m.apply_64_0 1', 'jmp M'],
      ...['L :\tmov m.z 1', 'mov m.apply_64_0 2', 'M :\tmov m.y m.apply_64_0'],
    ]);
    expect(bodyOf(shareTemporaries(program(temporaries(4), isRead)))).toHaveLength(4);
  });

  it('gives a temporary with two lives two places, and one where a jump passes over others', () => {
    const [a, b, c] = [T(0), T(1), T(2)];
    const twoLives = [`mov m.${a} m.x`, `mov m.y m.${a}`, `mov m.${b} m.x`, `mov m.${a} 1`];
    const both = [`add m.${a} m.${b}`, `mov m.y m.${a}`];
    expect(bodyOf(shareTemporaries(program(temporaries(4), [...twoLives, ...both])))).toEqual([
      ...['mov m.apply_64_0 m.x', 'mov m.y m.apply_64_0', 'mov m.apply_64_0 m.x', 'mov m.apply_64_1 1'],
      ...['add m.apply_64_1 m.apply_64_0', 'mov m.y m.apply_64_1'],
    ]);
    // What is needed at M is not needed on the way that drops the packet; but it is passed over.
    const over = [`mov m.${a} m.x`, 'jmpeq M m.x 1', `mov m.${c} 2`, `mov m.y m.${c}`, 'jmp END'];
    const ends = [`M :\tmov m.y m.${a}`, 'END :\tdrop'];
    expect(bodyOf(shareTemporaries(program(temporaries(4), [...over, ...ends])))).toEqual([
      ...['mov m.apply_64_0 m.x', 'jmpeq M m.x 1', 'mov m.apply_64_1 2', 'mov m.y m.apply_64_1', 'jmp END'],
      ...['M :\tmov m.y m.apply_64_0', 'END :\tdrop'],
    ]);
  });

  it('keeps the arguments of a learned entry one run, which entries with the same beginning share', () => {
    const learning = (name: string, count: number, from: number) => [
      ...[`struct ${name}_arg_t {`, ...Array.from({ length: count }, (_, i) => `\tbit<64> a${i}`), '}'],
      ...[`action ${name} args instanceof ${name}_arg_t {`, '\treturn', '}'],
      `action miss_${name} args none {`,
      ...Array.from({ length: count }, (_, i) => `\tmov m.${T(from + i)} m.x`),
      ...[`\tlearn ${name} m.${T(from)} m.timeout`, '\treturn', '}'],
    ];
    const shared = shareTemporaries(
      program(temporaries(5), ['drop'], [...learning('short', 2, 0), ...learning('long', 3, 2)]),
    );
    expect(shared).toContain('learn short m.learned_0_0 m.timeout');
    expect(shared).toContain('learn long m.learned_0_0 m.timeout');
    expect(shared.match(/^\tbit<64> learned_\d_\d$/gm)).toHaveLength(3);
  });

  it('leaves alone what several actions use, and what is part of a key', () => {
    const uses = [`mov m.${T(0)} 1`, `mov m.${T(1)} m.x`, 'table t'];
    const action = ['action a args none {', `\tmov m.y m.${T(0)}`, '\treturn', '}'];
    const table = ['table t {', '\tkey {', `\t\tm.${T(1)} exact`, '\t}', '}'];
    expect(bodyOf(shareTemporaries(program(temporaries(9), uses, [...action, ...table])))).toEqual(uses);
  });

  it('refuses programs that jump back, or whose metadata is still too large', () => {
    const loop = program(temporaries(4), ['L :\tdrop', 'jmp L']);
    expect(() => shareTemporaries(loop)).toThrow('apply jumps back to L');
    const large = program(['bit<64> a', 'bit<64> b', 'bit<64> c', 'bit<64> d'], ['drop']);
    expect(() => shareTemporaries(large)).toThrow(/264 bytes of metadata; SWX reaches 256/);
  });
});
