import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { textOf, writeScenarios } from './run.js';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'scenarios-'));
  file = join(directory, 'scenarios.md');
  writeFileSync(file, '<!-- written by make cluster -->\n\n<!-- end of what is written -->\n');
});

afterEach(() => rmSync(directory, { recursive: true }));

const load = { requests: 4_321, failures: {}, longestGapMs: 40 };
const rolling = { name: 'rolling update, twice', load };

it('tells failed requests by what failed, long silence, and scenarios without an end', () => {
  expect(textOf(rolling)).toBe('0 of 4,321');
  const failed = {
    requests: 100,
    failures: { ECONNREFUSED: 2, 'no answer in time': 1 },
    longestGapMs: 5_150,
  };
  expect(textOf({ name: 'a', load: failed, remark: 'so what', problem: 'too late' })).toBe(
    '3 of 100 (ECONNREFUSED 2, no answer in time 1); 5.2 s without an answer; so what; did not end: too late',
  );
});

it('writes a column for each kind of cluster, and keeps the others', () => {
  writeScenarios(file, 'kube-proxy, 2 nodes', [
    { ...rolling, load: { ...load, failures: { ECONNRESET: 1 } } },
  ]);
  writeScenarios(file, 'engine, 2 nodes', [rolling]);
  const text = readFileSync(file, 'utf8');
  expect(text).toContain('| what happens | engine, 2 nodes | kube-proxy, 2 nodes |\n');
  expect(text).toContain('| rolling update, twice | 0 of 4,321 | 1 of 4,321 (ECONNRESET 1) |\n');
  expect(text).toContain('| infra-manager restarts on all nodes | not run | has none |\n');
});
