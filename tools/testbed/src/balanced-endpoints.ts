import { ObjectKind } from '@infra-offload/infra-api';
import type { ManagerClient } from './manager-client.js';

/** Addresses of the endpoints that take new connections of a service port, read from the device's entries. */
export async function balancedEndpoints(client: ManagerClient, servicePort: string): Promise<Set<string>> {
  const entries = await client.entries({
    table: '',
    object: { kind: ObjectKind.OBJECT_KIND_SERVICE, name: servicePort },
  });
  const addresses = new Set<string>();
  for (const { text } of entries) addresses.add(text);
  return addresses;
}
