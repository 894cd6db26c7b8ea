import { statSync } from 'node:fs';
import type { Attachment } from '../interfaces/attachment.js';
import { hasIpv6 } from '../interfaces/iproute.js';
import type { AllocatedInterface } from '../interfaces/pod-interfaces.js';

/** The attachment that an ADD of `eth0` with address 10.0.0.1 makes of an allocated interface. */
export function attachmentOf(
  { name, mac, device }: AllocatedInterface,
  netns: string,
  over: Partial<Attachment> = {},
): Attachment {
  return {
    version: 1,
    phase: 'attached',
    containerId: 'c1',
    ifname: 'eth0',
    network: 'pods',
    pod: { namespace: '', name: '' },
    interfaceName: name,
    ...(device === undefined ? {} : { device }),
    mac,
    mtu: 1450,
    netns: { path: netns, inode: String(statSync(netns).ino) },
    address: '10.0.0.1',
    routes: [{ dst: '0.0.0.0/0' }],
    ...over,
  };
}

/** What sets up the link of `attachmentOf` inside the pod, line by line. */
export function setUpLines(interfaceName: string, address: string): string[] {
  return [
    `link set dev ${interfaceName} name eth0`,
    ...(hasIpv6(1450) ? ['link set dev eth0 addrgenmode none'] : []),
    `link set dev eth0${address} mtu 1450 up`,
    'address add 10.0.0.1/32 dev eth0',
    'route append 169.254.1.1/32 dev eth0 scope link',
    'route append 0.0.0.0/0 via 169.254.1.1 dev eth0',
  ];
}
