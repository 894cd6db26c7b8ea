import { type IPv4, ipv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import type { RowKey } from '../../reconciler/model.js';
import {
  type IsolationRow,
  type PolicyPortRow,
  type PolicyRow,
  policyCidrKey,
  policyPeerKey,
  policyRowKey,
} from './policy-rows.js';

const {
  policy_cidr: cidrs,
  policy_egress: egress,
  policy_ingress: ingress,
  policy_peer: peers,
  policy_port: ports,
} = k8sDp.tables;

/** Tables of this file, and how all of each is read. */
export const READ_ALL_POLICY: Readonly<Record<PolicyRow['table'], readonly Entity[]>> = {
  policy_egress: [egress.all()],
  policy_ingress: [ingress.all()],
  policy_peer: [peers.all()],
  policy_cidr: [cidrs.all()],
  policy_port: [ports.all()],
};

/** The entity of a row. */
export function policyToEntity(row: PolicyRow): Entity {
  switch (row.table) {
    case 'policy_egress':
      return egress.entry({ pod_ip: row.podIp }, egress.actions.set_policy_egress({ policy_id: row.id }));
    case 'policy_ingress':
      return ingress.entry({ pod_ip: row.podIp }, ingress.actions.set_policy_ingress({ policy_id: row.id }));
    case 'policy_peer':
      return peers.entry(
        { policy_id: row.id, peer_ip: row.ip },
        peers.actions.set_peer_classes({ mask: row.mask }),
      );
    case 'policy_cidr':
      return cidrs.entry(
        { policy_id: row.id, peer_ip: { value: row.address, prefixLength: row.length } },
        cidrs.actions.add_cidr_classes({ mask: row.mask }),
      );
    case 'policy_port':
      return ports.entry(
        {
          policy_id: row.id,
          protocol: row.protocol === undefined ? { value: 0, mask: 0 } : row.protocol,
          dst_port: { value: row.port, mask: portMask(row.length) },
        },
        ports.actions.set_port_classes({ mask: row.mask }),
        { priority: priorityOf(row) },
      );
  }
}

/** What an entity of these tables is. */
export type ReadPolicy =
  | { readonly kind: 'row'; readonly row: PolicyRow }
  /** None that this driver would write; `key` is the one that it stands in the way of, or its own. */
  | { readonly kind: 'foreign'; readonly table: PolicyRow['table']; readonly key: RowKey };

/** Undefined: the entity is of another table. */
export function policyFromEntity(tableId: number, entity: Entity): ReadPolicy | undefined {
  switch (tableId) {
    case egress.id: {
      const { match, action } = egress.decode(entity);
      const id = action?.name === 'set_policy_egress' ? action.params.policy_id : undefined;
      return isolation('policy_egress', ipv4(match.pod_ip), id);
    }
    case ingress.id: {
      const { match, action } = ingress.decode(entity);
      const id = action?.name === 'set_policy_ingress' ? action.params.policy_id : undefined;
      return isolation('policy_ingress', ipv4(match.pod_ip), id);
    }
    case peers.id: {
      const { match, action } = peers.decode(entity);
      const { policy_id: id } = match;
      const ip = ipv4(match.peer_ip);
      if (action?.name !== 'set_peer_classes') return foreign('policy_peer', policyPeerKey(id, ip));
      return { kind: 'row', row: { table: 'policy_peer', id, ip, mask: action.params.mask } };
    }
    case cidrs.id: {
      const { match, action } = cidrs.decode(entity);
      const id = match.policy_id;
      const { value, prefixLength: length } = match.peer_ip ?? { value: 0, prefixLength: 0 };
      const address = ipv4(value);
      if (action?.name !== 'add_cidr_classes') {
        return foreign('policy_cidr', policyCidrKey(id, address, length));
      }
      const { mask } = action.params;
      return { kind: 'row', row: { table: 'policy_cidr', id, address, length, mask, requires: [] } };
    }
    case ports.id:
      return readPort(entity);
    default:
      return undefined;
  }
}

function readPort(entity: Entity): ReadPolicy {
  const { match, action, priority } = ports.decode(entity);
  const protocol = match.protocol ?? { value: 0, mask: 0 };
  const port = match.dst_port ?? { value: 0, mask: 0 };
  const row: PolicyPortRow = {
    table: 'policy_port',
    id: match.policy_id,
    protocol: protocol.mask === 0 ? undefined : protocol.value,
    port: port.value,
    length: 16 - Math.log2(0x1_0000 - port.mask),
    mask: action?.name === 'set_port_classes' ? action.params.mask : 0n,
    requires: [],
  };
  const ours =
    action?.name === 'set_port_classes' &&
    Number.isInteger(row.length) &&
    (protocol.mask === 0xff || (protocol.mask === 0 && row.length === 0)) &&
    priority === priorityOf(row);
  if (ours) return { kind: 'row', row };
  // Priority and masks are part of what names an entry: it stands in nobody's way, but it would be asked.
  const key = `${protocol.value}&${protocol.mask}/${port.value}&${port.mask}@${priority}`;
  return foreign('policy_port', `policy_port/${row.id}/${key}`);
}

function isolation(table: IsolationRow['table'], podIp: IPv4, id: number | undefined): ReadPolicy {
  if (id !== undefined) return { kind: 'row', row: { table, podIp, id } };
  return foreign(table, policyRowKey({ table, podIp, id: 0 }));
}

function foreign(table: PolicyRow['table'], key: RowKey): ReadPolicy {
  return { kind: 'foreign', table, key };
}

function portMask(length: number): number {
  return (0xffff << (16 - length)) & 0xffff;
}

/** The more exact a row, the earlier it is asked. */
function priorityOf({ protocol, length }: PolicyPortRow): number {
  return protocol === undefined ? 1 : 2 + length;
}
