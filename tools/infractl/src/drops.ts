import { formatColumns } from '@infra-offload/base';
import type { Denial } from '@infra-offload/infra-api';
import { protocolName } from '@infra-offload/net';
import type { Command } from 'commander';
import type { ManagerClient, WithManager } from './client.js';
import { named, shortened, toJson } from './format.js';

interface DropOptions {
  readonly pod: string;
  readonly follow: boolean;
}

/** `infractl drops`. */
export function addDropsCommand(program: Command, withManager: WithManager): void {
  program
    .command('drops')
    .description('shows the packets that policies have denied lately')
    .option('--pod <namespace/name>', 'only those that this pod sent or would have received', named, '')
    .option('--follow', 'go on with what is denied from now on', false)
    .action((options: DropOptions) => withManager((manager, { output }) => show(manager, options, output)));
}

async function show(
  manager: ManagerClient,
  { pod, follow }: DropOptions,
  output: 'text' | 'json',
): Promise<void> {
  let untold = 0n;
  let isFirst = true;
  for await (const { denials, untoldPackets } of manager.denials({ follow })) {
    const fitting = denials.filter((one) => pod === '' || one.pod === pod || one.peerPod === pod);
    if (output === 'json')
      process.stdout.write(
        follow ? fitting.map((one) => `${toJson(one, 0)}\n`).join('') : `${toJson(fitting)}\n`,
      );
    else if (isFirst || fitting.length > 0) process.stdout.write(`${formatDenials(fitting, isFirst)}\n`);
    if (untoldPackets > untold)
      process.stderr.write(
        `infractl: ${untoldPackets - untold} more packets were denied, too fast to be told\n`,
      );
    untold = untoldPackets;
    isFirst = false;
  }
}

/** Denied packets, those of a kind together, as aligned columns. */
export function formatDenials(denials: readonly Denial[], withHead: boolean): string {
  const head = ['LAST', 'POD', 'DIRECTION', 'PEER', 'PROTOCOL', 'PORT', 'PACKETS', 'POLICIES'];
  return formatColumns([
    ...(withHead ? [head] : []),
    ...denials.map((one) => [
      new Date(Number(one.lastMs)).toISOString(),
      one.pod || one.podAddress,
      one.direction || '-',
      one.peerPod || one.peerAddress,
      protocolName(one.protocol)?.toLowerCase() ?? `${one.protocol}`,
      one.port === 0 ? '-' : `${one.port}`,
      `${one.packets}`,
      shortened(one.policies),
    ]),
  ]);
}
