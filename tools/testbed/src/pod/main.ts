/** The process inside a pod: serves and asks over TCP and UDP, as told on standard input. */

import { createInterface } from 'node:readline';
import { messageOf } from '@infra-offload/base';
import { Clients } from './clients.js';
import { Prober } from './prober.js';
import type { PodCommand, PodReply } from './protocol.js';
import { Servers } from './servers.js';

const servers = new Servers(process.argv[2] ?? 'pod');
const clients = new Clients();
let prober: Prober | undefined;

async function execute(command: PodCommand): Promise<unknown> {
  switch (command.kind) {
    case 'probe':
      prober ??= new Prober();
      return prober.send(command.probes);
    case 'flood':
      prober ??= new Prober();
      return prober.flood(command);
    case 'probed':
      prober ??= new Prober();
      return prober.received();
    case 'serve':
      return servers.serve(command.protocol, command.port);
    case 'unserve':
      return servers.unserve(command.protocol, command.port);
    case 'spread':
      return clients.spread(command, command.count, command.timeoutMs);
    case 'open':
      return clients.open(command.connection, command, command.timeoutMs);
    case 'ask':
      return clients.ask(command.connection, command.timeoutMs);
    case 'close':
      return clients.close(command.connection);
    case 'transfer':
      return clients.transfer(command, command.durationMs);
  }
}

function reply(message: PodReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, ...command } = JSON.parse(line) as PodCommand & { id: number };
    execute(command as PodCommand).then(
      (result) => reply({ id, ok: true, result: result ?? null }),
      (error: unknown) => reply({ id, ok: false, error: messageOf(error) }),
    );
  })
  .on('close', () => process.exit(0));
