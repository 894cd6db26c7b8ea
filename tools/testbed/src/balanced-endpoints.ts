import { ObjectKind } from '@infra-offload/infra-api';
import type { ManagerClient } from './manager-client.js';

/** Members of groups share the numbers 1 to 255; an endpoint's number is its group's base plus the member's. */
const MEMBERS_PER_GROUP = 256;

/** Addresses of the endpoints that take new connections of a service port, as the device's entries say. */
export async function balancedEndpoints(client: ManagerClient, servicePort: string): Promise<Set<string>> {
  const entries = await client.entries({
    table: '',
    object: { kind: ObjectKind.OBJECT_KIND_SERVICE, name: servicePort },
  });
  const buckets = new Set<string>();
  const destinations = new Map<string, string>();
  const members = new Set<number>();
  const addresses = new Map<number, string>();
  for (const { text, installed } of entries) {
    if (!installed) continue;
    const bucket = /^tx_balance .* ptr=(\d+)\)$/.exec(text)?.[1];
    if (bucket !== undefined) buckets.add(bucket);
    const destination = /^write_dest_ip_table \S+=(\d+) -> .* ip=([\d.]+), /.exec(text);
    if (destination?.[1] && destination[2]) destinations.set(destination[1], destination[2]);
    const group = /^endpoint_selector group \d+.* \{(.*)\}$/.exec(text);
    for (const [, member] of (group?.[1] ?? '').matchAll(/(\d+)\*\d+/g)) members.add(Number(member));
    const endpoint = /^endpoint endpoint_id=(\d+) -> set_endpoint\(ip=([\d.]+), /.exec(text);
    if (endpoint?.[2]) addresses.set(Number(endpoint[1]) % MEMBERS_PER_GROUP, endpoint[2]);
  }
  if (buckets.size > 0)
    return new Set([...buckets].map((ptr) => destinations.get(ptr) ?? `pointer ${ptr} without endpoint`));
  return new Set([...members].map((member) => addresses.get(member) ?? `member ${member} without endpoint`));
}
