import { expect, it } from 'vitest';
import { mergeRows, readTable, renderTable, replaceTable } from './table.js';

const row = {
  fault: 'a | b',
  promise: 'holds',
  cases: 100_000,
  measured: '1 ms',
  test: 'a/x.faults.test.ts',
};
const document = `# Title

<!-- faults: begin; written by node scripts/faults.mjs --write -->
<!-- faults: end -->

The end.
`;

it('writes rows between the marks, and reads them again', () => {
  const other = { ...row, fault: 'c' };
  const written = replaceTable(document, [row, other]);
  expect(written).toContain('| a \\| b | holds | 100,000 | 1 ms | `a/x.faults.test.ts` |');
  expect(written).toMatch(/^# Title\n/);
  expect(written).toMatch(/\nThe end\.\n$/);
  expect(readTable(written)).toEqual([row, other]);
  expect(replaceTable(written, [row, other])).toBe(written);
});

it('keeps what was not measured again', () => {
  const [old, other] = [
    { ...row, measured: 'old' },
    { ...row, test: 'b/y.faults.test.ts' },
  ];
  expect(mergeRows([other, old], [row])).toEqual([row, other]);
});

it('tells of a document without marks', () => {
  expect(() => readTable(renderTable([row]))).toThrow('there is no table');
});
