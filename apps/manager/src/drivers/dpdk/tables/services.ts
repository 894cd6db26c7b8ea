import { type IPv4, ipv4 } from '@infra-offload/net';
import { EndpointFlag, k8sDp, MAX_MEMBER, ServiceFlag } from '@infra-offload/p4src';
import type { RowKey } from '@infra-offload/reconciler';
import { foreign, found, type TableRecord } from './record.js';

const { endpoint, endpoint_group: endpointGroup, service, service_address: serviceAddress } = k8sDp.tables;
const { endpoint_selector: selector } = k8sDp.actionProfiles;

/** An address of services: ports that none of them has are refused. */
export interface ServiceAddressRow {
  readonly table: 'service_address';
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

/** Slots that a group can have: members 1 to 255, since the target refuses others. */
export const GROUP_SLOTS = MAX_MEMBER;
const SLOTS_OF_A_GROUP = GROUP_SLOTS + 1;

/** The number of a slot in the table `endpoint`, which is its key, too: this table has the most rows. */
export function endpointNumber(group: number, slot: number): number {
  return group * SLOTS_OF_A_GROUP + slot;
}

/** The slot of a number of {@link endpointNumber}. */
export function endpointOf(number: number): { readonly group: number; readonly slot: number } {
  return { group: Math.floor(number / SLOTS_OF_A_GROUP), slot: number % SLOTS_OF_A_GROUP };
}

const NOTHING: readonly RowKey[] = [];
const MEMBER_KEYS = Array.from({ length: SLOTS_OF_A_GROUP }, (_, slot) => `member/${slot}`);
const memberKey = (id: number): RowKey => MEMBER_KEYS[id] ?? `member/${id}`;
const groupKey = (id: number): RowKey => `group/${id}`;
const groupEntryKey = (id: number): RowKey => `endpoint_group/${id}`;
const serviceAddressKey = (ip: IPv4): RowKey => `service_address/${ip}`;
const serviceKey = (ip: IPv4, protocol: number, port: number): RowKey => `service/${ip}/${protocol}/${port}`;

/** A group of these slots. What it requires is asked for often, so it is worked out once. */
export function groupRow(id: number, members: readonly GroupMember[]): GroupRow {
  const requires: RowKey[] = [];
  for (const { slot } of members) requires.push(memberKey(slot), endpointNumber(id, slot));
  return { table: 'group', id, members, requires };
}

/** A group without what was refused; undefined if nothing is left. */
export function groupWithout(
  { id, members }: GroupRow,
  refused: (key: RowKey) => boolean,
): GroupRow | undefined {
  const left = members.filter(({ slot }) => !refused(memberKey(slot)) && !refused(endpointNumber(id, slot)));
  return left.length === 0 ? undefined : groupRow(id, left);
}

export const serviceAddressTable: TableRecord<ServiceAddressRow> = {
  source: { kind: 'table', id: serviceAddress.id },
  readAll: serviceAddress.all(),
  phase: 0,
  key: ({ ip }) => serviceAddressKey(ip),
  equal: (a, b) => a.ip === b.ip,
  toEntity: ({ ip }) => serviceAddress.entry({ dst_ip: ip }, serviceAddress.actions.refuse_unused_ports()),
  fromEntity(entity) {
    const { match, action } = serviceAddress.decode(entity);
    const ip = ipv4(match.dst_ip);
    if (action?.name !== 'refuse_unused_ports') return foreign(serviceAddressKey(ip));
    return found({ table: 'service_address', ip });
  },
};

export const endpointTable: TableRecord<EndpointRow> = {
  source: { kind: 'table', id: endpoint.id },
  readAll: endpoint.all(),
  phase: 0,
  key: ({ id }) => id,
  equal: (a, b) => a.id === b.id && a.ip === b.ip && a.port === b.port && a.isDraining === b.isDraining,
  toEntity: ({ id, ip, port, isDraining }) =>
    endpoint.entry(
      { endpoint_id: id },
      endpoint.actions.set_endpoint({ ip, port, flags: isDraining ? EndpointFlag.draining : 0 }),
    ),
  fromEntity(entity) {
    const { match, action } = endpoint.decode(entity);
    const id = match.endpoint_id;
    if (action?.name !== 'set_endpoint' || (action.params.flags & ~EndpointFlag.draining) !== 0)
      return foreign(id);
    const { ip, port, flags } = action.params;
    return found({ table: 'endpoint', id, ip: ipv4(ip), port, isDraining: flags !== 0 });
  },
};

export const memberTable: TableRecord<MemberRow> = {
  source: { kind: 'members', profile: 'endpoint_selector' },
  readAll: selector.members(),
  phase: 1,
  key: ({ id }) => memberKey(id),
  equal: (a, b) => a.id === b.id,
  toEntity: ({ id }) => selector.member(id, selector.actions.select_endpoint({ endpoint_id: id })),
  fromEntity(entity) {
    const { member: id, action } = selector.decodeMember(entity);
    return action?.params.endpoint_id === id ? found({ table: 'member', id }) : foreign(memberKey(id));
  },
};

export const groupTable: TableRecord<GroupRow> = {
  source: { kind: 'groups', profile: 'endpoint_selector' },
  readAll: selector.groups(),
  phase: 2,
  key: ({ id }) => groupKey(id),
  equal: (a, b) =>
    a.id === b.id &&
    a.members.length === b.members.length &&
    a.members.every(({ slot, weight }, i) => b.members[i]?.slot === slot && b.members[i]?.weight === weight),
  requires: ({ requires }) => requires,
  bytes: ({ members }) => 40 + 12 * members.length,
  toEntity: ({ id, members }) =>
    selector.group(
      id,
      members.map(({ slot, weight }) => ({ member: slot, weight })),
    ),
  fromEntity(entity) {
    const { group: id, members, maxSize } = selector.decodeGroup(entity);
    if (maxSize !== 0 || members.some(({ watchPort }) => watchPort !== undefined))
      return foreign(groupKey(id));
    const slots = members.map(({ member: slot, weight }) => ({ slot, weight }));
    return found(
      groupRow(
        id,
        slots.sort((a, b) => a.slot - b.slot),
      ),
    );
  },
};

export const groupEntryTable: TableRecord<GroupEntryRow> = {
  source: { kind: 'table', id: endpointGroup.id },
  readAll: endpointGroup.all(),
  phase: 3,
  key: ({ id }) => groupEntryKey(id),
  equal: (a, b) => a.id === b.id,
  requires: ({ id }) => [groupKey(id)],
  toEntity: ({ id }) => endpointGroup.entry({ group_id: id }, endpointGroup.group(id)),
  fromEntity(entity) {
    const { match, action } = endpointGroup.decode(entity);
    const id = match.group_id;
    if (action?.kind !== 'group' || action.group !== id) return foreign(groupEntryKey(id));
    return found({ table: 'endpoint_group', id });
  },
};

export const serviceTable: TableRecord<ServiceRow> = {
  source: { kind: 'table', id: service.id },
  readAll: service.all(),
  phase: 4,
  key: ({ ip, protocol, port }) => serviceKey(ip, protocol, port),
  equal: (a, b) =>
    a.ip === b.ip &&
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.id === b.id &&
    a.flags === b.flags &&
    a.affinityProfile === b.affinityProfile,
  requires: ({ id, flags }) => ((flags & ServiceFlag.noEndpoints) === 0 ? [groupEntryKey(id)] : NOTHING),
  toEntity: ({ ip, protocol, port, id, flags, affinityProfile }) =>
    service.entry(
      { dst_ip: ip, protocol, dst_port: port },
      service.actions.set_service({
        group_id: id,
        endpoint_base: endpointNumber(id, 0),
        service_id: id,
        flags,
        affinity_profile: affinityProfile,
      }),
    ),
  fromEntity(entity) {
    const { match, action } = service.decode(entity);
    const ip = ipv4(match.dst_ip);
    const { protocol, dst_port: port } = match;
    if (action?.name === 'set_service') {
      const { group_id: id, endpoint_base: base, service_id, flags, affinity_profile } = action.params;
      if (service_id === id && base === endpointNumber(id, 0)) {
        return found({ table: 'service', ip, protocol, port, id, flags, affinityProfile: affinity_profile });
      }
    }
    return foreign(serviceKey(ip, protocol, port));
  },
};
