import { formatColumns } from '@infra-offload/base';
import type { Flow, TracedPacket, TraceResponse, TraceStep } from '@infra-offload/infra-api';
import { parseProtocol, protocolName } from '@infra-offload/net';
import { type Command, Option } from 'commander';
import type { WithManager } from './client.js';
import { formatAddress, formatSeconds, parsePort } from './flows.js';
import { toJson } from './format.js';

interface TraceOptions {
  readonly from: string;
  readonly to: { readonly to: string; readonly port: number };
  readonly protocol?: string;
  readonly sourcePort: number;
}

const PROTOCOLS = ['tcp', 'udp', 'sctp', 'icmp'];

/** `infractl trace`. */
export function addTraceCommand(program: Command, withManager: WithManager): void {
  program
    .command('trace')
    .description('says what would happen to a packet, by the tables of the device and without sending it')
    .requiredOption('--from <namespace/name>', 'the pod of this node that sends it')
    .requiredOption(
      '--to <name|address[:port]>',
      'namespace/name of a pod or service, or an IPv4 address, such as default/web:80',
      parseDestination,
    )
    .addOption(
      new Option('--protocol <name>', "the service's only one by default, or else tcp").choices(PROTOCOLS),
    )
    .option(
      '--source-port <number>',
      'a packet of the flow with this source port (icmp: identifier), if there is one',
      parsePort,
      0,
    )
    .action(({ from, to: destination, protocol, sourcePort }: TraceOptions) =>
      withManager(async (manager, { output }) => {
        const number = protocol === undefined ? 0 : (parseProtocol(protocol) ?? 0);
        const request = { from, ...destination, protocol: number, sourcePort };
        const response = await manager.trace(request);
        process.stdout.write(`${output === 'json' ? toJson(response) : formatTrace(response)}\n`);
      }),
    );
}

/** What a packet meets, and at the end what becomes of it. */
export function formatTrace(response: TraceResponse): string {
  const { sent, received, flow, steps, summary, remedy, notes } = response;
  const head = [['Packet', formatPacket(sent)], ...(flow === undefined ? [] : [['Flow', formatFlow(flow)]])];
  const end = [
    ['Verdict', summary],
    ...(received === undefined ? [] : [['Arrives', `as ${formatPacket(received)}`]]),
    ...(remedy === '' ? [] : [['Remedy', remedy]]),
    ...notes.map((note) => ['Note', note]),
  ];
  return [formatColumns(head), '', ...steps.map(formatStep), '', formatColumns(end)].join('\n');
}

function formatStep({ text, lookups }: TraceStep): string {
  const rows = lookups.map(({ table, key, hit, action, learned }) => [
    `  ${table}`,
    key,
    learned ? 'learned' : hit ? 'hit' : 'miss',
    action,
  ]);
  return rows.length === 0 ? `- ${text}` : `- ${text}\n${formatColumns(rows)}`;
}

function formatPacket(packet: TracedPacket | undefined): string {
  if (packet === undefined) return '-';
  const name = protocolName(packet.protocol)?.toLowerCase() ?? `${packet.protocol}`;
  return `${name} ${formatAddress(packet.source)} -> ${formatAddress(packet.destination)}`;
}

function formatFlow({ client, service, endpoint, state, idleMs }: Flow): string {
  const path = [client, service, endpoint].filter((address) => address !== undefined).map(formatAddress);
  return `${path.join(' -> ')}, ${state || 'state not told'}, idle for ${formatSeconds(idleMs)}`;
}

function parseDestination(text: string): TraceOptions['to'] {
  const [, to = text, port = '0'] = /^(.*):(\d+)$/.exec(text) ?? [];
  return { to, port: port === '0' ? 0 : parsePort(port) };
}
