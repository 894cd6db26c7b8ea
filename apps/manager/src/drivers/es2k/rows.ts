import type { Entity } from '@infra-offload/p4rt/proto';
import type { RowKey, RowModel } from '@infra-offload/reconciler';
import type { ActionName, KeyValue, KeyValues, ParamValues, TableName } from './contract.js';
import { bundleNamedBy, bundleOf } from './policy-ids.js';
import { type BoundProgram, type BoundTable, keyValues } from './program.js';

/** One entry of the device. Keys and parameters are in the contract's order; parameters that the program lacks are left out. */
export interface Es2kRow {
  readonly table: TableName;
  /** Table, keys and priority. */
  readonly key: string;
  readonly match: readonly KeyValue[];
  /** 0 in tables without priorities. */
  readonly priority: number;
  readonly action: string;
  readonly params: readonly number[];
  /** Keys of the rows that it leads to. */
  readonly requires: readonly RowKey[];
  /** As it was read, if this driver never writes such a row: it is replaced or removed. */
  readonly foreign?: Entity;
}

/** What belongs to a row beside its match and action. */
export interface RowOptions {
  readonly priority?: number;
  /** Rows that must be there before, in addition to those that its parameters name. */
  readonly requires?: readonly RowKey[];
}

/**
 * Rows lead only to rows of lower phases: what pointers lead to, what leads there, how packets begin. Service addresses
 * come last, so that nothing is balanced before all its buckets are there.
 */
const PHASES: Record<TableName, number> = {
  service_flow_packet_options: 0,
  check_acl_result: 0,
  pod_gateway_mac_mod_table: 0,
  write_dest_ip_table: 0,
  write_source_ip_table: 0,
  tcp_dport_rc_table: 0,
  udp_dport_rc_table: 0,
  acl_ipset_match_table_egress: 0,
  acl_ipset_match_table_ingress: 0,
  acl_lpm_root_lut_egress: 1,
  acl_lpm_root_lut_ingress: 1,
  rx_src_ip: 1,
  acl_pod_ip_proto_table_egress: 2,
  acl_pod_ip_proto_table_ingress: 2,
  acl_pod_ip_table_egress: 2,
  acl_pod_ip_table_ingress: 2,
  tx_balance: 2,
  ipv4_to_port_table_rx: 3,
  ipv4_to_port_table_tx: 4,
  ipv4_to_port_table_tx_tcp: 4,
  ipv4_to_port_table_tx_service: 4,
  arp_to_port_table: 4,
};

const NOTHING: readonly RowKey[] = [];
/** An update on the wire: ids and lengths, and one value or two for each key and parameter. */
const ROW_BYTES = 40;
const VALUE_BYTES = 12;

/** Identity of the row with these keys. */
export function rowKey(table: TableName, match: readonly KeyValue[], priority = 0): string {
  const values = match.map((value) => {
    if (typeof value === 'number') return value;
    return 'mask' in value ? `${value.value}&${value.mask}` : `${value.value}/${value.prefixLength}`;
  });
  return `${table}/${values.join('/')}${priority === 0 ? '' : `@${priority}`}`;
}

/** The row behind a pointer. */
export function pointerKey(table: TableName, pointer: number): string {
  return `${table}/${pointer}`;
}

/** Makes and reads the rows of one program. */
export class Es2kRows {
  constructor(readonly bound: BoundProgram) {}

  /** @throws Error when the program lacks the table. */
  row<T extends TableName, A extends ActionName<T>>(
    table: T,
    match: KeyValues<T>,
    action: A,
    params: ParamValues<T, A>,
    { priority = 0, requires = NOTHING }: RowOptions = {},
  ): Es2kRow {
    const values: Readonly<Record<string, number>> = params;
    const keys: readonly KeyValue[] = match;
    const taken = this.#table(table)
      .actions.get(action)
      ?.params.map(({ contract }) => values[contract] ?? 0);
    return {
      table,
      key: rowKey(table, keys, priority),
      match: keys,
      priority,
      action,
      params: taken ?? [],
      requires: [...this.#leadsTo(table, action, values), ...requires],
    };
  }

  toEntity({ table, match, priority, action, params, foreign }: Es2kRow): Entity {
    if (foreign !== undefined) return foreign;
    const bound = this.#table(table);
    const taken = bound.actions.get(action)?.params ?? [];
    return bound.table.entry(
      Object.fromEntries(bound.keys.map(({ name }, i) => [name, match[i] ?? 0])),
      bound.table.action(action, Object.fromEntries(taken.map(({ name }, i) => [name, params[i] ?? 0]))),
      priority === 0 ? {} : { priority },
    );
  }

  fromEntity(entity: Entity): Es2kRow | undefined {
    if (entity.entity?.$case !== 'tableEntry' || entity.entity.value.isDefaultAction) return undefined;
    const { tableId } = entity.entity.value;
    for (const bound of this.bound.tables.values()) {
      if (bound.table.id === tableId) return this.#fromEntry(bound, entity);
    }
    return undefined;
  }

  #fromEntry(bound: BoundTable, entity: Entity): Es2kRow {
    const { action, priority } = bound.table.decode(entity);
    const match = keyValues(bound, entity);
    const row = { table: bound.name, key: rowKey(bound.name, match, priority), match, priority };
    const taken = action?.kind === 'action' ? bound.actions.get(action.name) : undefined;
    if (action?.kind !== 'action' || taken === undefined)
      return { ...row, action: '', params: [], requires: NOTHING, foreign: entity };
    const params = taken.params.map(({ name }) => Number(action.params[name] ?? 0));
    const values = Object.fromEntries(taken.params.map(({ contract }, i) => [contract, params[i] ?? 0]));
    return { ...row, action: action.name, params, requires: this.#leadsTo(bound.name, action.name, values) };
  }

  /** The parameters of a row by their names in the contract. */
  values({ table, action, params }: Es2kRow): Readonly<Record<string, number>> {
    const taken = this.#table(table).actions.get(action)?.params ?? [];
    return Object.fromEntries(taken.map(({ contract }, i) => [contract, params[i] ?? 0]));
  }

  /** Rows that a packet asks next with what the parameters say. */
  #leadsTo(table: TableName, action: string, params: Readonly<Record<string, number>>): readonly RowKey[] {
    switch (table) {
      case 'ipv4_to_port_table_tx':
      case 'ipv4_to_port_table_tx_tcp':
      case 'ipv4_to_port_table_tx_service':
        return action === 'set_dest_mac_vport'
          ? [pointerKey('pod_gateway_mac_mod_table', params.ptr ?? 0)]
          : NOTHING;
      case 'tx_balance':
        return [pointerKey('write_dest_ip_table', params.ptr ?? 0)];
      case 'rx_src_ip':
        return [pointerKey('write_source_ip_table', params.ptr ?? 0)];
      default:
        return NOTHING;
    }
  }

  #table(name: TableName): BoundTable {
    const bound = this.bound.tables.get(name);
    if (bound === undefined) throw new Error(`the program has no table ${name}`);
    return bound;
  }
}

/** How rows of this driver depend on one another. */
export const es2kModel: RowModel<Es2kRow> = {
  phases: 6,
  phase: ({ table, action }) => (action.startsWith('set_vip_flag') ? 5 : PHASES[table]),
  key: (row) => row.key,
  table: (row) => row.table,
  equal: (a, b) =>
    a === b ||
    (a.key === b.key &&
      a.action === b.action &&
      a.foreign === b.foreign &&
      a.params.length === b.params.length &&
      a.params.every((value, i) => value === b.params[i])),
  requires: (row) => row.requires,
  bundle: ({ table, match }) => bundleOf(table, match),
  names: ({ table, params }) => bundleNamedBy(table, params),
  usable: () => false,
  without: () => undefined,
  bytes: ({ match, params }) => ROW_BYTES + VALUE_BYTES * (2 * match.length + params.length),
};
