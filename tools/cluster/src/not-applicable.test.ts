import { expect, it } from 'vitest';
import { notApplicable, patternOf } from './not-applicable.js';

it('says of tests why they do not apply, and is one regular expression of Go', () => {
  const against = notApplicable(false);
  const reason = (name: string) => against.find(({ tests }) => tests.test(name))?.reason;
  expect(reason('[sig-network] LoadBalancers [Feature:LoadBalancer] should work from pods [Slow]')).toContain(
    'cloud',
  );
  expect(
    reason('[sig-network] Services should serve multiport endpoints from pods [Conformance]'),
  ).toBeUndefined();
  const pattern = patternOf(against);
  expect(
    new RegExp(pattern).test('[sig-network] DNS should provide DNS for the cluster [Provider:GCE]'),
  ).toBe(true);
  expect(new RegExp(pattern).test('[sig-network] DNS should provide DNS for the cluster [Conformance]')).toBe(
    false,
  );
  const sctp =
    '[sig-network] Netpol [Feature:SCTPConnectivity] [LinuxOnly] NetworkPolicy between server and client';
  expect(reason(sctp)).toContain('no SCTP');
  expect(notApplicable(true).some(({ tests }) => tests.test(sctp))).toBe(false);
  // RE2 has neither.
  expect(pattern).not.toMatch(/\(\?[=!<]|\\[1-9]/);
});
