import { messageOf } from '@infra-offload/base';
import type { ResultRoute } from '@infra-offload/cni-types';
import type { Logger } from 'pino';
import { type Attachment, attachmentId, podGateway } from './attachment.js';
import { type DetailedLink, IpRoute, type KernelRoute } from './iproute.js';
import { readLinkMark, readNamespaceMark } from './marks.js';
import { listNamespaces } from './namespaces.js';
import { type NetnsReference, ownNetnsInode } from './netns.js';

/** So many namespaces are looked into at once. */
const AT_ONCE = 4;

/** What else is known of an attachment, from a place that pods cannot write to. */
export type Witness = Pick<Attachment, 'network' | 'pod' | 'containerId' | 'ifname' | 'bandwidth'> & {
  readonly addresses: readonly string[];
};

/**
 * Finds attachments of this node by the marks on links in the namespaces of the node, without the state directory. Who has CAP_NET_ADMIN in
 * a pod can write such a mark himself: so what a witness confirms goes first, and nothing that two others claim is believed of
 * either.
 *
 * @param known what is attached for certain: it is left out, and nothing else gets its addresses and interfaces.
 * @param isOurs whether an interface is one that this agent gives to pods.
 */
export async function findAttachments(
  known: readonly Attachment[],
  isOurs: (attachment: Attachment) => boolean,
  witnesses: readonly Witness[],
  logger: Logger,
): Promise<Attachment[]> {
  const byId = new Map(witnesses.map((witness) => [attachmentId(witness), witness]));
  const knownIds = new Set(known.map(attachmentId));
  const unknown = (await lookEverywhere(logger)).filter(
    (found) => isOurs(found) && !knownIds.has(attachmentId(found)),
  );
  const confirmed: Attachment[] = [];
  const others: Attachment[] = [];
  for (const found of unknown) {
    const { network, pod, addresses = [], bandwidth } = byId.get(attachmentId(found)) ?? {};
    if (network === undefined || pod === undefined || !addresses.includes(found.address)) others.push(found);
    else confirmed.push({ ...found, network, pod, ...(bandwidth && { bandwidth }) });
  }
  const first = withoutRivals(confirmed, known, logger);
  return [...first, ...withoutRivals(others, [...known, ...first], logger)];
}

async function lookEverywhere(logger: Logger): Promise<Attachment[]> {
  const namespaces = await listNamespaces();
  const found: Attachment[] = [];
  const look = async () => {
    for (let netns = namespaces.pop(); netns !== undefined; netns = namespaces.pop()) {
      try {
        found.push(...(await attachmentsIn(netns)));
      } catch (error) {
        // Most likely it has gone.
        logger.debug({ netns: netns.path, reason: messageOf(error) }, 'namespace cannot be inspected');
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  return found;
}

function withoutRivals(
  found: readonly Attachment[],
  known: readonly Attachment[],
  logger: Logger,
): Attachment[] {
  return found.filter((attachment) => {
    const rival = [...known, ...found].find((other) => other !== attachment && collide(other, attachment));
    if (rival === undefined) return true;
    logger.error(
      { attachment: attachmentId(attachment), other: attachmentId(rival), netns: attachment.netns.path },
      'the mark on an interface claims something that another one has; left alone',
    );
    return false;
  });
}

function collide(a: Attachment, b: Attachment): boolean {
  return (
    attachmentId(a) === attachmentId(b) || a.address === b.address || a.interfaceName === b.interfaceName
  );
}

async function attachmentsIn(netns: NetnsReference): Promise<Attachment[]> {
  const links = await new IpRoute(netns.path).detailedLinks();
  const namespace = links.map(({ ifalias }) => readNamespaceMark(ifalias)).find((mark) => mark !== undefined);
  const found = links.map((link) => attachmentOf(link, netns, namespace));
  return (await Promise.all(found)).filter((attachment) => attachment !== undefined);
}

async function attachmentOf(
  link: DetailedLink,
  netns: NetnsReference,
  namespace: ReturnType<typeof readNamespaceMark>,
): Promise<Attachment | undefined> {
  const mark = readLinkMark(link.ifalias);
  if (mark === undefined || mark.home !== ownNetnsInode() || link.address === undefined) return undefined;
  const { home: _, device, pod = namespace?.pod ?? { namespace: '', name: '' }, ...fields } = mark;
  const routes = await new IpRoute(netns.path).routes(link.ifname);
  return {
    version: 1,
    phase: 'attached',
    ...fields,
    ...(device === undefined ? {} : { device }),
    pod,
    mac: link.address,
    mtu: link.mtu,
    netns: namespace === undefined ? netns : { ...netns, mark: namespace.id },
    routes: routes.filter(({ gateway }) => gateway === podGateway).map(routeOf),
  };
}

/** As a plugin's result has it. */
function routeOf({ dst, metric, table, metrics = [] }: KernelRoute): ResultRoute {
  const { mtu, advmss } = metrics[0] ?? {};
  const cidr = dst === 'default' ? '0.0.0.0/0' : dst;
  return {
    dst: cidr.includes('/') ? cidr : `${cidr}/32`,
    ...(mtu === undefined ? {} : { mtu }),
    ...(advmss === undefined ? {} : { advmss }),
    ...(metric === undefined ? {} : { priority: metric }),
    // A table that has a name is one of the kernel's own, or one that IPAM cannot have asked for.
    ...(table === undefined || !/^[0-9]+$/.test(table) ? {} : { table: Number(table) }),
  };
}
