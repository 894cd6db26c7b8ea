import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Where zod's own may be called: they are its wrappers. */
const WRAPPERS = ['packages/yaml/src/safe-parse.ts', 'packages/cni-types/src/validate.ts'];

it('values from outside are checked by what never throws', () => {
  const sources = execFileSync('git', ['ls-files', 'apps', 'packages', 'tools'], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => /\/src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'));
  expect(sources.length).toBeGreaterThan(300);
  const own = sources.filter((file) => readFileSync(file, 'utf8').includes('.safeParse('));
  expect(own.filter((file) => !WRAPPERS.includes(file))).toEqual([]);
  expect(own).toEqual(expect.arrayContaining(WRAPPERS));
});
