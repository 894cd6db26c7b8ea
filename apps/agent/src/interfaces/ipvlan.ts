import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import type { Attachment } from './attachment.js';
import { unlimitBandwidth } from './bandwidth.js';
import { type DetailedLink, IpRoute, type Link } from './iproute.js';
import { linkMark, readLinkMark } from './marks.js';
import type { AllocatedInterface, AttachmentCondition, PodInterfaces, PoolUsage } from './pod-interfaces.js';
import { checkPodLink, markPodLink, podLinks, setUpPodLink } from './pod-link.js';

/** Children that one master can have in the kernel. */
const MAX_CHILDREN = 65_533;

const HOST_NAME = 'infra_host';
const POD_PREFIX = 'infra_pod';

/**
 * ipvlan children in L3 mode on one master interface. They are made for a pod and deleted with it, so there is no pool.
 * All have the MAC address of the master; what tells them apart inside a pod is their alias, which has their name here.
 */
export class IpvlanInterfaces implements PodInterfaces {
  readonly hostInterfaceLabel: string;
  readonly #master: string;
  readonly #taken = new Set<string>();
  readonly #host = new IpRoute();
  /** Of the master when it was last seen: children go with it. */
  #masterIndex: number | undefined;

  constructor(master: string) {
    this.#master = master;
    this.hostInterfaceLabel = `interface ${HOST_NAME} on ${master}`;
  }

  async allocate(): Promise<AllocatedInterface> {
    const master = await this.#findMaster();
    if (master?.address === undefined) {
      throw new CniError(
        CniErrorCode.tryAgainLater,
        `no free interface: ${this.#taken.size} are attached to pods and there is no interface ${this.#master}`,
        { details: 'see `interface` of the configuration' },
      );
    }
    if (this.#taken.size >= MAX_CHILDREN) {
      throw new CniError(
        CniErrorCode.tryAgainLater,
        `no free interface: ${this.#taken.size} are attached to pods, the most that ${this.#master} can have`,
        { details: 'delete pods' },
      );
    }
    let number = 1;
    while (this.#taken.has(`${POD_PREFIX}${number}`)) number++;
    const name = `${POD_PREFIX}${number}`;
    this.#taken.add(name);
    return { name, mac: master.address };
  }

  discard(interfaceName: string): void {
    this.#taken.delete(interfaceName);
  }

  /** None is the target's. */
  avoid(): void {}

  recover(attachments: readonly Attachment[]): void {
    for (const { interfaceName } of attachments) this.#taken.add(interfaceName);
  }

  /** The child is made inside the pod's namespace, so that none is ever left on the node. */
  async configure(attachment: Attachment): Promise<void> {
    const { interfaceName, netns } = attachment;
    const child = ['link', this.#master, 'name', interfaceName, 'netns', netns.path];
    await this.#host.run(['link', 'add', ...child, 'type', 'ipvlan', 'mode', 'l3']);
    await setUpPodLink(attachment, undefined, [
      `link set dev ${interfaceName} alias ${linkMark(attachment) || interfaceName}`,
    ]);
  }

  async release(attachment: Attachment): Promise<void> {
    const links = (await podLinks(attachment)) ?? [];
    const link = findAmong(links, attachment);
    try {
      await unlimitBandwidth(attachment, links);
      if (link !== undefined)
        await new IpRoute(attachment.netns.path).run(['link', 'delete', 'dev', link.ifname]);
    } catch (error) {
      // The namespace, and the link with it, may have gone meanwhile.
      if ((await findInPod(attachment)) !== undefined) throw error;
    }
    this.#taken.delete(attachment.interfaceName);
  }

  check(attachment: Attachment): Promise<string[]> {
    return checkPodLink(attachment);
  }

  isOurs({ interfaceName }: Attachment): boolean {
    return /^infra_pod[1-9][0-9]*$/.test(interfaceName);
  }

  async mark(attachment: Attachment): Promise<Attachment> {
    const link = await findInPod(attachment);
    return link === undefined ? attachment : markPodLink(attachment, link);
  }

  async locate(attachment: Attachment): Promise<AttachmentCondition> {
    const links = await podLinks(attachment);
    if (links === undefined) return 'netns-gone';
    if (findAmong(links, attachment) !== undefined) return 'in-place';
    return (await this.#findMaster()) === undefined ? 'missing' : 'returned';
  }

  /** All, when the master is another one than before: `locate` tells which have really lost their interface. */
  async returned(): Promise<ReadonlySet<string>> {
    const master = await this.#findMaster();
    if (master === undefined || master.ifindex === this.#masterIndex) return new Set();
    const isNew = this.#masterIndex !== undefined;
    this.#masterIndex = master.ifindex;
    return new Set(isNew ? this.#taken : []);
  }

  async usage(): Promise<PoolUsage> {
    return { free: MAX_CHILDREN - this.#taken.size, taken: this.#taken.size };
  }

  async hostInterface(): Promise<string | undefined> {
    const links = await this.#host.links();
    if (links.some(({ ifname }) => ifname === HOST_NAME)) return HOST_NAME;
    if (!links.some(({ ifname }) => ifname === this.#master)) return undefined;
    const child = ['link', this.#master, 'name', HOST_NAME];
    await this.#host.run(['link', 'add', ...child, 'type', 'ipvlan', 'mode', 'l3']);
    return HOST_NAME;
  }

  async #findMaster(): Promise<Link | undefined> {
    return (await this.#host.links()).find(({ ifname }) => ifname === this.#master);
  }
}

/** Where our link is in the pod's namespace, whatever it is called there by now. */
async function findInPod(attachment: Attachment): Promise<DetailedLink | undefined> {
  return findAmong((await podLinks(attachment)) ?? [], attachment);
}

function findAmong(links: readonly DetailedLink[], attachment: Attachment): DetailedLink | undefined {
  const { interfaceName, ifname, phase } = attachment;
  const children = links.filter(({ linkinfo }) => linkinfo?.info_kind === 'ipvlan');
  return (
    // The name alone is what older agents have written.
    children.find(({ ifalias }) => (readLinkMark(ifalias)?.interfaceName ?? ifalias) === interfaceName) ??
    children.find((link) => link.ifname === interfaceName) ??
    // Before ADD has succeeded, the name may be that of a foreign link which made it fail.
    (phase === 'attached' ? children.find((link) => link.ifname === ifname) : undefined)
  );
}
