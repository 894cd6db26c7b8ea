import { defineConfig } from 'vitest/config';

// Workspace packages resolve to their TypeScript sources, so unit and system tests need no build.
const resolve = { conditions: ['@infra-offload/source', 'node', 'import', 'default'] };
// The only limits of time that tests have: long enough for a machine that is busy with other things. A test waits for what
// is to happen (`expect.poll`, an event), never for the clock, and none of them sets a limit of its own.
const testTimeout = 600_000;
const hookTimeout = 600_000;
const poll = { timeout: 120_000, interval: 10 };
const ssr = { resolve: { conditions: resolve.conditions, externalConditions: resolve.conditions } };

const BESIDE_SOURCES = ['{packages,apps,tools}/*/src', 'p4src/src', 'scripts'];
const SYSTEM = BESIDE_SOURCES.map((folder) => `${folder}/**/*.system{,.faults}.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          // What a process can test on its own, fast: scripts/unit-only.ts.
          name: 'unit',
          include: BESIDE_SOURCES.map((folder) => `${folder}/**/*.test.ts`),
          exclude: SYSTEM,
          setupFiles: ['scripts/unit-only.ts'],
          // One process per core for all files: what a third of the time went into was loading the same modules again.
          isolate: false,
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
          // Of one part, too, but with root's rights, network namespaces, compilers, or processes.
          name: 'system',
          include: SYSTEM,
          maxWorkers: '100%',
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 2 },
          testTimeout,
          hookTimeout,
          expect: { poll },
        },
      },
    ],
  },
});
