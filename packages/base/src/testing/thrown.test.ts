import { expect, it } from 'vitest';
import { typedError } from '../typed-error.js';
import { thrown } from './index.js';

class PoolError extends typedError<'FULL'>('PoolError') {}
const raise = (error: Error) => () => {
  throw error;
};

it('gives the error, and fails for another one or for none', () => {
  const full = new PoolError('FULL', 'no room');
  expect(thrown(PoolError, raise(full))).toBe(full);
  expect(() => thrown(PoolError, raise(new TypeError('another')))).toThrow(new TypeError('another'));
  expect(() => thrown(PoolError, () => 1)).toThrow('nothing was thrown');
});
