import type { Entity } from '@infra-offload/p4rt/proto';
import { EpochFlag, k8sDp } from '@infra-offload/p4src';
import type { FlowEpochs } from '../../reconciler/epochs.js';
import type { DpdkRow } from './rows.js';

const { flow_epoch: epochs } = k8sDp.tables;

/**
 * The flows of `conntrack`; see "Connection tracking" in p4src/dpdk/README.md.
 *
 * @param endsDenied flows that policies deny by now end; else they go on until they end by themselves.
 */
export function dpdkFlows(endsDenied: boolean): FlowEpochs<DpdkRow> {
  const flags = endsDenied ? EpochFlag.askPolicy : 0;
  return {
    read: epochs.defaultEntry(),
    of(entity) {
      const { action } = epochs.decode(entity);
      return action?.name === 'set_flow_epoch' && action.params.flags === flags
        ? action.params.epoch
        : undefined;
    },
    entity: (epoch): Entity => epochs.defaultEntry(epochs.defaultActions.set_flow_epoch({ epoch, flags })),
    outdatedBy({ kind, row }) {
      switch (row.table === 'foreign' ? row.in : row.table) {
        case 'port_table':
        case 'pod_forward':
        case 'route_table':
        case 'policy_egress':
        case 'policy_ingress':
        case 'policy_peer':
        case 'policy_cidr':
        case 'policy_port':
          return true;
        case 'endpoint':
          return kind !== 'insert';
        case 'service_address':
        case 'answer_source':
        case 'arp_table':
        case 'member':
        case 'group':
        case 'endpoint_group':
        case 'service':
          return false;
      }
    },
  };
}
