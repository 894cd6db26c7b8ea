import { type Flow, type TracedPacket, type TraceResponse, TraceVerdict } from '@infra-offload/infra-api';
import { parseProtocol, protocolName } from '@infra-offload/net';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { WithManager } from './client.js';
import { formatAddress } from './flows.js';
import { formatColumns, parsePort, toJson } from './format.js';

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
  const columns = (steps: TraceResponse['steps']) =>
    steps.flatMap(({ lookups }) =>
      lookups.map(({ table, key, hit, action, learned }) => [
        table,
        key,
        learned ? 'learned' : hit ? 'hit' : 'miss',
        action,
      ]),
    );
  const lines = steps.flatMap((step, i) => {
    const lookups = formatColumns(columns([step])).split('\n');
    return [`${i + 1}. ${step.text}`, ...lookups.filter((line) => line !== '').map((line) => `     ${line}`)];
  });
  const head = [
    ['Packet', formatPacket(sent)],
    ...(flow === undefined ? [] : [['Flow', formatFlow(flow)]]),
  ];
  const end = [
    [VERDICTS[response.verdict], summary],
    ...(received === undefined ? [] : [['Arrives', `as ${formatPacket(received)}`]]),
    ...(remedy === '' ? [] : [['Remedy', remedy]]),
    ...notes.map((note) => ['Note', note]),
  ];
  return [formatColumns(head), '', ...lines, '', formatColumns(end)].join('\n');
}
