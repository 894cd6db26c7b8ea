import { existsSync } from 'node:fs';
import { AgentError } from '../errors.js';
import { runCommand } from './command.js';

/** IPv6 wants links of at least this MTU; below it the kernel has no IPv6 settings for the link. */
const MIN_IPV6_MTU = 1280;

/** Whether links of this MTU have IPv6 settings. There is no IPv6 in the data plane; without addresses none is sent. */
export function hasIpv6(mtu: number): boolean {
  return mtu >= MIN_IPV6_MTU && existsSync('/proc/sys/net/ipv6');
}

/** A link as `ip -json link show` tells it, as far as it is used here. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  /** The MAC address, on Ethernet links. */
  readonly address?: string;
  readonly ifalias?: string;
}

/** What `ip -details` tells of a link beside that. */
export interface DetailedLink extends LinkWithAddresses {
  /** Bus and name of the device behind the link, for instance `pci` and `0000:18:01.3`; from Linux 5.14 on. */
  readonly parentbus?: string;
  readonly parentdev?: string;
  /** `info_kind` is the type of a virtual link, for instance `ipvlan`. */
  readonly linkinfo?: { readonly info_kind?: string };
}

/** An address of a link, as `ip -json address show` tells it. */
export interface LinkAddress {
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
}

export interface LinkWithAddresses extends Link {
  readonly addr_info: readonly LinkAddress[];
}

/** A route of the main table, as `ip -json route show` tells it. */
export interface KernelRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly scope?: string;
  readonly metric?: number;
  /** Name or number; absent for `main`. */
  readonly table?: string;
  readonly metrics?: readonly { readonly mtu?: number; readonly advmss?: number }[];
  /** Who has made it: a name, or a number for those that have none. */
  readonly protocol?: string;
}

/** A queueing discipline as `tc -json qdisc show` tells it. */
export interface Queue {
  readonly kind: string;
}

/** The programs of iproute2 that take commands alike. */
type Tool = 'ip' | 'tc';

/**
 * iproute2 in one network namespace: the agent's own (no path), or that at a path. Commands inside another namespace
 * run under nsenter, which takes any path, unlike `ip -netns`.
 */
export class IpRoute {
  readonly #prefix: readonly string[];

  constructor(netns?: string) {
    this.#prefix = netns === undefined ? [] : ['nsenter', `--net=${netns}`];
  }

  /** All links. */
  async links(): Promise<Link[]> {
    return this.#json<Link>(['-json', 'link', 'show']);
  }

  /** All links, with their addresses, and what is behind them. */
  async detailedLinks(): Promise<DetailedLink[]> {
    return this.#json<DetailedLink>(['-details', '-json', 'address', 'show']);
  }

  /** All links, with their addresses of both families. */
  async linksWithAddresses(): Promise<LinkWithAddresses[]> {
    return this.#json<LinkWithAddresses>(['-json', 'address', 'show']);
  }

  /** IPv4 routes through a link, of all tables but `local`. */
  async routes(ifname: string): Promise<KernelRoute[]> {
    const routes = await this.#json<KernelRoute>([
      '-json',
      '-4',
      'route',
      'show',
      'table',
      'all',
      'dev',
      ifname,
    ]);
    return routes.filter((route) => route.table !== 'local');
  }

  /** IPv4 routes of the main table that one program has made. */
  async routesOf(protocol: string): Promise<KernelRoute[]> {
    return this.#json<KernelRoute>(['-json', '-4', 'route', 'show', 'proto', protocol]);
  }

  /** Queueing disciplines of a link. */
  async queues(ifname: string): Promise<Queue[]> {
    return this.#json<Queue>(['-json', 'qdisc', 'show', 'dev', ifname], 'tc');
  }

  /** Runs one command, for instance `['link', 'set', 'dev', 'eth0', 'up']`. */
  async run(args: readonly string[]): Promise<void> {
    await this.#execute(args, undefined);
  }

  /**
   * Runs several commands in one process, in order, up to the first that fails. Words must not have characters that
   * `ip -batch` treats specially: white space, quotes, `#`, backslash.
   *
   * @throws AgentError COMMAND_FAILED that names the command which failed.
   */
  async batch(commands: readonly string[], tool: Tool = 'ip'): Promise<void> {
    await this.#execute(['-batch', '-'], commands, tool);
  }

  async #json<T>(args: readonly string[], tool?: Tool): Promise<T[]> {
    const text = (await this.#execute(args, undefined, tool)).trim();
    // Nothing at all is what ip prints for an empty list in some versions.
    return text === '' ? [] : (JSON.parse(text) as T[]);
  }

  async #execute(
    args: readonly string[],
    batch: readonly string[] | undefined,
    tool: Tool = 'ip',
  ): Promise<string> {
    const [file = tool, ...words] = [...this.#prefix, tool, ...args];
    const { code, stdout, stderr } = await runCommand(file, words, { stdin: batch?.join('\n') });
    if (code === 0) return stdout;
    const failedLine = Number(/Command failed -:(\d+)/.exec(stderr)?.[1]);
    const command = batch?.[failedLine - 1] ?? words.join(' ');
    const reason = stderr
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('Command failed'))
      .join('; ');
    throw new AgentError('COMMAND_FAILED', `${file} ${command}: ${reason || `exit code ${code}`}`, {
      details: { command: [file, ...words].join(' '), stderr },
    });
  }
}
