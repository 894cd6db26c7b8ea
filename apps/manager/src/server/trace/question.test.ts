import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ManagerError } from '../../errors.js';
import { aPod, aService } from '../../testing/core.js';
import { questionOf } from './question.js';

it('property: whatever is asked is a packet, or refused with a reason', () => {
  const named = {
    pods: [aPod(1), aPod(2)],
    services: [aService('web', 10, [2]), aService('bare', 11, [], { frontends: [] })],
  };
  const name = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'default/pod-1',
      'default/pod-2',
      'default/web',
      'default/bare',
      'service/default/web',
      '10.0.0.1',
    ),
  );
  const uint32 = fc.oneof(fc.constant(0), fc.nat(70_000), fc.nat(0xffff_ffff));
  const protocol = fc.oneof(fc.constantFrom(0, 1, 6, 17, 132), uint32);
  fc.assert(
    fc.property(
      fc.record({ from: name, to: name, port: uint32, protocol, sourcePort: uint32 }),
      (request) => {
        try {
          const { pod, tuple } = questionOf(request, named);
          expect(tuple.source.address).toBe(pod.ip);
          for (const { port } of [tuple.source, tuple.destination]) {
            expect(port).toBeGreaterThan(0);
            expect(port).toBeLessThanOrEqual(0xffff);
          }
        } catch (error) {
          if (!ManagerError.is(error, 'INVALID_OBJECT', 'NOT_FOUND')) throw error;
          expect(error.message).toMatch(/^(from|to|port|source_port|protocol): /);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
