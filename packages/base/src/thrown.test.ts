import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isSystemError, messageOf } from './thrown.js';

it.each([
  [new Error('plain'), 'plain'],
  [new Error(' two\n   lines \n'), 'two lines'],
  ['a string', 'a string'],
  [undefined, 'undefined'],
  [
    new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]),
    '::1 refused; 127.0.0.1 refused',
  ],
  [new AggregateError([new Error('one')], 'all failed'), 'all failed'],
])('has a message for whatever is thrown: %s', (thrown, message) => {
  expect(messageOf(thrown)).toBe(message);
});

it('recognises errors of the system', () => {
  let thrown: unknown;
  try {
    readFileSync('/nonexistent');
  } catch (error) {
    thrown = error;
  }
  expect(isSystemError(thrown, 'EACCES', 'ENOENT')).toBe(true);
  expect(isSystemError(thrown, 'EACCES')).toBe(false);
  expect(isSystemError({ code: 'ENOENT' }, 'ENOENT')).toBe(false);
});
