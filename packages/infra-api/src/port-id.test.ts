import { describe, expect, it } from 'vitest';
import { portIdOf } from './port-id.js';

describe('portIdOf', () => {
  it.each([
    ['00:00:00:00:03:18', 16],
    ['00:0d:00:00:03:18', 29],
    ['00:FF:00:00:03:18', 271],
  ])('takes the port of a device from its MAC address: %s is %i', (mac, port) => {
    expect(portIdOf('sriov', mac)).toEqual({ kind: 'known', port });
    expect(portIdOf('cdq', mac)).toEqual({ kind: 'known', port });
  });

  it.each(['', '00:0d:00:00:03', '00:0d:00:00:03:18:19', '00-0d-00-00-03-18', '00:g0:00:00:03:18'])(
    'refuses %j as a MAC address',
    (mac) => {
      expect(() => portIdOf('cdq', mac)).toThrow(RangeError);
    },
  );

  it('leaves TAPs to the target, and knows no port of ipvlan', () => {
    expect(portIdOf('tap', '')).toEqual({ kind: 'ask-target' });
    expect(portIdOf('ipvlan', '')).toEqual({ kind: 'none' });
  });
});
