import { type Logger, pino } from 'pino';
import { afterEach, beforeEach } from 'vitest';
import type { FakeCommands } from './fake-commands.js';
import { TestNetwork } from './network.js';
import { SysfsTree } from './sysfs-tree.js';

/** Of the test that runs, in files that call {@link devicesForEachTest}. */
export let tree: SysfsTree;
/** A pod's namespace. */
export let netns: string;
/** What {@link logger} was told. */
export let log: { readonly msg: string }[];

/** Has each test of a file begin without devices, and verify in the end that the expected commands were run. */
export function devicesForEachTest(commands: FakeCommands): void {
  let network: TestNetwork;
  beforeEach(() => {
    tree = new SysfsTree();
    network = new TestNetwork();
    netns = network.addNetns('pod');
    log = [];
  });
  afterEach(() => {
    try {
      commands.verify();
    } finally {
      network.cleanUp();
      tree.remove();
    }
  });
}

/** Takes all devices away. */
export function removeDevices(): void {
  tree.remove();
  tree = new SysfsTree();
}

export const logger = (): Logger => pino({}, { write: (line: string) => void log.push(JSON.parse(line)) });
