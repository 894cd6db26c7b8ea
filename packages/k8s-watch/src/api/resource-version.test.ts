import { expect, it } from 'vitest';
import { isOlder } from './resource-version.js';

it.each([
  ['9', '10', true],
  ['10', '9', false],
  ['10', '10', false],
  ['18446744073709551615', '18446744073709551616', true],
  ['99', undefined, false],
  ['abc', 'abd', false],
  ['007', '8', false],
])('%s is older than %s: %s', (version, than, older) => {
  expect(isOlder(version, than)).toBe(older);
});
