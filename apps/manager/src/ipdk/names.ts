import { formatIPv4, type IPv4, ipv4 } from '@infra-offload/net';
import type { ObjectKey, PodObject, Protocol } from '../model/objects.js';

/**
 * What an IPDK agent's objects are called. Kubernetes allows no name with "~", so that they never meet those of a Sync
 * stream (see `belongsToSync`).
 */
export const IPDK = '~ipdk';

/** The sandbox of a pod: path of its network namespace, and name of the interface in there. */
export interface Sandbox {
  /** Empty when the agent did not tell it. */
  readonly netns: string;
  /** Empty when the agent did not tell it. */
  readonly interfaceName: string;
}

const BY_NETNS = `${IPDK}/netns/`;
const BY_ADDRESS = `${IPDK}/address/`;
/** What CNI calls the interface of a pod if nobody wants it otherwise. */
const DEFAULT_INTERFACE = 'eth0';

/** `~ipdk/netns/run/netns/cni-1/eth0`, or `~ipdk/address/10.244.1.7/eth0` for an agent that tells no namespace. */
export function attachmentId({ netns, interfaceName }: Sandbox, ip: IPv4): string {
  const sandbox = netns === '' ? `${BY_ADDRESS}${formatIPv4(ip)}` : BY_NETNS + netns.replace(/^\/+/, '');
  return `${sandbox}/${interfaceName || DEFAULT_INTERFACE}`;
}

/** The key of a pod whose sandbox is told in full; undefined when it is not. */
export function sandboxKey({ netns, interfaceName }: Sandbox): ObjectKey | undefined {
  return netns === '' || interfaceName === ''
    ? undefined
    : `pod/${attachmentId({ netns, interfaceName }, ipv4(0))}`;
}

/** Whether a pod lives in a network namespace, whatever its interface there is called. */
export function isInNetns(key: ObjectKey, netns: string): boolean {
  return key.slice(0, key.lastIndexOf('/')) === `pod/${BY_NETNS}${netns.replace(/^\/+/, '')}`;
}

/** Whether the agent told no network namespace of a pod. */
export function hasNoNetns(key: ObjectKey): boolean {
  return key.startsWith(`pod/${BY_ADDRESS}`);
}

/** Whether an IPDK agent wants this object. */
export function isIpdkObject(key: ObjectKey): boolean {
  return key.slice(key.indexOf('/') + 1).startsWith(`${IPDK}/`);
}

/** Whether an IPDK agent made this pod. */
export function isIpdkPod(key: ObjectKey): boolean {
  return key.startsWith(`pod/${IPDK}/`);
}

/** The key of a translation, which its frontend identifies. */
export function translationKey(address: IPv4, port: number, protocol: Protocol): ObjectKey {
  return `service/${IPDK}/${formatIPv4(address)}:${port}/${protocol}`;
}

/** Whether two pods cannot both be there: one address or one interface belongs to one pod. */
export function collide(a: PodObject, b: PodObject): boolean {
  return a.ip === b.ip || a.interfaceName === b.interfaceName;
}
