import type { SlotEndpoint, SlotMember } from '@infra-offload/lb-model';
import { transportProtocol } from '@infra-offload/net';
import type { FoundPod, FoundService } from '../driver.js';
import type { DpdkRow } from './rows.js';
import { endpointOf } from './tables/services.js';

interface Draft {
  readonly frontends: FoundService['frontends'][number][];
  readonly endpoints: SlotEndpoint[];
  members: readonly SlotMember[];
}

/** The pods that rows stand for. */
export function foundPods(rows: readonly DpdkRow[]): readonly FoundPod[] {
  return rows.flatMap((row) =>
    row.table === 'pod_forward' && row.since > 0 ? [{ ip: row.ip, mac: row.dstMac, since: row.since }] : [],
  );
}

/** The services that rows stand for: endpoints and groups are numbered by the id of their service. */
export function foundServices(rows: readonly DpdkRow[]): readonly FoundService[] {
  const drafts = new Map<number, Draft>();
  const draftOf = (id: number): Draft => {
    let draft = drafts.get(id);
    if (draft === undefined) {
      draft = { frontends: [], endpoints: [], members: [] };
      drafts.set(id, draft);
    }
    return draft;
  };
  for (const row of rows) {
    switch (row.table) {
      case 'endpoint': {
        const { group, slot } = endpointOf(row.id);
        draftOf(group).endpoints.push({ slot, address: row.ip, port: row.port });
        break;
      }
      case 'group':
        draftOf(row.id).members = row.members;
        break;
      case 'endpoint_group':
        draftOf(row.id);
        break;
      case 'service': {
        const protocol = transportProtocol(row.protocol);
        if (protocol === undefined) break;
        draftOf(row.id).frontends.push({ frontend: { address: row.ip, port: row.port }, protocol });
        break;
      }
      default:
    }
  }
  return [...drafts].map(([id, { frontends, endpoints, members }]) => ({
    id,
    frontends,
    view: { endpoints, members },
    buckets: [],
  }));
}
