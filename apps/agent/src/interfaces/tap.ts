import { CniError, CniErrorCode, type ResultRoute } from '@infra-offload/cni-types';
import { InfraCniErrorCode } from '../cni/error-codes.js';
import { AgentError } from '../errors.js';
import { type Attachment, podGateway } from './attachment.js';
import { hasIpv6, IpRoute, type Link } from './iproute.js';
import { isAlive, ownNetnsPath } from './netns.js';
import type { AllocatedInterface, AttachmentCondition, PodInterfaces, PoolUsage } from './pod-interfaces.js';

/**
 * TAP interfaces that the target has made in the agent's network namespace, named by a prefix and a number. Number 0
 * leads to the node's own kernel; the others are the pool for pods.
 *
 * The pool is what is there now: a TAP whose pod's namespace was destroyed is gone, and free again as soon as the
 * target has made it anew.
 */
export class TapInterfaces implements PodInterfaces {
  readonly #prefix: string;
  readonly #taken = new Set<string>();
  readonly #host = new IpRoute();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async allocate(): Promise<AllocatedInterface> {
    const links = await this.#pool();
    // No await from here on, so that two calls never choose the same one.
    const link = links.find(({ ifname }) => !this.#taken.has(ifname));
    if (link?.address === undefined) {
      throw new CniError(
        CniErrorCode.tryAgainLater,
        `no free interface: ${this.#taken.size} are attached to pods and none of ${this.#prefix}1, ${this.#prefix}2, … is left`,
        { details: 'delete pods, or let the target make more TAP ports' },
      );
    }
    this.#taken.add(link.ifname);
    return { name: link.ifname, mac: link.address };
  }

  discard(interfaceName: string): void {
    this.#taken.delete(interfaceName);
  }

  recover(attachments: readonly Attachment[]): void {
    for (const { interfaceName } of attachments) this.#taken.add(interfaceName);
  }

  async configure(attachment: Attachment): Promise<void> {
    const { ifname, interfaceName, netns, address, mac, mtu } = attachment;
    await this.#host.run(['link', 'set', 'dev', interfaceName, 'netns', netns.path]);
    try {
      await new IpRoute(netns.path).batch([
        // First and inside, where the kernel says whether the name is free.
        `link set dev ${interfaceName} name ${ifname}`,
        ...(hasIpv6(mtu) ? [`link set dev ${ifname} addrgenmode none`] : []),
        `link set dev ${ifname} address ${mac} mtu ${mtu} up`,
        `address add ${address}/32 dev ${ifname}`,
        // Appended, so that a pod can have several interfaces; the first one's routes win.
        `route append ${podGateway}/32 dev ${ifname} scope link`,
        ...attachment.routes.map((route) => routeCommand(route, ifname)),
      ]);
    } catch (cause) {
      if (!AgentError.is(cause) || !/ name \S+: .*File exists/.test(cause.message)) throw cause;
      throw new CniError(
        InfraCniErrorCode.interfaceExists,
        `network namespace ${netns.path} already has an interface ${ifname}`,
        { cause },
      );
    }
  }

  async release(attachment: Attachment): Promise<void> {
    const { interfaceName, netns, mac } = attachment;
    const link = await this.#findInPod(attachment);
    if (link !== undefined) {
      // One command and no batch: by now the pod may have given the link any name.
      const command = ['link', 'set', 'dev', link.ifname, 'netns', ownNetnsPath, 'name', interfaceName];
      try {
        await new IpRoute(netns.path).run([...command, 'down', 'address', mac]);
      } catch (error) {
        // The namespace, and the link with it, may have gone meanwhile.
        if ((await this.#findInPod(attachment)) !== undefined) throw error;
      }
    }
    this.#taken.delete(interfaceName);
  }

  async locate(attachment: Attachment): Promise<AttachmentCondition> {
    if (!(await isAlive(attachment.netns))) return 'netns-gone';
    if ((await this.#findInPod(attachment)) !== undefined) return 'in-place';
    const pool = await this.#host.links();
    return pool.some(({ ifname }) => ifname === attachment.interfaceName) ? 'returned' : 'missing';
  }

  async check(attachment: Attachment): Promise<string[]> {
    const { ifname, netns, mac, mtu, address } = attachment;
    if (!(await isAlive(netns))) return [`network namespace ${netns.path} is gone`];
    const inside = new IpRoute(netns.path);
    const link = await inside.addresses(ifname);
    if (link === undefined) return [`interface ${ifname} is not in ${netns.path}`];
    const problems: string[] = [];
    if (link.address !== mac) problems.push(`${ifname} has MAC address ${link.address}, not ${mac}`);
    if (link.mtu !== mtu) problems.push(`${ifname} has MTU ${link.mtu}, not ${mtu}`);
    if (!link.flags.includes('UP')) problems.push(`${ifname} is down`);
    if (!link.addr_info.some((entry) => entry.local === address))
      problems.push(`${ifname} lacks address ${address}`);
    const routes = await inside.routes(ifname);
    if (!routes.some(({ dst, scope }) => dst === podGateway && scope === 'link')) {
      problems.push(`the route to ${podGateway} is missing`);
    }
    for (const { dst } of attachment.routes) {
      const wanted = dst === '0.0.0.0/0' ? 'default' : dst.replace(/\/32$/, '');
      if (!routes.some((route) => route.dst === wanted && route.gateway === podGateway)) {
        problems.push(`the route to ${dst} via ${podGateway} is missing`);
      }
    }
    return problems;
  }

  async returned(): Promise<ReadonlySet<string>> {
    const names = (await this.#pool()).map(({ ifname }) => ifname);
    return new Set(names.filter((ifname) => this.#taken.has(ifname)));
  }

  async usage(): Promise<PoolUsage> {
    const links = await this.#pool();
    return { free: links.filter(({ ifname }) => !this.#taken.has(ifname)).length, taken: this.#taken.size };
  }

  /** The pod interfaces in the agent's namespace, by number: P4TAP_2 before P4TAP_10. */
  async #pool(): Promise<Link[]> {
    const numbered = (await this.#host.links()).flatMap((link) => {
      const suffix = link.ifname.startsWith(this.#prefix) ? link.ifname.slice(this.#prefix.length) : '';
      return /^[1-9][0-9]*$/.test(suffix) ? [{ link, number: Number(suffix) }] : [];
    });
    return numbered.sort((a, b) => a.number - b.number).map(({ link }) => link);
  }

  /** Where our link is in the pod's namespace, whatever it is called there by now. */
  async #findInPod(attachment: Attachment): Promise<Link | undefined> {
    if (!(await isAlive(attachment.netns))) return undefined;
    let links: Link[];
    try {
      links = await new IpRoute(attachment.netns.path).links();
    } catch (error) {
      if (await isAlive(attachment.netns)) throw error;
      return undefined;
    }
    return (
      links.find(({ address }) => address === attachment.mac) ??
      links.find(({ ifname }) => ifname === attachment.interfaceName) ??
      // Before ADD has succeeded, the name may be that of a foreign link which made it fail.
      (attachment.phase === 'attached' ? links.find(({ ifname }) => ifname === attachment.ifname) : undefined)
    );
  }
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
