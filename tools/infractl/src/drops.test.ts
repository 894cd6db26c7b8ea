import type { Denial } from '@infra-offload/infra-api';
import { expect, it } from 'vitest';
import { formatDenials } from './drops.js';

const denial: Denial = {
  direction: 'ingress',
  pod: 'default/web-0',
  podAddress: '10.244.0.2',
  peerAddress: '10.244.0.3',
  peerPod: 'default/client',
  protocol: 6,
  port: 80,
  policies: ['default/a', 'default/b'],
  packets: 12n,
  lastMs: BigInt(Date.parse('2026-01-02T03:04:05Z')),
};

it('shows who was denied what by which policies', () => {
  const gone: Denial = {
    ...denial,
    pod: '',
    peerPod: '',
    direction: '',
    protocol: 47,
    port: 0,
    policies: [],
  };
  const text = formatDenials([denial, gone], true);
  expect(text.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    'LAST | POD | DIRECTION | PEER | PROTOCOL | PORT | PACKETS | POLICIES',
    '2026-01-02T03:04:05.000Z | default/web-0 | ingress | default/client | tcp | 80 | 12 | default/a, default/b',
    '2026-01-02T03:04:05.000Z | 10.244.0.2 | - | 10.244.0.3 | 47 | - | 12 | -',
  ]);
  expect(formatDenials([denial], false)).not.toContain('POD');
});
