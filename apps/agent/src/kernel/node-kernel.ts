import { readFile, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '@infra-offload/base';
import type { Logger } from 'pino';
import { AgentError } from '../errors.js';
import { runCommand } from '../interfaces/command.js';
import { type DirectRoute, keepDirectRoutes } from './direct-routes.js';
import { type KernelFacts, ruleset, TABLE_NAME } from './ruleset.js';

const FORWARDING_PATH = '/proc/sys/net/ipv4/ip_forward';

/** The part of the node's kernel that is beyond its interface in the data plane. */
export interface NodeKernel {
  /** Why pods do not get out, or clients outside not in; undefined if nothing is wrong. */
  readonly problem: string | undefined;
  /**
   * Brings rules, forwarding and routes to other nodes' pods in order. Never throws: pods of this node reach each other
   * without it. Calls must not overlap.
   */
  keep(facts: KernelFacts, routes: readonly DirectRoute[]): Promise<void>;
}

/** The kernel of the network namespace that the agent is in. */
export class LinuxKernel implements NodeKernel {
  readonly #logger: Logger;
  /** What the rules in force are for. */
  #facts: KernelFacts | undefined;
  #problem: string | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  async keep(facts: KernelFacts, routes: readonly DirectRoute[]): Promise<void> {
    const problems: string[] = [];
    for (const step of [() => this.#letThrough(facts), () => keepDirectRoutes(routes)]) {
      try {
        await step();
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    const problem = problems.length === 0 ? undefined : problems.join('; ');
    if (problem !== undefined && problem !== this.#problem) {
      this.#logger.error(
        { reason: problem },
        'pods may be unable to leave the cluster, and clients outside to reach it',
      );
    }
    this.#problem = problem;
  }

  /** Forwards only with the rules in force, so that nothing leaves under a pod's address, or gets in unchecked. */
  async #letThrough(facts: KernelFacts): Promise<void> {
    await this.#setRules(facts);
    await forward();
  }

  async #setRules(facts: KernelFacts): Promise<void> {
    // Whoever flushes all rules, as firewalls do, takes ours along.
    if (isDeepStrictEqual(facts, this.#facts) && (await isThere())) return;
    await load(ruleset(facts));
    this.#facts = facts;
    this.#logger.info(
      { table: TABLE_NAME, services: facts.outside.length },
      'the rules of the kernel are set',
    );
  }
}

/** Takes rules and routes away, if there are any. @throws AgentError COMMAND_FAILED */
export async function releaseKernel(): Promise<void> {
  await load(`table ip ${TABLE_NAME}\ndelete table ip ${TABLE_NAME}\n`);
  await keepDirectRoutes([]);
}

async function isThere(): Promise<boolean> {
  return (await runCommand('nft', ['list', 'chain', 'ip', TABLE_NAME, 'postrouting'])).code === 0;
}

async function load(text: string): Promise<void> {
  const { code, stderr } = await runCommand('nft', ['-f', '-'], { stdin: text });
  if (code === 0) return;
  const [first = `exit code ${code}`] = stderr.trim().split('\n');
  throw new AgentError('COMMAND_FAILED', `nft: ${first}`, { details: { command: 'nft -f -', stderr } });
}

/** As every node of Kubernetes should have it. In a container it can only be read. */
async function forward(): Promise<void> {
  if ((await readFile(FORWARDING_PATH, 'utf8')).trim() === '1') return;
  try {
    await writeFile(FORWARDING_PATH, '1');
  } catch (cause) {
    const message = `the kernel does not forward (${messageOf(cause)}): set net.ipv4.ip_forward=1 on the node`;
    throw new AgentError('COMMAND_FAILED', message, { cause });
  }
}
