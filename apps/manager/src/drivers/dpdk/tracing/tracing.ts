import type { P4Program } from '@infra-offload/p4info';
import { modify } from '@infra-offload/p4rt';
import { k8sDp, ServiceFlag } from '@infra-offload/p4src';
import type { Tracing } from '../../tracing.js';
import type { DpdkRow } from '../rows.js';
import { explainTrace } from './explain.js';
import { Facts } from './facts.js';

const { affinity, conntrack } = k8sDp.tables;
const { flows } = k8sDp.registers;

/** How packets of pods are traced through `k8s_dp`. */
export function dpdkTracing(program: P4Program): Tracing<DpdkRow> {
  return {
    port(pod, rows) {
      for (const row of rows)
        if (row.table === 'port_table' && row.role === 'pod' && row.podIp === pod.ip) return row.port;
      return undefined;
    },

    learned: ({ protocol, source, destination }, rows) =>
      rows.flatMap((row) =>
        row.table === 'service' &&
        row.ip === destination.address &&
        row.port === destination.port &&
        row.protocol === protocol &&
        (row.flags & ServiceFlag.affinity) !== 0
          ? [affinity.key({ service_id: row.id, src_ip: source.address })]
          : [],
      ),

    // The numbers of entries are the program's own, and the cell of a flow has that of the first direction's.
    adopt(shadow, { original, reply, cell }) {
      const number = shadow.learn(original);
      const { match, action } = conntrack.decode(reply);
      if (action?.name !== 'ct_reply') return;
      shadow.learn(conntrack.entry(match, conntrack.actions.ct_reply({ ...action.params, flow_id: number })));
      shadow.write(modify(flows.cell(number, flows.decode(cell).value)));
    },

    explain: (trace, question, world) => explainTrace(new Facts(trace, question, world, program)),
  };
}
