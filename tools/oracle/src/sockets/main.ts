/** The process with a pod's sockets: does what it is told on standard input, and tells what they see. */

import { createInterface } from 'node:readline';
import { messageOf } from '@infra-offload/base';
import type { SocketCommand, SocketMessage } from './protocol.js';
import { SctpSockets } from './sctp.js';
import { TcpSockets } from './tcp.js';
import { UdpSockets } from './udp.js';

const tell = (message: SocketMessage) => process.stdout.write(`${JSON.stringify(message)}\n`);
const tcp = new TcpSockets(tell);
const udp = new UdpSockets(tell);
const sctp = new SctpSockets(tell);
const sockets = { tcp, udp, sctp };

async function execute(command: SocketCommand): Promise<void> {
  switch (command.kind) {
    case 'listen':
      return sockets[command.protocol].listen(command.port);
    case 'unlisten':
      return sockets[command.protocol].unlisten(command.port);
    case 'open':
      return sockets[command.protocol].open(command.flow, command.to, command.localPort);
    case 'send': {
      const { flow, side, number, size } = command;
      if (sctp.has(flow, side)) return sctp.send(flow, number, size);
      return (udp.has(flow, side) ? udp : tcp).send(flow, side, number, size);
    }
    case 'end':
      return tcp.end(command.flow, command.side);
    case 'close': {
      const { flow, side } = command;
      if (sctp.has(flow, side)) return sctp.close(flow);
      return udp.has(flow, side) ? udp.close(flow) : tcp.close(flow, side);
    }
    case 'reset':
      return tcp.reset(command.flow, command.side);
    case 'vanish':
      return tcp.vanish(command.flow, command.side);
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, ...command } = JSON.parse(line) as SocketCommand & { id: number };
    execute(command as SocketCommand).then(
      () => tell({ id, ok: true }),
      (error: unknown) => tell({ id, ok: false, error: messageOf(error) }),
    );
  })
  .on('close', () => process.exit(0));
