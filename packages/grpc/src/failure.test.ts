import { expect, it } from 'vitest';
import { failureText } from './failure.js';

it.each([
  ['no such pod', 'no such pod'],
  [
    'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:9. Resolution note: ',
    'connect ECONNREFUSED 127.0.0.1:9',
  ],
  ['', '14 UNAVAILABLE: '],
  [undefined, '14 UNAVAILABLE: '],
])('tells why a call failed: %j', (details, reason) => {
  expect(failureText({ message: '14 UNAVAILABLE: ', details })).toBe(reason);
});
