import { expect, it } from 'vitest';
import { typedError } from './typed-error.js';

class PoolError extends typedError<'FULL' | 'CLOSED', { readonly size?: number }>('PoolError') {}
class ExitError extends typedError<number, string | undefined>('ExitError', undefined) {}

it('has code, message, details and cause', () => {
  const cause = new Error('why');
  const error = new PoolError('FULL', 'no room', { details: { size: 8 }, cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'PoolError', code: 'FULL', message: 'no room', details: { size: 8 } });
  expect(error.cause).toBe(cause);
});

it('leaves out what is not given', () => {
  const error = new PoolError('CLOSED', 'gone', { cause: undefined, details: undefined });
  expect('cause' in error).toBe(false);
  expect(error.details).toEqual({});
  expect(new ExitError(3, 'failed').details).toBeUndefined();
});

it('is recognised by its name and codes', () => {
  const error: unknown = new PoolError('FULL', 'no room');
  expect(PoolError.is(error)).toBe(true);
  expect(PoolError.is(error, 'CLOSED')).toBe(false);
  expect(PoolError.is(error, 'CLOSED', 'FULL')).toBe(true);
  expect(ExitError.is(error)).toBe(false);
  expect(PoolError.is({ name: 'PoolError', code: 'FULL' })).toBe(false);
  expect(PoolError.is(undefined)).toBe(false);
});

it('is recognised across copies of its class', () => {
  class Copy extends typedError<'FULL'>('PoolError') {}
  expect(PoolError.is(new Copy('FULL', 'no room'))).toBe(true);
  expect(PoolError.is(Object.assign(new Error('no code'), { name: 'PoolError' }))).toBe(false);
});
