import { expect, it } from 'vitest';
import { readBandwidth } from './bandwidth.js';

it('reads the capability as runtimes give it', () => {
  expect(readBandwidth(undefined)).toBeUndefined();
  expect(readBandwidth({})).toBeUndefined();
  expect(readBandwidth({ ingressRate: 0, ingressBurst: 0, egressRate: 0, egressBurst: 0 })).toBeUndefined();
  // containerd, of a pod with the annotation kubernetes.io/ingress-bandwidth: 10M.
  const ofContainerd = {
    IngressRate: 10_000_000,
    IngressBurst: 4_294_967_295,
    EgressRate: 0,
    EgressBurst: 0,
  };
  expect(readBandwidth(ofContainerd)).toEqual({ ingress: { rate: 10_000_000 } });
  expect(readBandwidth({ egressRate: 1000, egressBurst: 16_000, ingressRate: 5 })).toEqual({
    ingress: { rate: 5 },
    egress: { rate: 1000, burst: 16_000 },
  });
});

it.each([
  'fast',
  { ingressRate: -1 },
  { egressRate: 1.5 },
  { egressRate: 1, egressBurst: '1M' },
  { ingressRate: 2 ** 60 },
])('refuses %j', (value) => {
  expect(() => readBandwidth(value)).toThrow(/runtimeConfig\.bandwidth\.\w+ is not a number of bits: /);
});
