import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { faultTestFiles } from './files.js';
import { readTable } from './table.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const guide = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');
const rows = readTable(guide);
const files = faultTestFiles(ROOT);

/** What `fault` of the calls of faultTest in a file matches; names that are put in match anything. */
function faultsOf(file: string): RegExp[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const literals = [...text.matchAll(/^\s*fault:\s*(?:'([^'\n]*)'|"([^"\n]*)"|`([^`]*)`)/gm)];
  return literals.map(([, single, double, template]) => {
    const parts = (single ?? double ?? template ?? '').split(/\$\{[^}]*\}/);
    return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  });
}

describe('the table of docs/reliability.md', () => {
  it('names tests that are there', () => {
    expect([...new Set(rows.map(({ test }) => test))].filter((test) => !files.includes(test))).toEqual([]);
  });

  it.each(files)('has what %s tries: node scripts/faults.mjs --write', (file) => {
    const own = rows.filter(({ test }) => test === file);
    expect(own.length).toBeGreaterThan(0);
    for (const pattern of faultsOf(file))
      expect(own.map(({ fault }) => fault)).toContainEqual(expect.stringMatching(pattern));
  });
});
