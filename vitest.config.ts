import { defineConfig } from 'vitest/config';

// Workspace packages resolve to their TypeScript sources, so unit tests need no build.
const resolve = { conditions: ['@infra-offload/source', 'node', 'import', 'default'] };
// The only limits of time that tests have: long enough for a machine that is busy with other things. A test waits for what
// is to happen (`expect.poll`, an event), never for the clock, and none of them sets a limit of its own.
const testTimeout = 600_000;
const hookTimeout = 600_000;
const poll = { timeout: 120_000, interval: 10 };
const ssr = { resolve: { conditions: resolve.conditions, externalConditions: resolve.conditions } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          include: [
            '{packages,apps,tools}/*/src/**/*.test.ts',
            'p4src/src/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          // Every core, where Vitest would leave one idle.
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
          testTimeout,
          hookTimeout,
          expect: { poll },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          include: ['e2e/src/**/*.test.ts'],
          // Real processes and network namespaces: one file at a time, so that timings mean something.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout,
          hookTimeout,
          expect: { poll },
        },
      },
    ],
  },
});
