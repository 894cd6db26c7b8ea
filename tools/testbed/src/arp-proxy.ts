import { ARP_PROXY } from './layout.js';
import type { NetworkNamespace } from './netns.js';

/** Moves the interface of the ARP proxy into a namespace with nothing else in it, whose kernel then answers. */
export async function startArpProxy(node: NetworkNamespace, proxy: NetworkNamespace): Promise<void> {
  const { interfaceName, mac, address } = ARP_PROXY;
  await node.must('ip', ['link', 'set', interfaceName, 'netns', proxy.name]);
  for (const command of [
    `link set dev ${interfaceName} address ${mac} up`,
    `address add ${address} dev ${interfaceName}`,
    `route add default dev ${interfaceName}`,
  ])
    await proxy.must('ip', command.split(' '));
}
