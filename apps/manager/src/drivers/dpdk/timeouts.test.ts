import { CONNTRACK_TIMEOUTS } from '@infra-offload/p4src';
import { expect, it } from 'vitest';
import { configSchema } from '../../config/config.js';
import { memoryOf, timeoutsOf } from './timeouts.js';

const of = (conntrack: object) =>
  timeoutsOf(configSchema.parse({ dataPlane: { conntrack } }).dataPlane.conntrack);

it('the timeouts of the program are those of a configuration that says nothing', () => {
  expect(of({})).toEqual(CONNTRACK_TIMEOUTS);
});

it('each setting has its places', () => {
  const changed = (conntrack: object) =>
    of(conntrack).flatMap((seconds, i) => (seconds === CONNTRACK_TIMEOUTS[i] ? [] : [i]));
  expect(changed({ tcpTimeoutEstablished: 432_000 })).toEqual([3]);
  expect(changed({ tcpTimeoutCloseWait: 61 })).toEqual([4, 5]);
  expect(changed({ tcpTimeoutSynSent: 61, tcpTimeoutSynRecv: 61, tcpTimeoutTimeWait: 61 })).toEqual([
    1, 2, 6,
  ]);
  expect(changed({ tcpTimeoutClose: 61, udpTimeout: 61, udpTimeoutStream: 61 })).toEqual([7, 8, 9]);
  expect(changed({ icmpTimeout: 61, sctpTimeoutCookieWait: 61, sctpTimeoutEstablished: 61 })).toEqual([
    10, 11, 12,
  ]);
});

it('numbers of endpoints rest as long as a flow may name them', () => {
  expect(memoryOf(CONNTRACK_TIMEOUTS)).toEqual({ TCP: 86_400, UDP: 120, SCTP: 210 });
  const shortened = of({ tcpTimeoutEstablished: 60, udpTimeout: 600, sctpTimeoutEstablished: 20 });
  expect(memoryOf(shortened)).toEqual({ TCP: 3600, UDP: 600, SCTP: 30 });
});
