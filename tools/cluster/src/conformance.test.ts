import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeResults } from './conformance.js';

it('replaces the results of a document, and leaves the rest', () => {
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const file = join(directory, 'conformance.md');
    const begin = '<!-- written by make cluster -->';
    const end = '<!-- end of what is written -->';
    writeFileSync(file, `# Before\n\n${begin}\n\nold\n\n${end}\n\nAfter.\n`);
    const run = { release: 'v1.36.2', nodes: 1, target: 'engine' };
    writeResults(file, run, [
      { name: '[sig-network] Services serve [Conformance]', passed: true },
      { name: '[sig-network] DNS is a|b [LinuxOnly] [Conformance]', passed: false, reason: 'timed out' },
    ]);
    expect(readFileSync(file, 'utf8')).toBe(`# Before

${begin}

Kubernetes v1.36.2, one node, engine: 1 of 2 pass.

| test | |
| --- | --- |
| DNS is a\\|b | fails: timed out |
| Services serve | passes |

${end}

After.
`);
    writeFileSync(file, 'nothing');
    expect(() => writeResults(file, run, [])).toThrow('no place');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
