import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig as loadAgentConfig } from '../apps/agent/src/config/load.js';
import { configSchema as agentSchema } from '../apps/agent/src/config/schema.js';
import { SETTINGS as AGENT_SETTINGS } from '../apps/agent/src/config/settings.js';
import { configSchema as managerSchema } from '../apps/manager/src/config/config.js';
import { loadConfig as loadManagerConfig } from '../apps/manager/src/config/load.js';
import { SETTINGS as MANAGER_SETTINGS } from '../apps/manager/src/config/settings.js';
import { keyPaths } from '../packages/service/src/testing/key-paths.js';
import {
  readConfig,
  SETTINGS as SOFTSWITCH_SETTINGS,
  configSchema as softswitchSchema,
} from '../packages/softswitch/src/config.js';
import { agentConfig, managerConfig, softswitchConfig } from '../tools/testbed/src/configs.js';
import { Layout } from '../tools/testbed/src/layout.js';
import { filesBelow, ROOT, read } from './docs/files.js';
import { codeBlocks, codeSpans } from './docs/markdown.js';

const directory = mkdtempSync(join(tmpdir(), 'configurations-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Reads a file as the program does. */
const PROGRAMS = { agent: loadAgentConfig, manager: loadManagerConfig, softswitch: readConfig } as const;
type ProgramName = keyof typeof PROGRAMS;

/** What configurations are called. */
const FILES: Readonly<Record<string, ProgramName>> = {
  'infraagent-config.yaml': 'agent',
  'agent.yaml': 'agent',
  'inframanager-config.yaml': 'manager',
  'manager.yaml': 'manager',
  'softswitch.yaml': 'softswitch',
};

function accepts(program: ProgramName, text: string): void {
  const file = join(directory, `${program}.yaml`);
  writeFileSync(file, text);
  PROGRAMS[program](file);
}

const isManifest = (text: string) => /^kind: /m.test(text);

describe('what is shipped', () => {
  const files = ['deploy', 'examples']
    .flatMap((folder) => filesBelow(folder))
    // Tried in e2e/src/chart.test.ts and alerts.system.test.ts.
    .filter((path) => !path.startsWith('deploy/helm/') && !path.startsWith('deploy/monitoring/'))
    .filter((path) => path.endsWith('.yaml') && !isManifest(read(path)));

  it('has configurations', () => {
    expect(files.length).toBeGreaterThan(7);
  });

  it.each(files)('%s is a configuration that its program takes', (path) => {
    const program = FILES[basename(path)];
    if (program === undefined) throw new Error('of which program? Neither a manifest nor named in FILES');
    expect(() => PROGRAMS[program](join(ROOT, path))).not.toThrow();
  });

  it('is in ConfigMaps only from files that are tried here, and a profile of seccomp', () => {
    const lists = filesBelow('deploy').filter((path) => basename(path) === 'kustomization.yaml');
    const generators = lists.flatMap((path) => read(path).match(/^configMapGenerator:\n(^ .*\n)+/gm) ?? []);
    const files = generators.flatMap((text) => /^ +files: \[(.*)\]$/m.exec(text)?.[1]?.split(', ') ?? []);
    expect(generators.length).toBeGreaterThan(5);
    expect(generators.join('')).not.toMatch(/literals|envs/);
    const names = new Set(files.map((entry) => entry.replace(/^.*=/, '')));
    expect([...names].filter((name) => FILES[name] === undefined)).toEqual(['seccomp.json']);
  });
});

describe('what tests and tools run with', () => {
  const layout = new Layout('/testbed');

  it.each([
    ['engine', softswitchConfig(layout, 8, 'engine')],
    ['dpdk', softswitchConfig(layout, 8, 'dpdk')],
  ])('softswitch: %s', (_, text) => {
    expect(() => accepts('softswitch', text)).not.toThrow();
  });

  it.each(['dpdk', 'es2k'] as const)('manager: %s', (pipeline) => {
    expect(() =>
      accepts('manager', managerConfig(layout, { pipeline, dataPlane: { drainSeconds: 5 } })),
    ).not.toThrow();
  });

  it.each(['manifests', 'api'] as const)('agent: services from %s', (source) => {
    expect(() => accepts('agent', agentConfig(layout, source))).not.toThrow();
  });
});

describe('pages', () => {
  const blocks = filesBelow('docs')
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => codeBlocks(read(path), 'yaml').map((text) => ({ path, text })))
    .filter(({ text }) => !isManifest(text));

  it.each(blocks)('$path shows configurations that a program takes', ({ text }) => {
    const refusals = (['agent', 'manager', 'softswitch'] as const).flatMap((program) => {
      try {
        accepts(program, text);
        return [];
      } catch (error) {
        return [String(error)];
      }
    });
    expect(refusals.length, refusals.join('\n')).toBeLessThan(3);
  });

  it.each([
    ['docs/configuration-agent.md', agentSchema, AGENT_SETTINGS],
    ['docs/configuration-manager.md', managerSchema, MANAGER_SETTINGS],
    ['packages/softswitch/README.md', softswitchSchema, SOFTSWITCH_SETTINGS],
  ])('%s lists every key, and every flag', (page, schema, settings) => {
    const listed = new Set(
      (read(page).match(/^\| .*$/gm) ?? []).flatMap((row) =>
        codeSpans(row).map((span) => span.replace(/(?<=^log\.modules)\..*$|: .*$/, '')),
      ),
    );
    const keys = keyPaths(schema);
    expect(keys.length).toBeGreaterThan(15);
    expect(keys.filter((key) => !listed.has(key))).toEqual([]);
    const flags = settings.map(({ flags: text }) => /--[\w-]+(?=[^-]*$)/.exec(text)?.[0] ?? text);
    // IPDK's names are listed once, as keys and as flags.
    const named = codeSpans(read(page)).map((span) => span.split(' ')[0]);
    expect(flags.filter((flag) => !named.includes(flag) && !named.includes(flag.slice(2)))).toEqual([]);
  });
});
