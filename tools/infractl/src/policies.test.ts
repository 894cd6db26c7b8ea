import { expect, it } from 'vitest';
import { formatPolicies } from './policies.js';

it('shows what policies allow by ports, and what they deny', () => {
  const text = formatPolicies([
    {
      direction: 'ingress',
      policies: ['default/a', 'default/b'],
      pods: ['default/web-0', 'default/web-1', 'default/web-2', 'default/web-3'],
      rules: [{ ports: 'tcp 80', policies: ['default/a'], allowedFlows: 12n }],
      deniedPackets: 3n,
    },
    { direction: 'egress', policies: [], pods: ['default/web-0'], rules: [], deniedPackets: 0n },
  ]);
  expect(text.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    'POD | DIRECTION | POLICIES | PORTS | FLOWS ALLOWED | PACKETS DENIED',
    'default/web-0, default/web-1, default/web-2 and 1 more | ingress | default/a | tcp 80 | 12 | -',
    'default/web-0, default/web-1, default/web-2 and 1 more | ingress | default/a, default/b | the rest | - | 3',
    'default/web-0 | egress | - | the rest | - | 0',
  ]);
});
