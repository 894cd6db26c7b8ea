import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { unit } from '../../vitest.config.js';
import { instrument } from './src/instrument.js';
import type { Plan } from './src/plan.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { subjects } = JSON.parse(readFileSync(process.env.MUTANTS_PLAN ?? '', 'utf8')) as Plan;
const { test, ...rest } = unit;

/** What a short test kills need not be tried on a long one. */
class ShortestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).reverse();
  }
}

/** Unit tests over sources with all mutants in them; `src/session.ts` starts it. */
export default defineConfig({
  ...rest,
  root,
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      transform(code, id) {
        const subject = subjects.find(({ file }) => file === relative(root, id));
        return subject && { code: instrument(code, subject.tried, subject.first), map: null };
      },
    },
  ],
  test: {
    ...test,
    runner: fileURLToPath(new URL('src/runner.ts', import.meta.url)),
    // What a mutant never lets happen is not waited for long.
    testTimeout: 20_000,
    hookTimeout: 20_000,
    expect: { poll: { timeout: 3_000, interval: 10 } },
    dangerouslyIgnoreUnhandledErrors: true,
    sequence: { sequencer: ShortestFirst },
  },
});
