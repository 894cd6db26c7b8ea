import { TraceVerdict } from '@infra-offload/infra-api';
import { ipv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { CONNTRACK_TIMEOUTS, FlowState, k8sDp } from '@infra-offload/p4src';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aService } from '../../testing/core.js';
import { TracedNode, textsOf } from '../../testing/traced-node.js';
import type { FlowSession } from '../flows.js';

const { TRACE_VERDICT_DELIVERED: DELIVERED, TRACE_VERDICT_DROPPED: DROPPED } = TraceVerdict;
const TCP = 6;

let node: TracedNode;

beforeEach(async () => {
  node = await TracedNode.create();
});
afterEach(() => node.stop());

describe('a flow that exists', () => {
  const { conntrack, flow_epoch: epochs } = k8sDp.tables;
  const { flows } = k8sDp.registers;
  const client = { src_ip: ipv4('10.244.1.1'), src_port: 40_000 };

  /** A device with a flow of pod 1 to service `web`, at an endpoint that is none of it any more. */
  function deviceWithFlow(epoch: number, checkedAt: number): FlowSession {
    const seconds = (count: number) => BigInt(count) * 1_000_000_000n;
    const told = ({ entity }: Entity): Entity =>
      entity?.$case !== 'tableEntry'
        ? { entity }
        : {
            entity: {
              $case: 'tableEntry',
              value: {
                ...entity.value,
                idleTimeoutNs: seconds(CONNTRACK_TIMEOUTS[FlowState.established]),
                timeSinceLastHit: { elapsedNs: seconds(3) },
              },
            },
          };
    const held = [
      conntrack.entry(
        { ...client, dst_ip: ipv4('10.96.0.10'), protocol: TCP, dst_port: 80 },
        conntrack.actions.ct_original({
          ...{ kind: 0xc1, serial: 7, nat_ip: ipv4('10.244.1.3'), nat_port: 8080 },
          ...{ client_ip: client.src_ip, client_port: client.src_port, endpoint_id: 258 },
        }),
      ),
      conntrack.entry(
        {
          src_ip: ipv4('10.244.1.3'),
          src_port: 8080,
          dst_ip: client.src_ip,
          protocol: TCP,
          dst_port: 40_000,
        },
        conntrack.actions.ct_reply({
          ...{ kind: 0xc2, serial: 7, nat_ip: ipv4('10.96.0.10'), nat_port: 80 },
          ...{ client_ip: client.src_ip, client_port: client.src_port, flow_id: 77 },
        }),
      ),
    ].map(told);
    const cell = flows.cell(77, (BigInt(checkedAt) << 32n) | (7n << 16n) | BigInt(FlowState.established));
    const epochEntry = epochs.defaultEntry(epochs.defaultActions.set_flow_epoch({ epoch, flags: 1 }));
    return {
      write: () => Promise.reject(new Error('nothing is to be written')),
      async *read(wanted) {
        for (const { entity } of wanted) {
          if (entity?.$case === 'registerEntry') yield cell;
          if (entity?.$case !== 'tableEntry') continue;
          if (entity.value.tableId === epochs.id) yield epochEntry;
          for (const one of held)
            if (
              one.entity?.$case === 'tableEntry' &&
              JSON.stringify(one.entity.value.match) === JSON.stringify(entity.value.match)
            )
              yield one;
        }
      },
    };
  }

  it('is shown, and says where its packets go, whatever the service says by now', async () => {
    await node.want(aService('web', 10, [2]));
    node.session = deviceWithFlow(5, 5);
    const answer = await node.ask('default/web', { sourcePort: 40_000 });
    expect(answer).toMatchObject({
      verdict: DELIVERED,
      summary: 'delivered to pod default/pod-3, 10.244.1.3:8080',
      flow: {
        client: { address: '10.244.1.1', port: 40_000 },
        service: { address: '10.96.0.10', port: 80 },
        endpoint: { address: '10.244.1.3', port: 8080 },
        state: 'established',
      },
    });
    expect(textsOf(answer)).toContain('it belongs to a flow, which is established');
    // Another port begins another flow.
    const other = await node.ask('default/web', { sourcePort: 40_001 });
    expect(other).toMatchObject({ flow: undefined, received: { destination: { address: '10.244.1.2' } } });
  });

  it('its answers leave as those of the service', async () => {
    node.session = deviceWithFlow(5, 5);
    const more = { from: 'default/pod-3', sourcePort: 8080, port: 40_000 };
    expect(await node.ask('10.244.1.1', more)).toMatchObject({
      verdict: DELIVERED,
      flow: { state: 'established' },
      received: { source: { address: '10.96.0.10', port: 80 } },
    });
  });

  it('is checked anew when the epoch has been raised since', async () => {
    await node.want(
      { kind: 'policy', name: 'default/no', ingress: [], egress: [], agentConditions: [] },
      {
        ...{ kind: 'isolation', namespace: 'default', name: 'pod-3', egress: undefined },
        ingress: [{ policies: ['default/no'], defaultAction: 'deny' }],
        agentConditions: [],
      },
    );
    const since = node.core.device.rows.find((row) => row.table === 'pod_forward' && row.since > 0);
    const { since: arrived = 0 } = since?.table === 'pod_forward' ? since : {};
    node.session = deviceWithFlow(arrived + 10, arrived + 10);
    expect(await node.ask('10.96.0.10', { port: 80, sourcePort: 40_000 })).toMatchObject({
      verdict: DELIVERED,
    });
    node.session = deviceWithFlow(arrived + 11, arrived + 10);
    expect(await node.ask('10.96.0.10', { port: 80, sourcePort: 40_000 })).toMatchObject({
      verdict: DROPPED,
      summary: expect.stringContaining('default/no'),
    });
  });

  it('a client that a service keeps stays at its endpoint', async () => {
    await node.want(aService('web', 10, [2, 3], { affinitySeconds: 10 }));
    const { affinity } = k8sDp.tables;
    for (const [slot, address] of [
      [1, '10.244.1.2'],
      [2, '10.244.1.3'],
    ] as const) {
      node.session = {
        write: () => Promise.resolve(),
        async *read([wanted]) {
          if (wanted?.entity?.$case === 'tableEntry' && wanted.entity.value.tableId === affinity.id)
            yield affinity.entry(
              { service_id: 1, src_ip: client.src_ip },
              affinity.actions.affinity_hit({ endpoint_id: 256 + slot }),
            );
        },
      };
      const answer = await node.ask('default/web');
      expect(answer).toMatchObject({ received: { destination: { address } }, notes: [] });
      expect(textsOf(answer).join()).toContain('which keeps this client (ClientIP affinity)');
    }
  });
});
