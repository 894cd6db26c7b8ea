import { randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';
import * as z from 'zod';
import type { Attachment } from './attachment.js';

/**
 * What the agent writes onto the links in a pod, as their aliases, so that the system itself knows whose they are: an alias
 * goes with its link through namespaces, and ends with it. An agent that has lost its state directory finds its pods by it,
 * and one that has not knows by the loopback's mark whether a namespace is still the one it attached to, for inodes and paths
 * of namespaces are used again.
 */
const product = 'infra-offload';

/** Longest alias that the kernel takes (IFALIASZ, less the terminating zero). */
const maxAliasLength = 255;

/** Printable, and without what separates the parts. */
const word = z.string().regex(/^[!-{}~]+$/);

/** What Kubernetes has for names; others could be more to `ip -batch` than a word. */
const plainName = /^[A-Za-z0-9._-]+$/;

const linkMarkSchema = z
  .tuple([
    z.literal(product),
    z.literal('1'),
    word,
    z.union([word, z.literal('')]),
    word,
    z.string().refine(isIPv4),
    z.union([word, z.literal('')]),
    word,
  ])
  .transform(([, , interfaceName, device, ifname, address, network, containerId]) => ({
    interfaceName,
    device: device === '' ? undefined : device,
    ifname,
    address,
    network,
    containerId,
  }));

/** Which attachment a link in a pod is of. */
export type LinkMark = Readonly<z.output<typeof linkMarkSchema>>;

const namespaceMarkSchema = z
  .tuple([
    z.literal(product),
    z.literal('1'),
    z.string().regex(/^[0-9a-f]{16}$/),
    z.union([word, z.literal('')]),
    z.union([word, z.literal('')]),
  ])
  .transform(([, , id, namespace, name]) => ({ id, pod: { namespace, name } }));

/** Which network namespace it is, and whose. */
export type NamespaceMark = Readonly<z.output<typeof namespaceMarkSchema>>;

/** The id of a namespace that has none yet. */
export function newNamespaceId(): string {
  return randomBytes(8).toString('hex');
}

/** The alias of the attachment's link. A name of a network that leaves too little room is left out. */
export function linkMark(attachment: Attachment): string {
  const { interfaceName, device = '', ifname, address, network, containerId } = attachment;
  const mark = (name: string) =>
    [product, '1', interfaceName, device, ifname, address, name, containerId].join('|');
  return [mark(network), mark('')].find((text) => text.length <= maxAliasLength) ?? '';
}

/** The alias of the loopback in the attachment's namespace. A pod's name that is too long, or none, is left out. */
export function namespaceMark(id: string, { namespace, name }: Attachment['pod']): string {
  const mark = [product, '1', id, namespace, name].join('|');
  const fits = [namespace, name].every((part) => plainName.test(part)) && mark.length <= maxAliasLength;
  return fits ? mark : [product, '1', id, '', ''].join('|');
}

/** @returns undefined if `alias` is none of the agent's. */
export function readLinkMark(alias: string | undefined): LinkMark | undefined {
  return linkMarkSchema.safeParse(alias?.split('|')).data;
}

/** @returns undefined if `alias` is none of the agent's. */
export function readNamespaceMark(alias: string | undefined): NamespaceMark | undefined {
  return namespaceMarkSchema.safeParse(alias?.split('|')).data;
}
