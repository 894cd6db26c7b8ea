import { thrown } from '@infra-offload/base/testing';
import { describe, expect, it } from 'vitest';
import { SwxError } from './errors.js';
import { parseSpec } from './parser/parse.js';
import { REFUSED, TAKEN } from './testing/refused.js';

/** That DPDK does the same is tested in packages/softswitch, where there is DPDK. */
describe('what no DPDK runs', () => {
  it.each(REFUSED)('%s is refused', (_, text, message) => {
    const error = thrown(SwxError, () => parseSpec(text, { file: 'x.spec' }));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^x\.spec:\d+: /);
  });

  it.each(TAKEN)('%s of the same form is taken', (_, text) => {
    expect(() => parseSpec(text)).not.toThrow();
  });
});
