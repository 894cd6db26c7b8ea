import { expect, it } from 'vitest';
import { formatColumns } from './columns.js';

it('pads all columns but the last', () => {
  expect(
    formatColumns([
      ['a', 'bb', 'c'],
      ['aaa', '', 'long'],
      ['x', 'y'],
    ]),
  ).toBe('a    bb  c\naaa      long\nx    y');
});
