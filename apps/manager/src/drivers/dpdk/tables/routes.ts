import { type IPv4, ipv4 } from '@infra-offload/net';
import { k8sDp } from '@infra-offload/p4src';
import type { RowKey } from '@infra-offload/reconciler';
import { unreachable } from '../../../errors.js';
import { type Hop, hopOf, sameHop } from './interfaces.js';
import { foreign, found, type TableRecord } from './record.js';

const { route_table: routes } = k8sDp.tables;

interface Range {
  readonly table: 'route_table';
  readonly address: IPv4;
  readonly length: number;
}

/** Packets to a range: to a next hop, or dropped. */
export type RouteRow =
  | (Range &
      Hop & {
        readonly action: 'nexthop';
        /** Of what would be answered past us; 0: its own. */
        readonly source: IPv4;
        /** Whether pods have `source`, too. */
        readonly masquerades: boolean;
      })
  | (Range & { readonly action: 'blackhole' });

const routeKey = (address: IPv4, length: number): RowKey => `route_table/${address}/${length}`;

export const routeTable: TableRecord<RouteRow> = {
  source: { kind: 'table', id: routes.id },
  readAll: routes.all(),
  phase: 0,
  key: ({ address, length }) => routeKey(address, length),
  equal: (a, b) =>
    a.address === b.address &&
    a.length === b.length &&
    a.action === b.action &&
    (a.action !== 'nexthop' ||
      (b.action === 'nexthop' && sameHop(a, b) && a.source === b.source && a.masquerades === b.masquerades)),
  toEntity: (row) =>
    routes.entry({ dst: { value: row.address, prefixLength: row.length } }, routeAction(row)),
  fromEntity(entity) {
    const { match, action } = routes.decode(entity);
    const { value, prefixLength: length } = match.dst ?? { value: 0, prefixLength: 0 };
    const row = { table: 'route_table', address: ipv4(value), length } as const;
    switch (action?.name) {
      case 'set_nexthop':
      case 'masquerade_nexthop': {
        const masquerades = action.name === 'masquerade_nexthop';
        const source = ipv4(action.params.source_ip);
        return found({ ...row, action: 'nexthop', ...hopOf(action.params), source, masquerades });
      }
      case 'blackhole':
        return found({ ...row, action: 'blackhole' });
      default:
        return foreign(routeKey(row.address, length));
    }
  },
};

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
