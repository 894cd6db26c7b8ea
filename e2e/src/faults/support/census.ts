import { type Usage, usageOf } from '@infra-offload/faults';
import { eventually, run, type Testbed } from '@infra-offload/testbed';
import { expect } from 'vitest';

const PROGRAMS = ['agent', 'manager', 'softswitch'] as const;
/** Descriptors come and go with requests. */
const DESCRIPTORS_ASTRAY = 6;
/** A process that has worked holds more than one that has just started. */
const GROWTH = 1.5;
const GROWTH_MB = 48;

/** What there is of a node, in its tables, in the kernel, on the disk and in memory. */
export class Census {
  readonly #things: object;
  readonly #usage: ReadonlyMap<string, Usage>;

  private constructor(things: object, usage: ReadonlyMap<string, Usage>) {
    this.#things = things;
    this.#usage = usage;
  }

  static async take(bed: Testbed): Promise<Census> {
    return new Census(await thingsOf(bed), await usagesOf(bed));
  }

  /** Waits until it is so again: the same things, no more descriptors, not much more memory. Says what is not. */
  async isNow(bed: Testbed): Promise<void> {
    let found: object = {};
    await eventually('everything is as it was', async () => {
      found = await thingsOf(bed);
      return JSON.stringify(found) === JSON.stringify(this.#things) || undefined;
    }).catch(() => expect(found).toEqual(this.#things));
    await eventually('no process holds more than it did', async () => {
      const problems = this.#growthOf(await usagesOf(bed));
      if (problems.length > 0) throw new Error(problems.join('; '));
      return true;
    });
  }

  #growthOf(now: ReadonlyMap<string, Usage>): string[] {
    return [...now].flatMap(([name, { descriptors, residentMb }]) => {
      const before = this.#usage.get(name);
      if (before === undefined) return [];
      return [
        ...(descriptors > before.descriptors + DESCRIPTORS_ASTRAY
          ? [`${name}: ${descriptors} descriptors instead of ${before.descriptors}`]
          : []),
        ...(residentMb > before.residentMb * GROWTH + GROWTH_MB
          ? [`${name}: ${residentMb} MB instead of ${before.residentMb} MB`]
          : []),
      ];
    });
  }
}

async function thingsOf(bed: Testbed): Promise<object> {
  const { stdout: namespaces } = await run('ip', ['netns', 'list']);
  const { stdout: sockets } = await bed.node.run('ss', ['--listening', '--tcp', '--numeric', '--no-header']);
  return {
    tables: Object.fromEntries([...(await bed.tableSizes())].sort()),
    links: await bed.tapLinks(),
    leases: bed.leases(),
    namespaces: namespaces
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
      .filter((name) => name.startsWith(`iof-${bed.id}-`))
      .sort(),
    ports: sockets
      .split('\n')
      .flatMap((line) => line.split(/\s+/)[3] ?? [])
      .sort(),
  };
}

async function usagesOf(bed: Testbed): Promise<Map<string, Usage>> {
  const usages = new Map<string, Usage>();
  for (const name of PROGRAMS) {
    const { pid } = bed[name];
    if (pid !== undefined) usages.set(name, usageOf(pid));
  }
  usages.set('data plane', usageOf(await bed.dataplanePid()));
  return usages;
}
