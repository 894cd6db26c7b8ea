import { defineConfig } from 'vitest/config';

// Workspace packages resolve to their TypeScript sources, so unit tests need no build.
const resolve = { conditions: ['@infra-offload/source', 'node', 'import', 'default'] };
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
          // For what never ends; how fast a machine is must not decide.
          testTimeout: 120_000,
          hookTimeout: 120_000,
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
          // For what never ends; how fast a machine is must not decide.
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
