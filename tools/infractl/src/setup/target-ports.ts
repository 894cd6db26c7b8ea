import { existsSync } from 'node:fs';
import { type GnmiClient, P4rtError } from '@infra-offload/p4rt';
import { command } from './node-steps.js';
import { SetupError } from './setup-error.js';
import type { Step } from './step.js';

export interface TargetPortsOptions {
  readonly gnmi: GnmiClient;
  /** Ports are called by it and a number from 0. */
  readonly prefix: string;
  /** A power of two: the pipeline takes no other number of ports. */
  readonly count: number;
  readonly mtu: number;
}

const leaf = (port: string, name: string) => `interfaces/virtual-interface[name=${port}]/config/${name}`;

/** TAP ports of the target, made through gNMI where it does not have them yet. */
export function targetPortsStep({ gnmi, prefix, count, mtu }: TargetPortsOptions): Step {
  const ports = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  const missing = async () => {
    const known = await Promise.all(ports.map((port) => isKnown(gnmi, port)));
    return ports.filter((_, i) => known[i] === false);
  };
  return {
    name: 'ports of the target',
    async check() {
      return (await missing()).length === 0 ? `${count}, ${prefix}0 to ${prefix}${count - 1}` : undefined;
    },
    async apply() {
      const wanted = await missing();
      // One by one, as the target takes them, and in order, which gives them their numbers.
      for (const port of wanted) {
        await gnmi.set({
          update: [
            { path: leaf(port, 'pipeline-name'), value: 'pipe' },
            { path: leaf(port, 'mempool-name'), value: 'MEMPOOL0' },
            { path: leaf(port, 'mtu'), value: mtu },
            { path: leaf(port, 'port-type'), value: 'TAP' },
          ],
        });
      }
      return `created ${wanted.join(', ')}; they disappear with the target`;
    },
  };
}

/** The kernel's side of the ports has the MTU that pods are to have. */
export function portMtuStep({ prefix, count, mtu }: Omit<TargetPortsOptions, 'gnmi'>): Step {
  const ports = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  const wrong = async () => {
    const links = JSON.parse(await command('ip', ['-json', 'link', 'show'])) as {
      ifname: string;
      mtu: number;
    }[];
    const known = new Map(links.map((link) => [link.ifname, link.mtu]));
    return ports.filter((port) => existsSync(`/sys/class/net/${port}`) && known.get(port) !== mtu);
  };
  return {
    name: 'MTU of the ports',
    check: async () => ((await wrong()).length === 0 ? String(mtu) : undefined),
    async apply() {
      const changed = await wrong();
      for (const port of changed) await command('ip', ['link', 'set', 'dev', port, 'mtu', String(mtu)]);
      return `${mtu} on ${changed.join(', ')}`;
    },
  };
}

async function isKnown(gnmi: GnmiClient, port: string): Promise<boolean> {
  try {
    return (await gnmi.get([leaf(port, 'tdi-portin-id')])).length > 0;
  } catch (error) {
    if (P4rtError.is(error) && error.code === 'NOT_FOUND') return false;
    throw new SetupError(
      `gNMI of the target at ${gnmi.address}: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
}
