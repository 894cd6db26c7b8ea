import { defineConfig } from 'vitest/config';

// Workspace packages resolve to their TypeScript sources, so unit and system tests need no build.
const RESOLVE = { conditions: ['@infra-offload/source', 'node', 'import', 'default'] };
const ssr = { resolve: { conditions: RESOLVE.conditions, externalConditions: RESOLVE.conditions } };
// The only limits of time that tests have: long enough for a machine that is busy with other things. A test waits for what
// is to happen (`expect.poll`, an event), never for the clock, and none of them sets a limit of its own.
const PATIENCE = {
  testTimeout: 600_000,
  hookTimeout: 600_000,
  expect: { poll: { timeout: 120_000, interval: 10 } },
};
const BESIDE_SOURCES = ['{packages,apps,tools}/*/src', 'p4src/src', 'scripts'];
const SYSTEM = BESIDE_SOURCES.map((folder) => `${folder}/**/*.system{,.faults}.test.ts`);

/** What a process can test on its own, fast: scripts/unit-only.ts. */
export const unit = {
  resolve: RESOLVE,
  ssr,
  test: {
    ...PATIENCE,
    name: 'unit',
    include: BESIDE_SOURCES.map((folder) => `${folder}/**/*.test.ts`),
    exclude: SYSTEM,
    setupFiles: ['scripts/unit-only.ts'],
    // One process per core for all files: a third of the time would go into loading the same modules again.
    isolate: false,
    // Every core, where Vitest would leave one idle.
    maxWorkers: '100%',
    sequence: { groupOrder: 0 },
  },
};

/** Of one part, too, but with root's rights, network namespaces, compilers, processes, or a whole program. */
const system = {
  resolve: RESOLVE,
  ssr,
  test: {
    ...PATIENCE,
    name: 'system',
    include: SYSTEM,
    maxWorkers: '100%',
    sequence: { groupOrder: 1 },
  },
};

const e2e = {
  resolve: RESOLVE,
  ssr,
  test: {
    ...PATIENCE,
    name: 'e2e',
    include: ['e2e/src/**/*.test.ts'],
    // Real processes and network namespaces: one file at a time, so that timings mean something.
    fileParallelism: false,
    sequence: { groupOrder: 2 },
  },
};

export default defineConfig({
  test: { projects: [unit, system, e2e], globalSetup: ['scripts/nothing-left.ts'] },
});
