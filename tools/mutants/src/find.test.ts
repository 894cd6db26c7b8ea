import { describe, expect, it } from 'vitest';
import { findMutants } from './find.js';
import { instrument } from './instrument.js';

const whats = (text: string) => findMutants('a.ts', text).map(({ what }) => what);

describe('mutants', () => {
  it.each([
    ['const a = b && c;', ['b && c -> b || c']],
    ['const a = b < c;', ['b < c -> b <= c', 'b < c -> b >= c']],
    ['const a = b ?? c;', ['b ?? c -> b']],
    ['const a = b + c;', ['b + c -> b - c']],
    ["const a = b + 'c';", ["'c' -> ''"]],
    ['const a = !b;', ['!b -> b']],
    ['const a = 7;', ['7 -> 0']],
    ['const a = 0;', ['0 -> 1']],
    ["const a = '';", ["'' -> 'mutant'"]],
    ['const a = [b];', ['[b] -> []']],
    ['const a = b ? c : d;', ['b -> true', 'b -> false']],
    ['if (a) b();', ['a -> true', 'a -> false', 'without b();']],
    ['while (a) b();', ['a -> false', 'without b();']],
    ['function a() { return b; }', ['b -> undefined']],
    ['const a = () => b;', ['b -> undefined']],
  ])('of %s', (text, expected) => expect(whats(text)).toEqual(expected));

  it.each([
    "import a from 'b';",
    "export * from 'b';",
    "type A = 'b' | 7;",
    "declare module 'b' { namespace c { const d: 7; } }",
    "const a = { 'b': c };",
    "logger.warn({ a: 1 }, 'text');",
    "this.#logger.info('text');",
    "const a = await import('b');",
    'class A { constructor() { this.a = b; } }',
    'const a = [] as readonly string[];',
  ])('are not in %s', (text) => expect(whats(text)).toEqual([]));

  it('tell their line', () => {
    expect(findMutants('a.ts', 'const a = b;\n\nconst c = 1;').map(({ line }) => line)).toEqual([3]);
  });
});

describe('a source with mutants in it', () => {
  const SOURCE = "function f(a) { let s = 'x'; if (a > 1 && a < 5) { s += a; } return [s, a ? 1 : 2]; }";
  const mutants = findMutants('a.ts', SOURCE);
  const run = (alive: number, a: number): unknown => {
    const body = `${instrument(SOURCE, mutants, 100)}\nreturn f(${a});`;
    return new Function('__mutant', body)((id: number) => id === alive);
  };

  it('is as it was while none is alive', () =>
    expect([0, 3].map((a) => run(0, a))).toEqual([
      ['x', 2],
      ['x3', 1],
    ]));

  it('is as each says that is', () => {
    const by = (what: string) => 100 + (mutants.find((mutant) => mutant.what === what)?.id ?? Number.NaN);
    expect(run(by("'x' -> ''"), 3)).toEqual(['3', 1]);
    expect(run(by('a > 1 && a < 5 -> a > 1 || a < 5'), 0)).toEqual(['x0', 2]);
    expect(run(by('a > 1 -> a >= 1'), 1)).toEqual(['x1', 1]);
    expect(run(by('without s += a;'), 3)).toEqual(['x', 1]);
    expect(run(by('a -> false'), 3)).toEqual(['x3', 2]);
    expect(run(by('[s, a ? 1 : 2] -> undefined'), 3)).toBeUndefined();
    expect(run(by('[s, a ? 1 : 2] -> []'), 3)).toEqual([]);
  });
});
