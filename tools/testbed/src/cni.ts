import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { NetworkNamespace } from './netns.js';
import type { CommandResult } from './shell.js';

/** The parts of a CNI result that the testbed reads. */
export const cniResult = z.looseObject({
  cniVersion: z.string(),
  interfaces: z.array(
    z.looseObject({ name: z.string(), mac: z.string().optional(), sandbox: z.string().optional() }),
  ),
  ips: z.array(z.looseObject({ address: z.string(), gateway: z.string().optional() })),
});
export type CniResult = z.infer<typeof cniResult>;

/** An error as a CNI plugin prints it. */
export const cniError = z.looseObject({
  cniVersion: z.string(),
  code: z.number(),
  msg: z.string(),
  details: z.string().optional(),
});

export interface CniCall {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'VERSION' | 'STATUS' | 'GC';
  readonly containerId?: string;
  /** Path of the namespace. */
  readonly netns?: string;
  readonly interfaceName?: string;
  /** CNI_ARGS: `K8S_POD_NAME=…` and so on. */
  readonly args?: Readonly<Record<string, string>>;
}

/** Where Debian's and other installations keep the reference plugins. */
export function referencePlugins(): string {
  const folder = ['/usr/lib/cni', '/opt/cni/bin'].find((candidate) =>
    existsSync(join(candidate, 'host-local')),
  );
  if (!folder) throw new Error('the CNI plugin host-local is missing; install containernetworking-plugins');
  return folder;
}

/** Runs a CNI plugin as libcni does: parameters in the environment, configuration on standard input. */
export function runPlugin(
  node: NetworkNamespace,
  plugin: string,
  call: CniCall,
  configuration: string,
): Promise<CommandResult> {
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    CNI_COMMAND: call.command,
    CNI_PATH: referencePlugins(),
  };
  if (call.containerId !== undefined) env.CNI_CONTAINERID = call.containerId;
  if (call.netns !== undefined) env.CNI_NETNS = call.netns;
  if (call.interfaceName !== undefined) env.CNI_IFNAME = call.interfaceName;
  if (call.args) {
    env.CNI_ARGS = Object.entries(call.args)
      .map(([key, value]) => `${key}=${value}`)
      .join(';');
  }
  return node.run(plugin, [], { env, input: configuration, timeoutMs: 120_000 });
}
