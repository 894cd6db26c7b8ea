import { formatColumns } from '@infra-offload/base';
import type { Flow, FlowAddress, FlowFilter } from '@infra-offload/infra-api';
import { parseProtocol, protocolName } from '@infra-offload/net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ManagerClient, WithManager } from './client.js';
import { toJson } from './format.js';

interface FlowOptions {
  readonly pod: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: number;
  readonly state: string;
  readonly count: boolean;
  readonly end: boolean;
  readonly all: boolean;
}

const STATES = [
  'new',
  'new-brief',
  'syn-ack',
  'established',
  'fin-client',
  'fin-server',
  'closing',
  'closed',
];
/** Lines whose columns are aligned together. */
const ALIGNED = 1000;

/** `infractl flows`. */
export function addFlowsCommand(program: Command, withManager: WithManager): void {
  program
    .command('flows')
    .description('shows the connections that the data plane knows')
    .option('--pod <namespace/name>', 'only flows of this pod, as client or endpoint', '')
    .option('--service <namespace/name>', 'only flows to this service', '')
    .option('--address <address>', 'only flows with this address, of client, service or endpoint', '')
    .option('--port <number>', 'only flows with this port, of client, service or endpoint', parsePort, 0)
    .option(
      '--protocol <name>',
      'only flows of this protocol: tcp, udp, sctp, icmp, or a number',
      protocolNumber,
      0,
    )
    .addOption(new Option('--state <state>', 'only flows in this state').choices(STATES).default(''))
    .option('--count', 'show only how many there are', false)
    .option(
      '--end',
      'end these flows, so that their next packets begin new ones; requires the certificate of an agent',
      false,
    )
    .option('--all', 'with --end and no other option: end every flow', false)
    .action(({ count, end, all, ...filter }: FlowOptions) =>
      withManager(async (manager, { output }) => {
        if (end) print(output, { ended: await manager.endFlows({ filter, all }) }, 'ended');
        else await list(manager, filter, count, output);
      }),
    );
}

async function list(
  manager: ManagerClient,
  filter: FlowFilter,
  countOnly: boolean,
  output: 'text' | 'json',
): Promise<void> {
  const flows: Flow[] = [];
  let count = 0n;
  let lines = 0;
  const flush = (): void => {
    if (flows.length > 0) process.stdout.write(`${formatFlows(flows.splice(0), lines === 0)}\n`);
    lines++;
  };
  for await (const response of manager.flows({ filter, countOnly })) {
    flows.push(...response.flows);
    count = response.count;
    if (output === 'text' && flows.length >= ALIGNED) flush();
  }
  if (countOnly) print(output, { count }, 'count');
  else if (output === 'json') process.stdout.write(`${toJson(flows)}\n`);
  else flush();
}

function print<Name extends string>(output: 'text' | 'json', value: Record<Name, bigint>, name: Name): void {
  process.stdout.write(output === 'json' ? `${toJson(value)}\n` : `${value[name]}\n`);
}

/** Flows as aligned columns. */
export function formatFlows(flows: readonly Flow[], withHead: boolean): string {
  const head = ['PROTOCOL', 'CLIENT', 'SERVICE', 'ENDPOINT', 'STATE', 'IDLE', 'ENDS IN'];
  return formatColumns([
    ...(withHead ? [head] : []),
    ...flows.map(({ protocol, client, service, endpoint, state, idleMs, remainingMs }) => [
      protocolName(protocol)?.toLowerCase() ?? `${protocol}`,
      formatAddress(client),
      formatAddress(service),
      formatAddress(endpoint),
      state || '-',
      formatSeconds(idleMs),
      formatSeconds(remainingMs),
    ]),
  ]);
}

export function formatAddress(address: FlowAddress | undefined): string {
  return address === undefined ? '-' : `${address.address}:${address.port}`;
}

/** `5s`, `3m20s`, `23h59m` */
export function formatSeconds(milliseconds: bigint): string {
  const seconds = Number(milliseconds / 1000n);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 0xffff) return port;
  throw new InvalidArgumentError('expected a number from 1 to 65535');
}

function protocolNumber(text: string): number {
  const number = parseProtocol(text);
  if (number !== undefined) return number;
  throw new InvalidArgumentError('expected tcp, udp, sctp, icmp, or a number from 1 to 255');
}
