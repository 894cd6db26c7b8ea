import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeResults } from './conformance.js';

const BEGIN = '<!-- written by make cluster -->';
const END = '<!-- end of what is written -->';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'conformance-'));
  file = join(directory, 'conformance.md');
  writeFileSync(file, `# Before\n\n${BEGIN}\n\nold\n\n${END}\n\nAfter.\n`);
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

const SERVES = '[sig-network] Services serve [Conformance]';
const PIPED = '[sig-network] DNS is a|b [LinuxOnly]';
const CLOUDY = '[sig-network] LoadBalancers [Feature:LoadBalancer] work';
const run = {
  release: 'v1.36.2',
  nodes: 1,
  target: 'engine',
  tests: [CLOUDY, PIPED, SERVES],
  reasonAgainst: (test: string) => (test === CLOUDY ? 'needs a cloud' : undefined),
};

it('replaces what was written, and leaves the rest of the document', () => {
  writeResults(file, run, [
    { name: SERVES, outcome: 'passed' },
    { name: PIPED, outcome: 'failed', reason: 'timed out' },
  ]);
  expect(readFileSync(file, 'utf8')).toBe(`# Before

${BEGIN}

Kubernetes v1.36.2:

- 1 node, engine: 1 pass, 1 fail

| test | 1 node, engine |
| --- | --- |
| DNS is a\\|b [LinuxOnly] | fails: timed out |
| Services serve [Conformance] | passes |

These 1 tests do not apply:

| test | why |
| --- | --- |
| LoadBalancers [Feature:LoadBalancer] work | needs a cloud |

${END}

After.
`);
});

it('keeps what other runs came to, of the same release', () => {
  writeResults(file, run, [{ name: PIPED, outcome: 'failed', reason: 'a|b \\ c' }]);
  writeResults(file, { ...run, nodes: 2 }, [{ name: SERVES, outcome: 'skipped', reason: 'needs 3 nodes' }]);
  writeResults(file, run, [{ name: SERVES, outcome: 'passed' }]);
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(`| test | 1 node, engine | 2 nodes, engine |
| --- | --- | --- |
| DNS is a\\|b [LinuxOnly] | fails: a\\|b \\\\ c | not run |
| Services serve [Conformance] | passes | does not apply: needs 3 nodes |
`);
  writeResults(file, { ...run, release: 'v1.37.0' }, [{ name: SERVES, outcome: 'passed' }]);
  expect(readFileSync(file, 'utf8')).not.toContain('2 nodes');
});

it('says which document has no place for results', () => {
  writeFileSync(file, 'nothing');
  expect(() => writeResults(file, run, [])).toThrow('no place');
});
