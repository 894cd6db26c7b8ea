import { CniError, CniErrorCode } from '@infra-offload/cni-types';
import type { Attachment } from './attachment.js';
import { unlimitBandwidth } from './bandwidth.js';
import type { Exhaustion, InterfacePool, PoolMember } from './interface-pool.js';
import { type DetailedLink, IpRoute } from './iproute.js';
import { linkMark } from './marks.js';
import { ownNetnsPath } from './netns.js';
import type { AllocatedInterface, AttachmentCondition, PodInterfaces, PoolUsage } from './pod-interfaces.js';
import { checkPodLink, isMarked, markPodLink, podLinks, setUpPodLink } from './pod-link.js';

/** The target may make what it does not know yet. */
const AVOID_MS = 10_000;

/**
 * Interfaces that are there already, or made beforehand, and are moved into the pods: TAPs, virtual functions,
 * subfunctions.
 *
 * The pool is what is there now. A TAP goes with its pod's namespace, and is free again as soon as the target has made it
 * anew; a device survives, and comes back to the agent's namespace under whatever name it had or the kernel chooses. It
 * gets its old name back when its pod is deleted, or when it is given away again.
 */
export class PooledInterfaces implements PodInterfaces {
  readonly #pool: InterfacePool;
  /** Names that belong to attachments. */
  readonly #taken = new Set<string>();
  /** The name in the pool of each device that was ever given away. */
  readonly #names = new Map<string, string>();
  readonly #host = new IpRoute();
  /** Until when (monotonic, milliseconds) interfaces are given to nobody. */
  readonly #avoided = new Map<string, number>();
  #growth: Promise<unknown> = Promise.resolve();

  constructor(pool: InterfacePool) {
    this.#pool = pool;
  }

  get hostInterfaceLabel(): string {
    return this.#pool.hostInterfaceLabel;
  }

  hostInterface(): Promise<string | undefined> {
    return this.#pool.hostInterface();
  }

  async allocate(): Promise<AllocatedInterface> {
    const member = this.#take(await this.#pool.members()) ?? (await this.#growAndTake());
    const { mac, device } = member;
    const name = this.#nameOf(member);
    if (device === undefined) return { name, mac };
    this.#names.set(device, name);
    try {
      await this.#bringHome(member, name, mac);
    } catch (error) {
      this.discard(name);
      throw error;
    }
    return { name, mac, device };
  }

  discard(interfaceName: string): void {
    this.#taken.delete(interfaceName);
  }

  avoid(interfaceName: string): void {
    this.#avoided.set(interfaceName, performance.now() + AVOID_MS);
  }

  recover(attachments: readonly Attachment[]): void {
    for (const { interfaceName, device } of attachments) {
      this.#taken.add(interfaceName);
      if (device !== undefined) this.#names.set(device, interfaceName);
    }
  }

  async configure(attachment: Attachment): Promise<void> {
    const { interfaceName, device, netns, mac } = attachment;
    const member = device === undefined ? undefined : await this.#findHere(device);
    if (member !== undefined) await this.#bringHome(member, interfaceName, mac);
    // In one command, so that there is no moment at which the link is in the pod and nothing tells whose it is.
    const alias = ['alias', linkMark(attachment)];
    await this.#host.run(['link', 'set', 'dev', interfaceName, ...alias, 'netns', netns.path]);
    await setUpPodLink(attachment, mac);
  }

  async release(attachment: Attachment): Promise<void> {
    const { interfaceName, device, mac, netns } = attachment;
    const links = (await podLinks(attachment)) ?? [];
    const link = findAmong(links, attachment);
    try {
      await unlimitBandwidth(attachment, links);
      if (link !== undefined) {
        // One command and no batch: by now the pod may have given the link any name.
        const command = ['link', 'set', 'dev', link.ifname, 'netns', ownNetnsPath, 'name', interfaceName];
        await new IpRoute(netns.path).run([...command, 'down', 'address', mac, 'alias', '']);
      }
    } catch (error) {
      // The namespace, and the link with it, may have gone meanwhile.
      if ((await findInPod(attachment)) !== undefined) throw error;
    }
    const member = device === undefined ? undefined : await this.#findHere(device);
    if (member !== undefined) await this.#bringHome(member, interfaceName, mac);
    this.#taken.delete(interfaceName);
  }

  async locate(attachment: Attachment): Promise<AttachmentCondition> {
    const links = await podLinks(attachment);
    if (links === undefined) return 'netns-gone';
    if (findAmong(links, attachment) !== undefined) return 'in-place';
    const members = await this.#pool.members();
    return members.some((member) => this.#nameOf(member) === attachment.interfaceName)
      ? 'returned'
      : 'missing';
  }

  check(attachment: Attachment): Promise<string[]> {
    return checkPodLink(attachment);
  }

  isOurs({ interfaceName, device }: Attachment): boolean {
    return this.#pool.mayHave(interfaceName, device);
  }

  async mark(attachment: Attachment): Promise<Attachment> {
    const link = await findInPod(attachment);
    return link === undefined ? attachment : markPodLink(attachment, link);
  }

  async returned(): Promise<ReadonlySet<string>> {
    const names = (await this.#pool.members()).map((member) => this.#nameOf(member));
    return new Set(names.filter((name) => this.#taken.has(name)));
  }

  async usage(): Promise<PoolUsage> {
    const names = (await this.#pool.members()).map((member) => this.#nameOf(member));
    return { free: names.filter((name) => !this.#taken.has(name)).length, taken: this.#taken.size };
  }

  /** There is no await in here, so that two calls never choose the same one. */
  #take(members: readonly PoolMember[]): PoolMember | undefined {
    const member = members.find((candidate) => this.#isFree(this.#nameOf(candidate)));
    if (member !== undefined) this.#taken.add(this.#nameOf(member));
    return member;
  }

  #isFree(name: string): boolean {
    return !this.#taken.has(name) && (this.#avoided.get(name) ?? 0) <= performance.now();
  }

  /**
   * One call after the other, so that each looks first whether the one before it has left something.
   *
   * @throws CniError 11
   */
  #growAndTake(): Promise<PoolMember> {
    const grown = this.#growth.then(async () => {
      const left = this.#take(await this.#pool.members());
      if (left !== undefined) return left;
      const problem = await this.#pool.grow?.();
      const made = problem === undefined ? this.#take(await this.#pool.members()) : undefined;
      if (made === undefined) throw this.#exhausted(problem ?? (await this.#explainExhaustion()));
      return made;
    });
    this.#growth = grown.catch(() => {});
    return grown;
  }

  #explainExhaustion(): Promise<Exhaustion> {
    const inPods = [...this.#names].filter(([, name]) => this.#taken.has(name));
    return this.#pool.explainExhaustion(new Set(inPods.map(([device]) => device)));
  }

  #exhausted({ reason, advice }: Exhaustion): CniError {
    const now = performance.now();
    const avoided = [...this.#avoided].filter(([name, until]) => until > now && !this.#taken.has(name));
    const unknown = avoided.map(([name]) => name).join(', ');
    const why = unknown === '' ? reason : `the target does not know ${unknown}`;
    return new CniError(
      CniErrorCode.tryAgainLater,
      `no free interface: ${this.#taken.size} are attached to pods and ${why}`,
      { details: advice },
    );
  }

  /** What it is called in the pool. */
  #nameOf({ name, device, properName }: PoolMember): string {
    return (device === undefined ? undefined : this.#names.get(device)) ?? properName ?? name;
  }

  async #findHere(device: string): Promise<PoolMember | undefined> {
    return (await this.#pool.members()).find((member) => member.device === device);
  }

  /** Gives a device that is in the agent's namespace its name and MAC address back. */
  async #bringHome(member: PoolMember, name: string, mac: string): Promise<void> {
    if (member.name === name && member.mac === mac) return;
    const rename = member.name === name ? [] : ['name', name];
    await this.#host.run(['link', 'set', 'dev', member.name, 'down', ...rename, 'address', mac]);
  }
}

/** Where our link is in the pod's namespace, whatever it is called there by now. */
async function findInPod(attachment: Attachment): Promise<DetailedLink | undefined> {
  return findAmong((await podLinks(attachment)) ?? [], attachment);
}

function findAmong(links: readonly DetailedLink[], attachment: Attachment): DetailedLink | undefined {
  return (
    links.find((link) => isMarked(link, attachment)) ??
    links.find(
      ({ parentbus, parentdev }) =>
        parentdev !== undefined && `${parentbus}/${parentdev}` === attachment.device,
    ) ??
    links.find(({ address }) => address === attachment.mac) ??
    links.find(({ ifname }) => ifname === attachment.interfaceName) ??
    // Before ADD has succeeded, the name may be that of a foreign link which made it fail. Later, a link of ours has its mark.
    (attachment.phase === 'attached' && attachment.netns.mark === undefined
      ? links.find(({ ifname }) => ifname === attachment.ifname)
      : undefined)
  );
}
