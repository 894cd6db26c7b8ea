import { ipv4 } from './ipv4.js';
import { mac } from './mac.js';

/** What pods use as their gateway, and so an address of every node: 169.254.1.1. */
export const POD_GATEWAY = ipv4(0xa9fe_0101);

/** A MAC address for it, locally administered: 02:00:a9:fe:01:01. */
export const POD_GATEWAY_MAC = mac(0x0200_a9fe_0101);
