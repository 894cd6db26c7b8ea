import { createHash } from 'node:crypto';
import type { AttachmentKey, ResultRoute } from '@infra-offload/cni-types';
import type { Pod } from '@infra-offload/infra-api';
import { formatIPv4, POD_GATEWAY } from '@infra-offload/net';
import * as z from 'zod';
import { bandwidthSchema } from './bandwidth.js';

/** The next hop of everything that leaves a pod; the pipeline answers ARP requests for it. */
export const podGateway = formatIPv4(POD_GATEWAY);

const routeSchema = z.object({
  dst: z.string(),
  gw: z.string().optional(),
  mtu: z.number().optional(),
  advmss: z.number().optional(),
  priority: z.number().optional(),
  table: z.number().optional(),
  scope: z.number().optional(),
}) satisfies z.ZodType<ResultRoute>;

/** One interface of one pod, as kept in the state directory. */
export const attachmentSchema = z.strictObject({
  version: z.literal(1),
  /** `allocated`: ADD has not been answered yet. `attached`: it succeeded. */
  phase: z.enum(['allocated', 'attached']),
  containerId: z.string(),
  ifname: z.string(),
  /** The CNI network that attached it: GC of another network leaves it alone. */
  network: z.string(),
  pod: z.object({ namespace: z.string(), name: z.string() }),
  /** The interface's name in the pool, which is how the target knows it. */
  interfaceName: z.string(),
  /** Bus and name of the device behind it, such as `pci/0000:18:01.3`, if it has one. */
  device: z.string().optional(),
  mac: z.string(),
  mtu: z.number().int(),
  /** `mark` is the id of `NamespaceMark`; attachments of older agents have none. */
  netns: z.object({ path: z.string(), inode: z.string(), mark: z.string().optional() }),
  /** IPv4, without prefix length. */
  address: z.string(),
  routes: z.array(routeSchema),
  bandwidth: bandwidthSchema.optional(),
});

export type Attachment = Readonly<z.output<typeof attachmentSchema>>;

/** `<container id>/<interface name>`: unique on the node, and the pod's name in the manager's contract. */
export function attachmentId(key: AttachmentKey): string {
  return `${key.containerId}/${key.ifname}`;
}

/** For messages: the pod, if the runtime named it, and the attachment. */
export function describeAttachment(attachment: Pick<Attachment, 'containerId' | 'ifname' | 'pod'>): string {
  const { namespace, name } = attachment.pod;
  const id = attachmentId(attachment);
  return name === '' ? `container ${id}` : `pod ${namespace}/${name} (${id})`;
}

/** The attachment as the manager has it. */
export function podOf(attachment: Attachment): Pod {
  return {
    attachmentId: attachmentId(attachment),
    namespace: attachment.pod.namespace,
    name: attachment.pod.name,
    interfaceName: attachment.interfaceName,
    mac: attachment.mac,
    addresses: [attachment.address],
  };
}

/** Longest file name that the usual file systems take, less the suffixes `.json` and `.tmp`. */
const MAX_BASE_NAME = 240;

/** The name of the attachment's state file. `:` is in neither part. */
export function attachmentFileName(key: AttachmentKey): string {
  const name = `${key.containerId}:${key.ifname}`;
  if (name.length <= MAX_BASE_NAME) return `${name}.json`;
  return `${key.containerId.slice(0, 100)}~${createHash('sha256').update(name).digest('hex')}.json`;
}
