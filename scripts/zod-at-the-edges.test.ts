import { expect, it } from 'vitest';
import { filesBelow, read } from './docs/files.js';

/** Where zod's own may be called: they are its wrappers. */
const WRAPPERS = ['packages/yaml/src/safe-parse.ts', 'packages/cni-types/src/validate.ts'];

it('values from outside are checked by what never throws', () => {
  const sources = ['apps', 'packages', 'tools']
    .flatMap((folder) => filesBelow(folder))
    .filter((file) => /\/src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'));
  expect(sources.length).toBeGreaterThan(300);
  const own = sources.filter((file) => read(file).includes('.safeParse('));
  expect(own.filter((file) => !WRAPPERS.includes(file))).toEqual([]);
  expect(own).toEqual(expect.arrayContaining(WRAPPERS));
});
