import { randomBytes } from 'node:crypto';
import { NetworkNamespace } from '@infra-offload/testbed';
import { addressesOf, type LaneAddresses, NODE_ADDRESS } from './world.js';

const MACHINES = ['outside', 'far'] as const;

/** Of the node, to a machine outside. */
export const DEFAULT_ROUTE = `route add default via ${addressesOf(0).outside.address} src ${NODE_ADDRESS}`;

/** The machines of a lane beside the node, each on a wire of its own to the node's kernel. */
export type Machines = ReadonlyMap<(typeof MACHINES)[number], NetworkNamespace>;

/**
 * Adds them to a node.
 *
 * @param made hears of each namespace, which whoever calls this removes in the end
 */
export async function addMachines(
  node: NetworkNamespace,
  lane: number,
  addresses: LaneAddresses,
  made: (namespace: NetworkNamespace) => void,
): Promise<Machines> {
  const machines = new Map<(typeof MACHINES)[number], NetworkNamespace>();
  for (const name of MACHINES) {
    const namespace = await NetworkNamespace.create(`iof-${randomBytes(3).toString('hex')}-${name}`);
    made(namespace);
    machines.set(name, namespace);
    const { address, gateway } = addresses[name];
    const near = `${name}${lane}`;
    await ip(
      node,
      `link add ${near} type veth peer name eth0 netns ${namespace.name}`,
      `address add ${gateway}/32 dev ${near}`,
      `link set ${near} up`,
      `route add ${address}/32 dev ${near}`,
    );
    await ip(
      namespace,
      `address add ${address}/32 dev eth0`,
      'link set eth0 up',
      `route add ${gateway} dev eth0 scope link`,
      `route add default via ${gateway}`,
    );
  }
  return machines;
}

export async function ip(namespace: NetworkNamespace, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) await namespace.must('ip', command.split(' '));
}
