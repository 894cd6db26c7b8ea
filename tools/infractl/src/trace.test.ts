import { TraceResponse, TraceVerdict } from '@infra-offload/infra-api';
import { expect, it } from 'vitest';
import { toJson } from './format.js';
import { formatTrace } from './trace.js';

const client = { address: '10.244.1.1', port: 40_000 };
const service = { address: '10.96.0.10', port: 80 };

const response = TraceResponse.fromPartial({
  verdict: TraceVerdict.TRACE_VERDICT_DROPPED,
  summary: 'dropped: ingress of pod default/db: denied',
  remedy: 'a policy must allow it',
  steps: [
    { text: 'it belongs to a flow, which is established' },
    {
      text: 'ingress of pod default/db: denied',
      lookups: [
        {
          table: 'policy_ingress',
          key: 'pod_ip=10.244.1.3',
          hit: true,
          action: 'set_policy_ingress(policy_id=2)',
        },
        { table: 'policy_peer', key: 'policy_id=2', action: 'no_peer_classes()' },
        { table: 'conntrack', key: 'src_ip=10.244.1.1', action: 'ct_reply()', learned: true },
      ],
    },
  ],
  sent: { protocol: 6, source: client, destination: service },
  flow: { protocol: 6, client, service, endpoint: { address: '10.244.1.3', port: 8080 }, idleMs: 3_000n },
  notes: ['policy default/no is pending'],
});

it('formatTrace shows each step with its look-ups, and ends with the verdict', () => {
  expect(formatTrace(response)).toBe(
    [
      'Packet  tcp 10.244.1.1:40000 -> 10.96.0.10:80',
      'Flow    10.244.1.1:40000 -> 10.96.0.10:80 -> 10.244.1.3:8080, state not told, idle for 3s',
      '',
      '- it belongs to a flow, which is established',
      '- ingress of pod default/db: denied',
      '  policy_ingress  pod_ip=10.244.1.3  hit      set_policy_ingress(policy_id=2)',
      '  policy_peer     policy_id=2        miss     no_peer_classes()',
      '  conntrack       src_ip=10.244.1.1  learned  ct_reply()',
      '',
      'Verdict  dropped: ingress of pod default/db: denied',
      'Remedy   a policy must allow it',
      'Note     policy default/no is pending',
    ].join('\n'),
  );
});

it('as JSON, the verdict has a name', () => {
  expect(JSON.parse(toJson(response))).toMatchObject({ verdict: 'DROPPED', flow: { idleMs: '3000' } });
});
