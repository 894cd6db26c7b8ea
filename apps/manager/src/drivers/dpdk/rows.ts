import type { Entity } from '@infra-offload/p4rt/proto';
import type { k8sDp } from '@infra-offload/p4src';
import type { RowKey, RowModel } from '@infra-offload/reconciler';
import {
  type AnswerSourceRow,
  type ArpRow,
  answerSourceTable,
  arpTable,
  type PodForwardRow,
  type PortRow,
  podForwardTable,
  portTable,
} from './tables/interfaces.js';
import {
  type PolicyRow,
  policyCidrTable,
  policyEgressTable,
  policyIngressTable,
  policyPeerTable,
  policyPortTable,
} from './tables/policies.js';
import type { TableRecord } from './tables/record.js';
import { type RouteRow, routeTable } from './tables/routes.js';
import {
  type EndpointRow,
  endpointTable,
  type GroupEntryRow,
  type GroupRow,
  groupEntryTable,
  groupTable,
  groupWithout,
  type MemberRow,
  memberTable,
  type ServiceAddressRow,
  type ServiceRow,
  serviceAddressTable,
  serviceTable,
} from './tables/services.js';

/** One entity that this driver writes, with addresses as numbers. */
export type OwnRow =
  | PortRow
  | ArpRow
  | PodForwardRow
  | RouteRow
  | ServiceAddressRow
  | AnswerSourceRow
  | EndpointRow
  | MemberRow
  | GroupRow
  | GroupEntryRow
  | ServiceRow
  | PolicyRow;

/** Found on the device with a content that this driver never writes; it is replaced or removed. */
export interface ForeignRow {
  readonly table: 'foreign';
  readonly key: RowKey;
  readonly in: TableName;
  readonly entity: Entity;
}

/** One entity of the device. */
export type DpdkRow = OwnRow | ForeignRow;

type TableName = OwnRow['table'];
type RowOf<Name extends TableName> = Extract<OwnRow, { readonly table: Name }>;
type Records = { readonly [Name in TableName]: TableRecord<RowOf<Name>> };
/** Tables that the data plane fills, and the one with nothing but a default entry: see flows.ts. */
type NotWritten = 'conntrack' | 'affinity' | 'fragments' | 'established' | 'flow_epoch';
/** A table of the program without a record does not compile. */
type Complete = { readonly [Name in Exclude<keyof typeof k8sDp.tables, NotWritten>]: unknown };

const RECORDS = {
  port_table: portTable,
  arp_table: arpTable,
  pod_forward: podForwardTable,
  route_table: routeTable,
  service_address: serviceAddressTable,
  answer_source: answerSourceTable,
  endpoint: endpointTable,
  member: memberTable,
  group: groupTable,
  endpoint_group: groupEntryTable,
  service: serviceTable,
  policy_egress: policyEgressTable,
  policy_ingress: policyIngressTable,
  policy_peer: policyPeerTable,
  policy_cidr: policyCidrTable,
  policy_port: policyPortTable,
} satisfies Records & Complete;

const NOTHING: readonly RowKey[] = [];
const BYTES = 100;

/**
 * How rows of this driver depend on one another: endpoint < member < group < group entry < service entry; and rows of a
 * policy < isolation of a pod < port and forwarding of that pod. Rows of policy_cidr and policy_port name others of their own
 * table, which lie inside of them.
 */
export const dpdkRows: RowModel<DpdkRow> = {
  phases: 5,
  phase: (row) => RECORDS[row.table === 'foreign' ? row.in : row.table].phase,
  key: (row) => (row.table === 'foreign' ? row.key : recordOf(row).key(row)),
  table: (row) => tableOf(row.table === 'foreign' ? row.in : row.table),
  equal: (a, b) => a === b || (a.table !== 'foreign' && isEqual(a, b)),
  requires: (row) => (row.table === 'foreign' ? NOTHING : (recordOf(row).requires?.(row) ?? NOTHING)),
  // A slot that still stands for another endpoint must not get new flows; a group may always be named.
  usable: (installed) => installed.table === 'group' || installed.table === 'endpoint_group',
  without: (row, refused) => (row.table === 'group' ? groupWithout(row, refused) : undefined),
  bundle: (row) => (row.table === 'foreign' ? undefined : recordOf(row).bundle?.(row)),
  names: (row) => (row.table === 'foreign' ? undefined : recordOf(row).names?.(row)),
  bytes: (row) => (row.table === 'foreign' ? BYTES : (recordOf(row).bytes?.(row) ?? BYTES)),
};

/** The entity of a row. */
export function toEntity(row: DpdkRow): Entity {
  return row.table === 'foreign' ? row.entity : recordOf(row).toEntity(row);
}

/**
 * The row of an entity read back. What this driver would never write becomes a `foreign` row under the key of the row
 * that it stands in the way of; default entries are no rows.
 */
export function fromEntity(entity: Entity): DpdkRow | undefined {
  const name = nameOf(entity);
  if (name === undefined) return undefined;
  const read = RECORDS[name].fromEntity(entity);
  return read.kind === 'row' ? read.row : { table: 'foreign', key: read.key, in: name, entity };
}

const NAMES = Object.keys(RECORDS) as readonly TableName[];
const NAME_OF_TABLE = new Map(
  NAMES.flatMap((name) => {
    const { source } = RECORDS[name];
    return source.kind === 'table' ? [[source.id, name] as const] : [];
  }),
);
/** Tables and profiles of this driver, and how all of each is read. */
export const READ_ALL: ReadonlyMap<string, readonly Entity[]> = readAll();

function readAll(): Map<string, Entity[]> {
  const reads = new Map<string, Entity[]>();
  for (const name of NAMES) {
    const table = tableOf(name);
    reads.set(table, [...(reads.get(table) ?? []), RECORDS[name].readAll]);
  }
  return reads;
}

/** The table or profile in P4Info. */
function tableOf(name: TableName): string {
  const { source } = RECORDS[name];
  return source.kind === 'table' ? name : source.profile;
}

function nameOf({ entity }: Entity): TableName | undefined {
  switch (entity?.$case) {
    case 'tableEntry':
      return entity.value.isDefaultAction ? undefined : NAME_OF_TABLE.get(entity.value.tableId);
    case 'actionProfileMember':
      return 'member';
    case 'actionProfileGroup':
      return 'group';
    default:
      return undefined;
  }
}

function isEqual<Name extends TableName>(a: RowOf<Name>, b: DpdkRow): boolean {
  return isOf<Name>(a.table, b) && recordOf(a).equal(a, b);
}

function isOf<Name extends TableName>(table: TableName, row: DpdkRow): row is RowOf<Name> {
  return row.table === table;
}

/** The record of a row's table. */
function recordOf<Name extends TableName>(row: RowOf<Name>): TableRecord<RowOf<Name>> {
  const records: Records = RECORDS;
  return records[row.table];
}
