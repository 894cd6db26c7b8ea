import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import type { Attachment } from './attachment.js';
import { ownNetnsInode } from './netns.js';

/**
 * What the agent writes onto the links in a pod, as their aliases, so that the system itself knows whose they are: an alias
 * goes with its link through namespaces, and ends with it. An agent that has lost its state directory finds its pods by it,
 * and one that has not knows by the loopback's mark whether a namespace is still the one it attached to, for inodes and paths
 * of namespaces are used again.
 */
const PRODUCT = 'infra-offload';

/** Longest alias that the kernel takes (IFALIASZ, less the terminating zero). */
const MAX_ALIAS_LENGTH = 255;

/** Printable, and without what separates the parts. */
const word = z.string().regex(/^[!-{}~]+$/);
const optionalWord = z.union([word, z.literal('')]);

/** What Kubernetes has for names; others could be more to `ip -batch` than a word. */
const PLAIN_NAME = /^[A-Za-z0-9._-]+$/;

/** In the place of a pod's name that leaves no room: the namespace's mark has it. */
const ELSEWHERE = '*';

const linkMarkSchema = z
  .tuple([
    z.literal(PRODUCT),
    z.literal('1'),
    z.string().regex(/^[0-9]+$/),
    word,
    optionalWord,
    word,
    z.string().refine(isIPv4),
    optionalWord,
    word,
    optionalWord,
    optionalWord,
  ])
  .transform(([, , home, interfaceName, device, ifname, address, network, containerId, namespace, name]) => ({
    /** Inode of the network namespace that the interface is from: a machine may have several nodes, in namespaces. */
    home,
    interfaceName,
    device: device === '' ? undefined : device,
    ifname,
    address,
    network,
    containerId,
    /** Undefined if the namespace's mark has it. */
    pod: namespace === ELSEWHERE ? undefined : { namespace, name },
  }));

/** Which attachment a link in a pod is of. */
export type LinkMark = Readonly<z.output<typeof linkMarkSchema>>;

const namespaceMarkSchema = z
  .tuple([z.literal(PRODUCT), z.literal('1'), z.string().regex(/^[0-9a-f]{16}$/), optionalWord, optionalWord])
  .transform(([, , id, namespace, name]) => ({ id, pod: { namespace, name } }));

/** Which network namespace it is, and whose. */
export type NamespaceMark = Readonly<z.output<typeof namespaceMarkSchema>>;

/** The id of a namespace that has none yet. */
export function newNamespaceId(): string {
  return randomBytes(8).toString('hex');
}

/** The alias of the attachment's link. What leaves too little room is left out: the pod's name, then the network's. */
export function linkMark(attachment: Attachment): string {
  const { interfaceName, device = '', ifname, address, network, containerId, pod } = attachment;
  const mark = (networkName: string, ...podName: readonly string[]) =>
    [
      PRODUCT,
      '1',
      ownNetnsInode(),
      interfaceName,
      device,
      ifname,
      address,
      networkName,
      containerId,
      ...podName,
    ].join('|');
  const marks = [
    mark(network, pod.namespace, pod.name),
    mark(network, ELSEWHERE, ELSEWHERE),
    mark('', ELSEWHERE, ELSEWHERE),
  ];
  return marks.find((text) => text.length <= MAX_ALIAS_LENGTH && readLinkMark(text) !== undefined) ?? '';
}

/** The alias of the loopback in the attachment's namespace. A pod's name that is too long, or none, is left out. */
export function namespaceMark(id: string, { namespace, name }: Attachment['pod']): string {
  const mark = [PRODUCT, '1', id, namespace, name].join('|');
  const fits = [namespace, name].every((part) => PLAIN_NAME.test(part)) && mark.length <= MAX_ALIAS_LENGTH;
  return fits ? mark : [PRODUCT, '1', id, '', ''].join('|');
}

/** @returns undefined if `alias` is none of the agent's. */
export function readLinkMark(alias: string | undefined): LinkMark | undefined {
  return safeParse(linkMarkSchema, alias?.split('|')).data;
}

/** @returns undefined if `alias` is none of the agent's. */
export function readNamespaceMark(alias: string | undefined): NamespaceMark | undefined {
  return safeParse(namespaceMarkSchema, alias?.split('|')).data;
}
