import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@infra-offload/testbed';
import { killAll, pidsIn } from './processes.js';

const ROOT = '/sys/fs/cgroup';
/** Of version 1, and where runtimes have version 2 beside it. */
const CONTROLLERS = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'systemd',
  'unified',
];

/** The control group that all pods of a node are in, in each hierarchy of this machine. */
export class NodeCgroup {
  readonly #directories: readonly string[];

  /** @param name of one that nobody else has */
  constructor(readonly name: string) {
    this.#directories = NodeCgroup.isUnified
      ? [join(ROOT, name)]
      : CONTROLLERS.map((controller) => join(ROOT, controller)).flatMap((root) =>
          existsSync(root) ? [join(root, name)] : [],
        );
  }

  /** Whether this machine has version 2. */
  static get isUnified(): boolean {
    return existsSync(join(ROOT, 'cgroup.controllers'));
  }

  create(): void {
    for (const directory of this.#directories) mkdirSync(directory, { recursive: true });
    if (NodeCgroup.isUnified) return;
    // Empty in a new group of version 1, where nothing runs without.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      writeFileSync(join(ROOT, 'cpuset', this.name, file), readFileSync(join(ROOT, 'cpuset', file)));
    }
  }

  /** Kills what is in it, and removes it. */
  async remove(): Promise<void> {
    await eventually(`the control group ${this.name} is gone`, () => {
      for (const directory of this.#directories) {
        for (const group of groupsBelow(directory)) {
          killAll(pidsIn(join(group, 'cgroup.procs')));
          try {
            rmdirSync(group);
          } catch {
            // Not all of its processes have ended yet.
          }
        }
      }
      return this.#directories.every((directory) => !existsSync(directory)) || undefined;
    });
  }
}

/** A group and all below it, the deepest first. */
function groupsBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const below = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => groupsBelow(join(directory, entry.name)));
  return [...below, directory];
}
