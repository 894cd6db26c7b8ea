import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { inspectTree } from '@infra-offload/tls-certs';
import { SetupError } from './setup-error.js';
import type { Step } from './step.js';

const run = promisify(execFile);

/** Runs a command. @throws SetupError with what it printed. */
export async function command(file: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(file, args)).stdout;
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new SetupError(`${file} ${args.join(' ')}: ${stderr || String(error)}`, { cause: error });
  }
}

/** The rights that all else takes. */
export function rootStep(): Step {
  return {
    name: 'root',
    async check() {
      if (process.getuid?.() === 0) return 'this is root';
      throw new SetupError('run it as root');
    },
  };
}

/** TAP devices can be made. */
export function tunStep(): Step {
  const device = '/dev/net/tun';
  return {
    name: 'TAP devices',
    check: async () => (existsSync(device) ? device : undefined),
    async apply() {
      await command('modprobe', ['tun']);
      if (existsSync(device)) return 'loaded the module tun';
      throw new SetupError(`the kernel module tun is loaded, and there is no ${device}`);
    },
  };
}

/**
 * Huge pages of 2 MB, at least so many.
 *
 * @param file where the kernel has their number.
 */
export function hugePagesStep(
  count: number,
  file = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
): Step {
  const present = () => {
    try {
      return Number(readFileSync(file, 'utf8'));
    } catch (cause) {
      throw new SetupError(
        `this kernel has no huge pages of 2 MB (${file}); run DPDK without them: --huge-pages 0`,
        {
          cause,
        },
      );
    }
  };
  return {
    name: 'huge pages',
    async check() {
      if (count === 0) return 'none requested';
      const pages = present();
      return pages >= count ? `${pages} of 2 MB` : undefined;
    },
    async apply(journal) {
      const before = present();
      journal.note('huge pages', String(before));
      writeFileSync(file, String(count));
      const pages = present();
      if (pages >= count) return `${pages} of 2 MB instead of ${before}`;
      throw new SetupError(
        `the kernel found memory for ${pages} of ${count}: free some memory, or run this earlier after boot`,
      );
    },
    async undo(journal) {
      const before = journal.get('huge pages');
      if (before === undefined) return undefined;
      writeFileSync(file, before);
      journal.forget('huge pages');
      return `back to ${before} of 2 MB`;
    },
  };
}

/** Certificates and keys fit each other, are valid now, and are of one authority. */
export function certificatesStep(directory: string | undefined): Step {
  return {
    name: 'certificates',
    async check() {
      if (directory === undefined) return 'none are used: connections are not protected';
      const reports = inspectTree(directory);
      const problems = reports.flatMap(({ file, problems }) =>
        problems.map((problem) => `${file}: ${problem}`),
      );
      if (problems.length > 0) throw new SetupError(problems.join('; '));
      const days = Math.min(...reports.map(({ daysLeft }) => daysLeft ?? Number.POSITIVE_INFINITY));
      return `${reports.length} in ${directory} are in order, for ${days} days`;
    },
  };
}

/** An interface is there. */
export function interfaceStep(name: string, what: string): Step {
  return {
    name: what,
    async check() {
      const path = `/sys/class/net/${name}`;
      if (!existsSync(path)) throw new SetupError(`there is no interface ${name}`);
      return name;
    },
  };
}

/** The channel between node and IPU: an address on its interface, which is up. */
export function commsChannelStep(name: string, cidr: string): Step {
  const note = `address of ${name}`;
  return {
    name: 'communication channel',
    async check() {
      const links = JSON.parse(await command('ip', ['-json', 'address', 'show', 'dev', name])) as {
        flags: string[];
        addr_info: { local: string; prefixlen: number }[];
      }[];
      const isThere = links.some(
        ({ flags, addr_info }) =>
          flags.includes('UP') && addr_info.some(({ local, prefixlen }) => `${local}/${prefixlen}` === cidr),
      );
      return isThere ? `${cidr} on ${name}` : undefined;
    },
    async apply(journal) {
      journal.note(note, cidr);
      await command('ip', ['address', 'replace', cidr, 'dev', name]);
      await command('ip', ['link', 'set', 'dev', name, 'up']);
      return `${cidr} on ${name}`;
    },
    async undo(journal) {
      const added = journal.get(note);
      if (added === undefined) return undefined;
      if (existsSync(`/sys/class/net/${name}`))
        await command('ip', ['address', 'delete', added, 'dev', name]);
      journal.forget(note);
      return `${added} removed from ${name}`;
    },
  };
}

/** Somebody listens at a TCP address. */
export function listenerStep(name: string, address: string, hint: string): Step {
  return {
    name,
    async check() {
      const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
      await new Promise<void>((resolve, reject) => {
        const socket = connect({
          host: host.replace(/^\[(.*)\]$/, '$1'),
          port: Number(port),
          timeout: 5_000,
        });
        const fail = (reason: string) => {
          socket.destroy();
          reject(new SetupError(`${address}: ${reason}. ${hint}`));
        };
        socket.once('connect', () => {
          socket.destroy();
          resolve();
        });
        socket.once('timeout', () => fail('no answer'));
        socket.once('error', ({ message }) => fail(message));
      });
      return address;
    },
  };
}

/** Files that are to be there already. */
export function filesStep(name: string, files: readonly string[], hint: string): Step {
  return {
    name,
    async check() {
      const missing = files.filter((file) => !existsSync(file));
      if (missing.length > 0) throw new SetupError(`${missing.join(', ')}: no such file. ${hint}`);
      return files.join(', ');
    },
  };
}
