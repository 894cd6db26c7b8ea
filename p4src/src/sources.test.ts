import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { es2kDpArtifacts, k8sDpArtifacts } from './index.js';

const programs = [
  { name: 'dpdk', artifacts: k8sDpArtifacts },
  { name: 'es2k', artifacts: es2kDpArtifacts },
] as const;

describe.each(programs)('the recorded hashes of $name', ({ name }) => {
  const folder = new URL(`../${name}/`, import.meta.url);
  const record = readFileSync(new URL('SOURCES.sha256', folder), 'utf8');
  const recorded = new Map(
    record
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );

  it('cover every P4 source and every artifact', () => {
    const files = readdirSync(folder).filter((file) => /\.(?:p4|spec|txtpb|json)$/.test(file));
    expect([...recorded.keys()].sort()).toEqual(files.sort());
  });

  it.each([...recorded])('%s is what was recorded', (file, hash) => {
    const now = createHash('sha256')
      .update(readFileSync(new URL(file, folder)))
      .digest('hex');
    const advice = `${file} has changed: run p4c and record anew (see README, "Compiling")`;
    expect(now, advice).toBe(hash);
  });
});

describe.each(programs)('the embedded artifacts of $name', ({ name, artifacts }) => {
  it.each([
    ['p4info', 'k8s_dp.p4info.txtpb'],
    ['spec', 'k8s_dp.spec'],
    ['context', 'context.json'],
    ['bfrt', 'bf-rt.json'],
  ] as const)('%s is %s', (artifact, file) => {
    const text = readFileSync(new URL(`../${name}/${file}`, import.meta.url), 'utf8');
    expect(artifacts[artifact] === text, 'run pnpm generate').toBe(true);
  });
});
