import { CniError, type ResultRoute } from '@infra-offload/cni-types';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import { AgentError } from '../errors.js';
import { type Attachment, podGateway } from './attachment.js';
import { checkBandwidth, limitBandwidth } from './bandwidth.js';
import { type DetailedLink, hasIpv6, IpRoute } from './iproute.js';
import { linkMark, namespaceMark, newNamespaceId, readLinkMark, readNamespaceMark } from './marks.js';
import { hasSameInode } from './netns.js';

const LOOPBACK = 'lo';

/**
 * Sets up a link that is in the pod's namespace under its name of the pool: name, MTU, address, routes and limits; the namespace
 * gets its mark. `more` goes first, with the link still under the pool's name; each is a line for `ip -batch`.
 *
 * @param mac set on the link; undefined if links of the kind keep the one they have.
 * @throws CniError 100 if the pod has an interface of that name.
 */
export async function setUpPodLink(
  attachment: Attachment,
  mac: string | undefined,
  more: readonly string[] = [],
): Promise<void> {
  const { ifname, interfaceName, netns, address, mtu, routes, pod } = attachment;
  const { mark } = netns;
  try {
    await new IpRoute(netns.path).batch([
      ...(mark === undefined ? [] : [`link set dev ${LOOPBACK} alias ${namespaceMark(mark, pod)}`]),
      ...more,
      // Inside, where the kernel says whether the name is free.
      `link set dev ${interfaceName} name ${ifname}`,
      ...(hasIpv6(mtu) ? [`link set dev ${ifname} addrgenmode none`] : []),
      `link set dev ${ifname}${mac === undefined ? '' : ` address ${mac}`} mtu ${mtu} up`,
      `address add ${address}/32 dev ${ifname}`,
      // Appended, so that a pod can have several interfaces; the first one's routes win.
      `route append ${podGateway}/32 dev ${ifname} scope link`,
      ...routes.map((route) => routeCommand(route, ifname)),
    ]);
  } catch (cause) {
    if (!AgentError.is(cause) || !/ name \S+: .*File exists/.test(cause.message)) throw cause;
    throw new CniError(
      InfraCniErrorCode.interfaceExists,
      `network namespace ${netns.path} already has an interface ${ifname}`,
      { cause },
    );
  }
  await limitBandwidth(attachment);
}

/** What is not as `setUpPodLink` left it, in words. */
export async function checkPodLink(attachment: Attachment): Promise<string[]> {
  const { ifname, netns, mac, mtu, address } = attachment;
  const links = await podLinks(attachment);
  if (links === undefined) return [`network namespace ${netns.path} is gone`];
  const link = links.find((each) => each.ifname === ifname);
  if (link === undefined) return [`interface ${ifname} is not in ${netns.path}`];
  const problems: string[] = [];
  if (link.address !== mac) problems.push(`${ifname} has MAC address ${link.address}, not ${mac}`);
  if (link.mtu !== mtu) problems.push(`${ifname} has MTU ${link.mtu}, not ${mtu}`);
  if (!link.flags.includes('UP')) problems.push(`${ifname} is down`);
  if (!link.addr_info.some((entry) => entry.local === address))
    problems.push(`${ifname} lacks address ${address}`);
  const routes = await new IpRoute(netns.path).routes(ifname);
  if (!routes.some(({ dst, scope }) => dst === podGateway && scope === 'link')) {
    problems.push(`the route to ${podGateway} is missing`);
  }
  for (const { dst } of attachment.routes) {
    const wanted = dst === '0.0.0.0/0' ? 'default' : dst.replace(/\/32$/, '');
    if (!routes.some((route) => route.dst === wanted && route.gateway === podGateway)) {
      problems.push(`the route to ${dst} via ${podGateway} is missing`);
    }
  }
  return [...problems, ...(await checkBandwidth(attachment))];
}

/** All links of the pod's namespace; undefined if that is gone, whatever is at its path now. */
export async function podLinks(attachment: Attachment): Promise<DetailedLink[] | undefined> {
  const { netns } = attachment;
  if (!(await hasSameInode(netns))) return undefined;
  try {
    const links = await new IpRoute(netns.path).detailedLinks();
    return isNamespaceOf(attachment, links) ? links : undefined;
  } catch (error) {
    // It may have gone meanwhile.
    if (await hasSameInode(netns)) throw error;
    return undefined;
  }
}

/**
 * Marks the link of an attachment of an agent that knew no marks, and its namespace.
 *
 * @returns the attachment with the mark of its namespace.
 */
export async function markPodLink(attachment: Attachment, link: DetailedLink): Promise<Attachment> {
  const { netns, pod } = attachment;
  const inside = new IpRoute(netns.path);
  // It may be there of another interface of the same pod.
  const mark = markOf(await inside.detailedLinks()) ?? newNamespaceId();
  await inside.batch([
    `link set dev ${LOOPBACK} alias ${namespaceMark(mark, pod)}`,
    `link set dev ${link.ifname} alias ${linkMark(attachment)}`,
  ]);
  return { ...attachment, netns: { ...netns, mark } };
}

/** Whether a namespace with the attachment's inode is the one that it was attached in: it has its mark, or its link. */
function isNamespaceOf(attachment: Attachment, links: readonly DetailedLink[]): boolean {
  const { phase, netns } = attachment;
  // Before ADD has got so far, there is no mark.
  if (phase === 'allocated' || netns.mark === undefined) return true;
  return markOf(links) === netns.mark || links.some((link) => isMarked(link, attachment));
}

/** The mark of a namespace, by its links. */
export function markOf(links: readonly DetailedLink[]): string | undefined {
  return readNamespaceMark(links.find(({ ifname }) => ifname === LOOPBACK)?.ifalias)?.id;
}

/** Whether a link is the attachment's by its mark. */
export function isMarked({ ifalias }: DetailedLink, { containerId, ifname }: Attachment): boolean {
  const mark = readLinkMark(ifalias);
  return mark?.containerId === containerId && mark.ifname === ifname;
}

/** Whatever next hop IPAM thinks of, the pipeline is the only one there is. */
function routeCommand(route: ResultRoute, ifname: string): string {
  const words = ['route', 'append', route.dst, 'via', podGateway, 'dev', ifname];
  if (route.mtu !== undefined) words.push('mtu', String(route.mtu));
  if (route.advmss !== undefined) words.push('advmss', String(route.advmss));
  if (route.priority !== undefined) words.push('metric', String(route.priority));
  if (route.table !== undefined) words.push('table', String(route.table));
  if (route.scope !== undefined) words.push('scope', String(route.scope));
  return words.join(' ');
}
