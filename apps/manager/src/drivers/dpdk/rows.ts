import type { IPv4, Mac } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { MAX_MEMBER, ServiceFlag } from '@infra-offload/p4src';
import type { RowKey, RowModel } from '../../reconciler/model.js';
import { bundleNamedBy, bundleOf, type PolicyRow, policyRowKey, samePolicy } from './policy-rows.js';

/** Ports of the data plane by what is behind them. */
export type PortRow =
  | {
      readonly table: 'port_table';
      readonly port: number;
      readonly role: 'pod';
      readonly podIp: IPv4;
      /** See {@link CompileContext.since}. */
      readonly since: number;
      /** Keys of the rows that isolate the pod, without which it must not send or receive. */
      readonly requires?: readonly RowKey[];
    }
  | { readonly table: 'port_table'; readonly port: number; readonly role: 'host' | 'uplink' };

/** ARP requests for `ip` are answered with `mac`. */
export interface ArpRow {
  readonly table: 'arp_table';
  readonly ip: IPv4;
  readonly mac: Mac;
}

/** Packets to `ip` leave through `port`. */
export interface PodForwardRow {
  readonly table: 'pod_forward';
  readonly ip: IPv4;
  readonly port: number;
  readonly dstMac: Mac;
  readonly srcMac: Mac;
  /** As for {@link PortRow}; 0 for what is no pod. */
  readonly since: number;
  /** As for {@link PortRow}. */
  readonly requires?: readonly RowKey[];
}

/** Packets to a range: to a next hop, or dropped. */
export type RouteRow =
  | {
      readonly table: 'route_table';
      readonly address: IPv4;
      readonly length: number;
      readonly action: 'nexthop';
      readonly port: number;
      readonly dstMac: Mac;
      readonly srcMac: Mac;
      /** Of what would be answered past us; 0: its own. */
      readonly source: IPv4;
      /** Whether pods have `source`, too. */
      readonly masquerades: boolean;
    }
  | {
      readonly table: 'route_table';
      readonly address: IPv4;
      readonly length: number;
      readonly action: 'blackhole';
    };

/** An address of services: ports that none of them has are refused. */
export interface ServiceAddressRow {
  readonly table: 'service_address';
  readonly ip: IPv4;
}

/** Where ICMP errors to what is behind ports of a kind come from. */
export interface AnswerSourceRow {
  readonly table: 'answer_source';
  readonly portKind: number;
  readonly ip: IPv4;
}

/** Slot `id & 255` of group `id >> 8` stands for this address and port. */
export interface EndpointRow {
  readonly table: 'endpoint';
  readonly id: number;
  readonly ip: IPv4;
  readonly port: number;
  /** Its connections go on; new ones go elsewhere. */
  readonly isDraining: boolean;
}

/** Member `id` of the action profile: the slot of the same number. */
export interface MemberRow {
  readonly table: 'member';
  readonly id: number;
}

/** The slots of a group that take new flows. `members` is in ascending order. */
export interface GroupRow {
  readonly table: 'group';
  readonly id: number;
  readonly members: readonly GroupMember[];
  /** Keys of the members and endpoints that it names; see {@link groupRow}. */
  readonly requires: readonly RowKey[];
}

export interface GroupMember {
  readonly slot: number;
  readonly weight: number;
}

/** Entry of `endpoint_group` that names the group of the same number. */
export interface GroupEntryRow {
  readonly table: 'endpoint_group';
  readonly id: number;
}

/** One frontend. */
export interface ServiceRow {
  readonly table: 'service';
  readonly ip: IPv4;
  readonly protocol: number;
  readonly port: number;
  /** Group and service id. */
  readonly id: number;
  readonly flags: number;
  readonly affinityProfile: number;
}

/** Found on the device with a content that this driver never writes; it is replaced or removed. */
export interface ForeignRow {
  readonly table: 'foreign';
  readonly key: RowKey;
  readonly in: Exclude<DpdkRow['table'], 'foreign'>;
  readonly entity: Entity;
}

/** One entity of the device, with addresses as numbers. */
export type DpdkRow =
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
  | PolicyRow
  | ForeignRow;

/** Slots that a group can have: members 1 to 255, since the target refuses others. */
export const GROUP_SLOTS = MAX_MEMBER;

/** The number of a slot in the table `endpoint`. */
export function endpointNumber(group: number, slot: number): number {
  return group * 256 + slot;
}

/** The slot of a number of {@link endpointNumber}. */
export function endpointOf(number: number): { readonly group: number; readonly slot: number } {
  return { group: Math.floor(number / 256), slot: number % 256 };
}

/** A group of these slots. What it requires is asked for often, so it is worked out once. */
export function groupRow(id: number, members: readonly GroupMember[]): GroupRow {
  const requires: RowKey[] = [];
  for (const { slot } of members) {
    requires.push(MEMBER_KEYS[slot] ?? `member/${slot}`, endpointNumber(id, slot));
  }
  return { table: 'group', id, members, requires };
}

const MEMBER_KEYS = Array.from({ length: MAX_MEMBER + 1 }, (_, slot) => `member/${slot}`);

/** Keys of everything that may isolate a pod. What is read back may be open to any of it. */
export function isolationKeys(podIp: IPv4): readonly RowKey[] {
  return [`policy_egress/${podIp}`, `policy_ingress/${podIp}`];
}

const PHASES: Record<DpdkRow['table'], number> = {
  port_table: 2,
  arp_table: 0,
  pod_forward: 2,
  route_table: 0,
  service_address: 0,
  answer_source: 0,
  endpoint: 0,
  member: 1,
  group: 2,
  endpoint_group: 3,
  service: 4,
  policy_cidr: 0,
  policy_peer: 0,
  policy_port: 0,
  policy_egress: 1,
  policy_ingress: 1,
  foreign: 4,
};

const NOTHING: readonly RowKey[] = [];

/**
 * How rows of this driver depend on one another: endpoint < member < group < group entry < service entry; and rows of a
 * policy < isolation of a pod < port and forwarding of that pod. Rows of policy_cidr and policy_port name others of their own table, which lie inside of them.
 */
export const dpdkRows: RowModel<DpdkRow> = {
  phases: 5,
  phase: (row) => (row.table === 'foreign' ? PHASES[row.in] : PHASES[row.table]),
  key: rowKey,
  table: tableOf,
  equal,

  requires(row) {
    switch (row.table) {
      case 'group':
      case 'policy_cidr':
      case 'policy_port':
        return row.requires;
      case 'port_table':
        return row.role === 'pod' ? (row.requires ?? NOTHING) : NOTHING;
      case 'pod_forward':
        return row.requires ?? NOTHING;
      case 'endpoint_group':
        return [`group/${row.id}`];
      case 'service':
        return (row.flags & ServiceFlag.noEndpoints) === 0 ? [`endpoint_group/${row.id}`] : NOTHING;
      default:
        return NOTHING;
    }
  },

  // A slot that still stands for another endpoint must not get new flows; a group may always be named.
  usable: (installed) => installed.table === 'group' || installed.table === 'endpoint_group',

  without(row, refused) {
    if (row.table !== 'group') return undefined;
    const members = row.members.filter(
      ({ slot }) => !refused(`member/${slot}`) && !refused(endpointNumber(row.id, slot)),
    );
    return members.length === 0 ? undefined : groupRow(row.id, members);
  },

  bundle: bundleOf,
  names: bundleNamedBy,

  bytes: (row) => (row.table === 'group' ? 40 + 12 * row.members.length : 100),
};

function rowKey(row: DpdkRow): RowKey {
  switch (row.table) {
    case 'port_table':
      return `port_table/${row.port}`;
    case 'arp_table':
      return `arp_table/${row.ip}`;
    case 'pod_forward':
      return `pod_forward/${row.ip}`;
    case 'route_table':
      return `route_table/${row.address}/${row.length}`;
    case 'service_address':
      return `service_address/${row.ip}`;
    case 'answer_source':
      return `answer_source/${row.portKind}`;
    case 'endpoint':
      return row.id;
    case 'member':
      return `member/${row.id}`;
    case 'group':
      return `group/${row.id}`;
    case 'endpoint_group':
      return `endpoint_group/${row.id}`;
    case 'service':
      return `service/${row.ip}/${row.protocol}/${row.port}`;
    case 'foreign':
      return row.key;
    default:
      return policyRowKey(row);
  }
}

function tableOf(row: DpdkRow): string {
  const table = row.table === 'foreign' ? row.in : row.table;
  return table === 'member' || table === 'group' ? 'endpoint_selector' : table;
}

function equal(a: DpdkRow, b: DpdkRow): boolean {
  if (a === b) return true;
  switch (a.table) {
    case 'port_table':
      return (
        b.table === 'port_table' &&
        a.port === b.port &&
        a.role === b.role &&
        (a.role !== 'pod' || (b.role === 'pod' && a.podIp === b.podIp && a.since === b.since))
      );
    case 'arp_table':
      return b.table === 'arp_table' && a.ip === b.ip && a.mac === b.mac;
    case 'pod_forward':
      return b.table === 'pod_forward' && a.ip === b.ip && a.since === b.since && sameHop(a, b);
    case 'route_table':
      return (
        b.table === 'route_table' &&
        a.address === b.address &&
        a.length === b.length &&
        a.action === b.action &&
        (a.action !== 'nexthop' ||
          (b.action === 'nexthop' &&
            sameHop(a, b) &&
            a.source === b.source &&
            a.masquerades === b.masquerades))
      );
    case 'service_address':
      return b.table === 'service_address' && a.ip === b.ip;
    case 'answer_source':
      return b.table === 'answer_source' && a.portKind === b.portKind && a.ip === b.ip;
    case 'endpoint':
      return (
        b.table === 'endpoint' &&
        a.id === b.id &&
        a.ip === b.ip &&
        a.port === b.port &&
        a.isDraining === b.isDraining
      );
    case 'member':
    case 'endpoint_group':
      return b.table === a.table && a.id === b.id;
    case 'group':
      return b.table === 'group' && a.id === b.id && sameMembers(a, b);
    case 'service':
      return (
        b.table === 'service' &&
        a.ip === b.ip &&
        a.protocol === b.protocol &&
        a.port === b.port &&
        a.id === b.id &&
        a.flags === b.flags &&
        a.affinityProfile === b.affinityProfile
      );
    case 'foreign':
      return false;
    default:
      return samePolicy(a, b);
  }
}

interface Hop {
  readonly port: number;
  readonly dstMac: Mac;
  readonly srcMac: Mac;
}

function sameHop(a: Hop, b: Hop): boolean {
  return a.port === b.port && a.dstMac === b.dstMac && a.srcMac === b.srcMac;
}

function sameMembers(a: GroupRow, b: GroupRow): boolean {
  return (
    a.members.length === b.members.length &&
    a.members.every(({ slot, weight }, i) => b.members[i]?.slot === slot && b.members[i]?.weight === weight)
  );
}
