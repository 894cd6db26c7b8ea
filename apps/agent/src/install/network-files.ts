import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RESULT_CACHE_DIRECTORY, removeResults } from '../cni/result-cache.js';
import { NETWORK_NAME } from './cni-configuration.js';

/** Where host-local keeps who has which address, by network, unless a configuration says otherwise. */
const LEASES_DIRECTORY = '/var/lib/cni/networks';

/**
 * Takes away what IPAM and the runtime remember of the pods of the agent's own network. No plugin will be asked to
 * detach those that still run, so nobody else would.
 *
 * @param root what the paths of the node are below here: /host in a container.
 */
export async function removeNetworkFiles(root: string): Promise<void> {
  await rm(join(root, LEASES_DIRECTORY, NETWORK_NAME), { recursive: true, force: true });
  await removeResults(join(root, RESULT_CACHE_DIRECTORY), NETWORK_NAME);
}
