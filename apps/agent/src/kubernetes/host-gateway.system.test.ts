import { pino } from 'pino';
import { expect, it } from 'vitest';
import { HostGateway } from './host-gateway.js';

const node = (name: string, ...internalAddresses: string[]) => ({
  name,
  podCidrs: [`10.244.${name}.0/24`],
  internalAddresses,
  inPodRange: { dataPlane: `10.244.${name}.0`, host: `10.244.${name}.1` },
});
const own = node('1', '192.0.2.1');

it('asks the kernel', async () => {
  const gateway = new HostGateway({ logger: pino({ level: 'silent' }), answerMs: 1 });
  // The node itself is nobody's neighbour.
  expect(await gateway.ranges([node('6', '127.0.0.1')], own)).toEqual([]);
  expect(await gateway.ranges([node('6', '127.0.0.1')], undefined)).toEqual([]);
});
