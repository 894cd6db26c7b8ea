import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isSystemError } from '@infra-offload/base';

/** A network interface as sysfs has it. */
export interface Netdev {
  readonly name: string;
  readonly mac: string;
}

/**
 * What sysfs tells about network devices. It shows the interfaces of the agent's own network namespace only: those that
 * are in pods are absent, while their PCI functions and auxiliary devices stay.
 */
export class Sysfs {
  readonly #root: string;

  /** @param root other than `/sys` in tests. */
  constructor(root = '/sys') {
    this.#root = root;
  }

  /** Names in a directory; empty if it is not there. */
  async list(...path: readonly string[]): Promise<string[]> {
    return (await orAbsent(readdir(join(this.#root, ...path)))) ?? [];
  }

  /** The last part of where a link leads; undefined if it is not there. */
  async target(...path: readonly string[]): Promise<string | undefined> {
    const target = await orAbsent(readlink(join(this.#root, ...path)));
    return target === undefined ? undefined : basename(target);
  }

  /** The last but one part of where a link leads: the parent of a device that is a link in a list of devices. */
  async parentOfTarget(...path: readonly string[]): Promise<string | undefined> {
    const target = await orAbsent(readlink(join(this.#root, ...path)));
    return target?.split('/').at(-2);
  }

  /** A file's text; undefined if it is not there. */
  async text(...path: readonly string[]): Promise<string | undefined> {
    return (await orAbsent(readFile(join(this.#root, ...path), 'utf8')))?.trim();
  }

  /** An interface; undefined if it is not there (any more). */
  async netdev(name: string): Promise<Netdev | undefined> {
    const mac = await this.text('class/net', name, 'address');
    return mac === undefined ? undefined : { name, mac };
  }
}

/** Things of sysfs go at any time. EINVAL is a file where a link was expected, or an attribute without a value. */
async function orAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL')) return undefined;
    throw error;
  }
}
