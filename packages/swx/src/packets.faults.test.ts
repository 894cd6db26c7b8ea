import { faultTest, mutateBytes } from '@infra-offload/faults';
import { describe, expect } from 'vitest';
import { Node } from './testing/k8s.js';
import { packet } from './testing/packets.js';

const SEEDS = [
  packet({
    source: '10.244.0.1',
    target: '10.96.0.1',
    l4: { protocol: 'tcp', sourcePort: 40_000, targetPort: 80, flags: 2 },
  }),
  packet({
    source: '10.244.0.1',
    target: '10.96.0.1',
    l4: { protocol: 'udp', sourcePort: 40_000, targetPort: 53, noChecksum: true },
  }),
  packet({ source: '10.244.0.2', target: '10.244.0.1', icmpEcho: { type: 8, identifier: 7 } }),
  packet({ source: '10.244.0.2', target: '10.244.0.1', vlan: 5, fragmentOffset: 3, ttl: 1 }),
];

describe('the engine', () => {
  faultTest(
    {
      fault: 'packet into k8s_dp on the engine, damaged',
      promise: 'each is sent, dropped or counted as malformed',
      sample: 6_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const node = new Node();
      for (const address of ['10.244.0.1', '10.244.0.2']) node.addPod(address);
      for (const [protocol, port] of [
        [6, 80],
        [17, 53],
      ] as const) {
        node.addService({
          vip: '10.96.0.1',
          port,
          protocol,
          endpoints: [{ ip: '10.244.0.2', port: 8080 }],
          affinity: true,
        });
      }
      let slowest = 0;
      for (let index = 0; index < cases; index++) {
        const bytes = random.chance(95)
          ? mutateBytes(random, random.pick(SEEDS))
          : random.bytes(random.below(2_000));
        const start = performance.now();
        node.sent.length = 0;
        node.pipeline.process(random.below(6), bytes);
        slowest = Math.max(slowest, performance.now() - start);
        node.now += random.below(1_000);
        for (const { packet: sent } of node.sent) expect(sent.length).toBeLessThanOrEqual(65_536);
      }
      const { received, transmitted, dropped, malformed } = node.pipeline.stats;
      expect(received).toBe(cases);
      expect(transmitted + dropped + malformed).toBe(cases);
      return `${transmitted} sent, ${dropped} dropped, ${malformed} malformed, slowest ${slowest.toFixed(1)} ms`;
    },
  );
});
