import { ipv4, mac } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { EndpointFlag, k8sDp } from '@infra-offload/p4src';
import { unreachable } from '../../errors.js';
import { policyFromEntity, policyToEntity, READ_ALL_POLICY } from './policy-codec.js';
import { type DpdkRow, dpdkRows, groupRow, isolationKeys, type RouteRow } from './rows.js';

const {
  answer_source: answerSource,
  arp_table: arp,
  endpoint,
  endpoint_group: endpointGroup,
  pod_forward: podForward,
  port_table: ports,
  route_table: routes,
  service,
  service_address: serviceAddress,
} = k8sDp.tables;
const { endpoint_selector: selector } = k8sDp.actionProfiles;

/** The entity of a row. */
export function toEntity(row: DpdkRow): Entity {
  switch (row.table) {
    case 'port_table':
      return ports.entry({ input_port: row.port }, portAction(row));
    case 'arp_table':
      return arp.entry({ target_ip: row.ip }, arp.actions.arp_reply({ mac: row.mac }));
    case 'pod_forward':
      return podForward.entry(
        { pod_ip: row.ip },
        podForward.actions.forward({
          port: row.port,
          dst_mac: row.dstMac,
          src_mac: row.srcMac,
          since: row.since,
        }),
      );
    case 'route_table':
      return routes.entry({ dst: { value: row.address, prefixLength: row.length } }, routeAction(row));
    case 'service_address':
      return serviceAddress.entry({ dst_ip: row.ip }, serviceAddress.actions.refuse_unused_ports());
    case 'answer_source':
      return answerSource.entry(
        { port_kind: row.portKind },
        answerSource.actions.set_answer_source({ ip: row.ip }),
      );
    case 'endpoint':
      return endpoint.entry(
        { endpoint_id: row.id },
        endpoint.actions.set_endpoint({
          ip: row.ip,
          port: row.port,
          flags: row.isDraining ? EndpointFlag.draining : 0,
        }),
      );
    case 'member':
      return selector.member(row.id, selector.actions.select_endpoint({ endpoint_id: row.id }));
    case 'group':
      return selector.group(
        row.id,
        row.members.map(({ slot, weight }) => ({ member: slot, weight })),
      );
    case 'endpoint_group':
      return endpointGroup.entry({ group_id: row.id }, endpointGroup.group(row.id));
    case 'service':
      return service.entry(
        { dst_ip: row.ip, protocol: row.protocol, dst_port: row.port },
        service.actions.set_service({
          group_id: row.id,
          endpoint_base: row.id * 256,
          service_id: row.id,
          flags: row.flags,
          affinity_profile: row.affinityProfile,
        }),
      );
    case 'foreign':
      return row.entity;
    default:
      return policyToEntity(row);
  }
}

/** Tables and profiles of this driver, and how all of each is read. */
export const READ_ALL: Readonly<Record<string, readonly Entity[]>> = {
  port_table: [ports.all()],
  arp_table: [arp.all()],
  pod_forward: [podForward.all()],
  route_table: [routes.all()],
  service_address: [serviceAddress.all()],
  answer_source: [answerSource.all()],
  endpoint: [endpoint.all()],
  endpoint_selector: [selector.members(), selector.groups()],
  endpoint_group: [endpointGroup.all()],
  service: [service.all()],
  ...READ_ALL_POLICY,
};

/**
 * The row of an entity read back. What this driver would never write becomes a `foreign` row under the key of the row
 * that it stands in the way of; default entries are no rows.
 */
export function fromEntity(entity: Entity): DpdkRow | undefined {
  const read = entity.entity;
  switch (read?.$case) {
    case 'tableEntry':
      return read.value.isDefaultAction ? undefined : fromTableEntry(read.value.tableId, entity);
    case 'actionProfileMember': {
      const { member, action } = selector.decodeMember(entity);
      const row: DpdkRow = { table: 'member', id: member };
      return action?.params.endpoint_id === member ? row : foreign(row, entity);
    }
    case 'actionProfileGroup': {
      const { group, members, maxSize } = selector.decodeGroup(entity);
      const slots = members.map(({ member, weight }) => ({ slot: member, weight }));
      const row = groupRow(
        group,
        slots.sort((a, b) => a.slot - b.slot),
      );
      const plain = maxSize === 0 && members.every((member) => member.watchPort === undefined);
      return plain ? row : foreign(row, entity);
    }
    default:
      return undefined;
  }
}

function fromTableEntry(tableId: number, entity: Entity): DpdkRow | undefined {
  switch (tableId) {
    case ports.id: {
      const { match, action } = ports.decode(entity);
      const port = match.input_port;
      if (action?.name === 'set_pod_port') {
        const podIp = ipv4(action.params.pod_ip);
        const { since } = action.params;
        return { table: 'port_table', port, role: 'pod', podIp, since, requires: isolationKeys(podIp) };
      }
      const row: DpdkRow = {
        table: 'port_table',
        port,
        role: action?.name === 'set_host_port' ? 'host' : 'uplink',
      };
      return action?.name === 'set_host_port' || action?.name === 'set_uplink_port'
        ? row
        : foreign(row, entity);
    }
    case arp.id: {
      const { match, action } = arp.decode(entity);
      const ip = ipv4(match.target_ip);
      if (action?.name === 'arp_reply') return { table: 'arp_table', ip, mac: mac(action.params.mac) };
      return foreign({ table: 'arp_table', ip, mac: mac(0) }, entity);
    }
    case podForward.id: {
      const { match, action } = podForward.decode(entity);
      const ip = ipv4(match.pod_ip);
      const row = { table: 'pod_forward', ip } as const;
      if (action?.name === 'forward') {
        const { since } = action.params;
        return { ...row, ...hop(action.params), since, requires: isolationKeys(ip) };
      }
      return foreign({ ...row, port: 0, dstMac: mac(0), srcMac: mac(0), since: 0 }, entity);
    }
    case routes.id: {
      const { match, action } = routes.decode(entity);
      const { value, prefixLength: length } = match.dst ?? { value: 0, prefixLength: 0 };
      const row = { table: 'route_table', address: ipv4(value), length } as const;
      if (action?.name === 'set_nexthop' || action?.name === 'masquerade_nexthop') {
        const masquerades = action.name === 'masquerade_nexthop';
        return {
          ...row,
          action: 'nexthop',
          ...hop(action.params),
          source: ipv4(action.params.source_ip),
          masquerades,
        };
      }
      const blocked: RouteRow = { ...row, action: 'blackhole' };
      return action?.name === 'blackhole' ? blocked : foreign(blocked, entity);
    }
    case serviceAddress.id: {
      const { match, action } = serviceAddress.decode(entity);
      const row = { table: 'service_address', ip: ipv4(match.dst_ip) } as const;
      return action?.name === 'refuse_unused_ports' ? row : foreign(row, entity);
    }
    case answerSource.id: {
      const { match, action } = answerSource.decode(entity);
      const row = { table: 'answer_source', portKind: match.port_kind } as const;
      if (action?.name === 'set_answer_source') return { ...row, ip: ipv4(action.params.ip) };
      return foreign({ ...row, ip: ipv4(0) }, entity);
    }
    case endpoint.id: {
      const { match, action } = endpoint.decode(entity);
      const row = { table: 'endpoint', id: match.endpoint_id } as const;
      if (action?.name === 'set_endpoint' && (action.params.flags & ~EndpointFlag.draining) === 0) {
        const { ip, port, flags } = action.params;
        return { ...row, ip: ipv4(ip), port, isDraining: flags !== 0 };
      }
      return foreign({ ...row, ip: ipv4(0), port: 0, isDraining: false }, entity);
    }
    case endpointGroup.id: {
      const { match, action } = endpointGroup.decode(entity);
      const row: DpdkRow = { table: 'endpoint_group', id: match.group_id };
      return action?.kind === 'group' && action.group === match.group_id ? row : foreign(row, entity);
    }
    case service.id: {
      const { match, action } = service.decode(entity);
      const key = {
        table: 'service',
        ip: ipv4(match.dst_ip),
        protocol: match.protocol,
        port: match.dst_port,
      } as const;
      if (action?.name === 'set_service') {
        const {
          group_id: id,
          endpoint_base,
          service_id,
          flags,
          affinity_profile: affinityProfile,
        } = action.params;
        if (service_id === id && endpoint_base === id * 256) return { ...key, id, flags, affinityProfile };
      }
      return foreign({ ...key, id: 0, flags: 0, affinityProfile: 0 }, entity);
    }
    default: {
      const read = policyFromEntity(tableId, entity);
      if (read?.kind !== 'foreign') return read?.row;
      return { table: 'foreign', key: read.key, in: read.table, entity };
    }
  }
}

function portAction(row: Extract<DpdkRow, { table: 'port_table' }>) {
  switch (row.role) {
    case 'pod':
      return ports.actions.set_pod_port({ pod_ip: row.podIp, since: row.since });
    case 'host':
      return ports.actions.set_host_port();
    case 'uplink':
      return ports.actions.set_uplink_port();
    default:
      return unreachable(row);
  }
}

function routeAction(row: RouteRow) {
  switch (row.action) {
    case 'nexthop':
      return routes.actions[row.masquerades ? 'masquerade_nexthop' : 'set_nexthop']({
        port: row.port,
        dst_mac: row.dstMac,
        src_mac: row.srcMac,
        source_ip: row.source,
      });
    case 'blackhole':
      return routes.actions.blackhole();
    default:
      return unreachable(row);
  }
}

function hop(params: { readonly port: number; readonly dst_mac: bigint; readonly src_mac: bigint }) {
  return { port: params.port, dstMac: mac(params.dst_mac), srcMac: mac(params.src_mac) };
}

function foreign(like: Exclude<DpdkRow, { table: 'foreign' }>, entity: Entity): DpdkRow {
  return { table: 'foreign', key: dpdkRows.key(like), in: like.table, entity };
}
