import { type IPv4, ipv4 } from '@infra-offload/net';
import { k8sDp } from '@infra-offload/p4src';
import type { RowKey } from '@infra-offload/reconciler';
import { foreign, found, type TableRecord } from './record.js';

const {
  policy_cidr: cidrs,
  policy_egress: egress,
  policy_ingress: ingress,
  policy_peer: peers,
  policy_port: ports,
} = k8sDp.tables;

/** New flows from a pod (egress) or to it (ingress) need the consent of policy `id`. */
export interface IsolationRow<Table extends 'policy_egress' | 'policy_ingress'> {
  readonly table: Table;
  readonly podIp: IPv4;
  /** 1 to 65535, and so below. */
  readonly id: number;
}

/** The classes of policy `id` that agree to one peer, beside those of {@link PolicyCidrRow}. */
export interface PolicyPeerRow {
  readonly table: 'policy_peer';
  readonly id: number;
  readonly ip: IPv4;
  /** 64 bits. */
  readonly mask: bigint;
}

/** The classes that agree to a range of peers. Only the longest prefix answers. */
export interface PolicyCidrRow {
  readonly table: 'policy_cidr';
  readonly id: number;
  readonly address: IPv4;
  readonly length: number;
  readonly mask: bigint;
  /** Keys of the rows inside that agree to less; without them this one would agree to too much. */
  readonly requires: readonly RowKey[];
}

/** The classes that agree to a prefix of ports. Only the longest prefix answers. */
export interface PolicyPortRow {
  readonly table: 'policy_port';
  readonly id: number;
  /** Undefined: every protocol, and then `length` is 0. */
  readonly protocol: number | undefined;
  /** Bits after `length` are zero. */
  readonly port: number;
  /** 0 to 16; 0: every port, also of protocols that have none. */
  readonly length: number;
  readonly mask: bigint;
  /** As for {@link PolicyCidrRow}. */
  readonly requires: readonly RowKey[];
}

export type PolicyRow =
  | IsolationRow<'policy_egress'>
  | IsolationRow<'policy_ingress'>
  | PolicyPeerRow
  | PolicyCidrRow
  | PolicyPortRow;

const isolationKey = (table: 'policy_egress' | 'policy_ingress', podIp: IPv4): RowKey => `${table}/${podIp}`;

/** Keys of everything that may isolate a pod. What is read back may be open to any of it. */
export function isolationKeys(podIp: IPv4): readonly RowKey[] {
  return [isolationKey('policy_egress', podIp), isolationKey('policy_ingress', podIp)];
}

/** Numbers above those of endpoints, since this may be the table with the most rows. */
function policyPeerKey(id: number, ip: IPv4): RowKey {
  return (id + 1) * 2 ** 32 + ip;
}

export function policyCidrKey(id: number, address: IPv4, length: number): RowKey {
  return `policy_cidr/${id}/${address}/${length}`;
}

export function policyPortKey(
  id: number,
  protocol: number | undefined,
  port: number,
  length: number,
): RowKey {
  return `policy_port/${id}/${protocol ?? 'any'}/${port}/${length}`;
}

/** The bundle of all rows of one policy; see `RowModel`. */
export function policyBundle(id: number): RowKey {
  return `policy/${id}`;
}

function isolationTable<Table extends 'policy_egress' | 'policy_ingress'>(
  table: Table,
): Omit<TableRecord<IsolationRow<Table>>, 'source' | 'readAll' | 'toEntity' | 'fromEntity'> {
  return {
    phase: 1,
    key: ({ podIp }) => isolationKey(table, podIp),
    equal: (a, b) => a.podIp === b.podIp && a.id === b.id,
    names: ({ id }) => policyBundle(id),
  };
}

export const policyEgressTable: TableRecord<IsolationRow<'policy_egress'>> = {
  ...isolationTable('policy_egress'),
  source: { kind: 'table', id: egress.id },
  readAll: egress.all(),
  toEntity: ({ podIp, id }) =>
    egress.entry({ pod_ip: podIp }, egress.actions.set_policy_egress({ policy_id: id })),
  fromEntity(entity) {
    const { match, action } = egress.decode(entity);
    const podIp = ipv4(match.pod_ip);
    if (action?.name !== 'set_policy_egress') return foreign(isolationKey('policy_egress', podIp));
    return found({ table: 'policy_egress', podIp, id: action.params.policy_id });
  },
};

export const policyIngressTable: TableRecord<IsolationRow<'policy_ingress'>> = {
  ...isolationTable('policy_ingress'),
  source: { kind: 'table', id: ingress.id },
  readAll: ingress.all(),
  toEntity: ({ podIp, id }) =>
    ingress.entry({ pod_ip: podIp }, ingress.actions.set_policy_ingress({ policy_id: id })),
  fromEntity(entity) {
    const { match, action } = ingress.decode(entity);
    const podIp = ipv4(match.pod_ip);
    if (action?.name !== 'set_policy_ingress') return foreign(isolationKey('policy_ingress', podIp));
    return found({ table: 'policy_ingress', podIp, id: action.params.policy_id });
  },
};

export const policyPeerTable: TableRecord<PolicyPeerRow> = {
  source: { kind: 'table', id: peers.id },
  readAll: peers.all(),
  phase: 0,
  key: ({ id, ip }) => policyPeerKey(id, ip),
  equal: (a, b) => a.id === b.id && a.ip === b.ip && a.mask === b.mask,
  bundle: ({ id }) => policyBundle(id),
  toEntity: ({ id, ip, mask }) =>
    peers.entry({ policy_id: id, peer_ip: ip }, peers.actions.set_peer_classes({ mask })),
  fromEntity(entity) {
    const { match, action } = peers.decode(entity);
    const { policy_id: id } = match;
    const ip = ipv4(match.peer_ip);
    if (action?.name !== 'set_peer_classes') return foreign(policyPeerKey(id, ip));
    return found({ table: 'policy_peer', id, ip, mask: action.params.mask });
  },
};

export const policyCidrTable: TableRecord<PolicyCidrRow> = {
  source: { kind: 'table', id: cidrs.id },
  readAll: cidrs.all(),
  phase: 0,
  key: ({ id, address, length }) => policyCidrKey(id, address, length),
  equal: (a, b) => a.id === b.id && a.address === b.address && a.length === b.length && a.mask === b.mask,
  requires: ({ requires }) => requires,
  bundle: ({ id }) => policyBundle(id),
  toEntity: ({ id, address, length, mask }) =>
    cidrs.entry(
      { policy_id: id, peer_ip: { value: address, prefixLength: length } },
      cidrs.actions.add_cidr_classes({ mask }),
    ),
  fromEntity(entity) {
    const { match, action } = cidrs.decode(entity);
    const id = match.policy_id;
    const { value, prefixLength: length } = match.peer_ip ?? { value: 0, prefixLength: 0 };
    const address = ipv4(value);
    if (action?.name !== 'add_cidr_classes') return foreign(policyCidrKey(id, address, length));
    return found({ table: 'policy_cidr', id, address, length, mask: action.params.mask, requires: [] });
  },
};

export const policyPortTable: TableRecord<PolicyPortRow> = {
  source: { kind: 'table', id: ports.id },
  readAll: ports.all(),
  phase: 0,
  key: ({ id, protocol, port, length }) => policyPortKey(id, protocol, port, length),
  equal: (a, b) =>
    a.id === b.id &&
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.length === b.length &&
    a.mask === b.mask,
  requires: ({ requires }) => requires,
  bundle: ({ id }) => policyBundle(id),
  toEntity: (row) =>
    ports.entry(
      {
        policy_id: row.id,
        protocol: row.protocol === undefined ? { value: 0, mask: 0 } : row.protocol,
        dst_port: { value: row.port, mask: portMask(row.length) },
      },
      ports.actions.set_port_classes({ mask: row.mask }),
      { priority: priorityOf(row) },
    ),
  fromEntity(entity) {
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
    const isOurs =
      action?.name === 'set_port_classes' &&
      Number.isInteger(row.length) &&
      (protocol.mask === 0xff || (protocol.mask === 0 && row.length === 0)) &&
      priority === priorityOf(row);
    if (isOurs) return found(row);
    // Priority and masks are part of what names an entry: it stands in nobody's way, but it would be asked.
    const key = `${protocol.value}&${protocol.mask}/${port.value}&${port.mask}@${priority}`;
    return foreign(`policy_port/${row.id}/${key}`);
  },
};

function portMask(length: number): number {
  return (0xffff << (16 - length)) & 0xffff;
}

/** The more exact a row, the earlier it is asked. */
function priorityOf({ protocol, length }: PolicyPortRow): number {
  return protocol === undefined ? 1 : 2 + length;
}
