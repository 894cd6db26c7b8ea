import { NO_SLOT, type SlotEndpoint } from '@infra-offload/lb-model';
import { type IPv4, ipv4, transportProtocol } from '@infra-offload/net';
import { ES2K_BUCKETS } from '@infra-offload/p4src';
import type { Protocol } from '../../model/objects.js';
import type { FoundService } from '../driver.js';
import type { Es2kContext } from './interface.js';
import { endpointOfPointer } from './limits.js';
import type { Es2kRow } from './rows.js';

/**
 * The services that rows stand for: pointers to addresses of services are their ids, pointers to endpoints are numbered by
 * them.
 */
export function foundServices(
  { rows: made, limits }: Es2kContext,
  rows: readonly Es2kRow[],
): readonly FoundService[] {
  const addresses = new Map<number, { readonly address: IPv4; readonly port: number }>();
  const endpoints = new Map<number, SlotEndpoint[]>();
  const buckets = new Map<number, { readonly protocol: Protocol; readonly slots: number[] }>();
  for (const row of rows) {
    if (row.foreign !== undefined) continue;
    const [first, second, , fourth] = row.match;
    const { ip = 0, port = 0, ptr = 0 } = made.values(row);
    switch (row.table) {
      case 'write_source_ip_table':
        if (typeof first === 'number') addresses.set(first, { address: ipv4(ip), port });
        break;
      case 'write_dest_ip_table': {
        if (typeof first !== 'number') break;
        const { id, slot } = endpointOfPointer(limits, first);
        endpoints.set(id, [...(endpoints.get(id) ?? []), { slot, address: ipv4(ip), port }]);
        break;
      }
      case 'tx_balance': {
        const protocol = transportProtocol(Number(second));
        if (protocol === undefined) break;
        const { id, slot } = endpointOfPointer(limits, ptr);
        const known = buckets.get(id) ?? { protocol, slots: new Array<number>(ES2K_BUCKETS).fill(NO_SLOT) };
        known.slots[Number(fourth)] = slot;
        buckets.set(id, known);
        break;
      }
      default:
    }
  }
  return [...new Set([...addresses.keys(), ...endpoints.keys()])].map((id) => {
    const frontend = addresses.get(id);
    const balance = buckets.get(id);
    const active = new Set(balance?.slots.filter((slot) => slot !== NO_SLOT));
    return {
      id,
      frontends:
        frontend === undefined || balance === undefined ? [] : [{ frontend, protocol: balance.protocol }],
      view: {
        endpoints: endpoints.get(id) ?? [],
        members: [...active].map((slot) => ({ slot, weight: 1 })),
      },
      buckets: balance?.slots ?? [],
    };
  });
}
