import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Network namespaces, TAPs and a directory of one test, under names that nobody else has. */
export class TestNetwork {
  readonly id = randomBytes(3).toString('hex');
  /** Of the TAPs. */
  readonly prefix = `t${this.id}_`;
  readonly directory = mkdtempSync(join(tmpdir(), 'infra-agent-'));
  readonly #namespaces = new Set<string>();

  /** Makes TAPs 0 to count - 1, as the target would. */
  addTaps(count: number): void {
    for (let i = 0; i < count; i++) this.addTap(i);
  }

  addTap(number: number): void {
    ip('tuntap', 'add', 'dev', `${this.prefix}${number}`, 'mode', 'tap');
  }

  removeTap(number: number): void {
    ip('link', 'delete', 'dev', `${this.prefix}${number}`);
  }

  /** Makes a namespace for a pod. @returns its path. */
  addNetns(name: string): string {
    const full = `it-${this.id}-${name}`;
    ip('netns', 'add', full);
    this.#namespaces.add(full);
    return `/var/run/netns/${full}`;
  }

  removeNetns(path: string): void {
    const name = path.slice('/var/run/netns/'.length);
    ip('netns', 'delete', name);
    this.#namespaces.delete(name);
  }

  /** Names of the TAPs in the root namespace. */
  taps(): string[] {
    return links()
      .map(({ ifname }) => ifname)
      .filter((name) => name.startsWith(this.prefix))
      .sort();
  }

  cleanUp(): void {
    for (const name of this.#namespaces) ip('netns', 'delete', name);
    // Removing a namespace removes its links a little later; those here are ours to remove.
    for (const name of this.taps()) ip('link', 'delete', 'dev', name);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface TestLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

/** Links with their addresses, of a namespace or of the root. */
export function links(netns?: string): TestLink[] {
  return JSON.parse(ipIn(netns, '-json', 'address', 'show') || '[]');
}

export function ip(...args: string[]): string {
  return ipIn(undefined, ...args);
}

export function ipIn(netns: string | undefined, ...args: string[]): string {
  const command = netns === undefined ? ['ip', ...args] : ['nsenter', `--net=${netns}`, 'ip', ...args];
  const [file = 'ip', ...words] = command;
  return execFileSync(file, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Far more than anything takes on any machine: only what never happens ends a test by it. */
const patienceMs = 90_000;

/** Waits until `condition` holds. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
