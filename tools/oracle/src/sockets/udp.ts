import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { messageOf, type Peer, readMessage, type Side, type SocketEvent } from './protocol.js';

/** UDP sockets: one for each client, which is connected and so learns of errors, and one for each port of the server. */
export class UdpSockets {
  readonly #tell: (event: SocketEvent) => void;
  readonly #listeners = new Map<number, Socket>();
  readonly #clients = new Map<string, Socket>();
  /** Who sent the last datagram of a flow, and where it came in. */
  readonly #servers = new Map<string, { readonly socket: Socket; readonly peer: Peer }>();

  constructor(tell: (event: SocketEvent) => void) {
    this.#tell = tell;
  }

  async listen(port: number): Promise<void> {
    const socket = createSocket('udp4');
    socket.on('message', (data, { address, port: from }) => {
      const { flow, number } = readMessage(data.toString('latin1'));
      const peer = { address, port: from };
      this.#servers.set(flow, { socket, peer });
      this.#tell({ flow, side: 'server', event: 'received', number, size: data.length, peer });
    });
    // An ICMP error about an answer; sockets that are not connected are not told which.
    socket.on('error', () => undefined);
    socket.bind(port, '0.0.0.0');
    await once(socket, 'listening');
    this.#listeners.set(port, socket);
  }

  unlisten(port: number): void {
    this.#listeners.get(port)?.close();
    this.#listeners.delete(port);
  }

  async open(flow: string, to: Peer, localPort: number): Promise<void> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    this.#clients.set(flow, socket);
    const side = 'client';
    socket.on('message', (data, { address, port }) => {
      const { number } = readMessage(data.toString('latin1'));
      this.#tell({
        flow,
        side,
        event: 'received',
        number,
        size: data.length,
        peer: { address, port },
      });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#tell({ flow, side, event: 'failed', error: error.code ?? error.message });
    });
    socket.bind(localPort, '0.0.0.0');
    await once(socket, 'listening');
    socket.connect(to.port, to.address);
    await once(socket, 'connect');
  }

  send(flow: string, side: Side, number: number, size: number): void {
    const message = Buffer.from(messageOf(flow, number, size), 'latin1');
    if (side === 'client') this.#clients.get(flow)?.send(message);
    else {
      const server = this.#servers.get(flow);
      if (!server) throw new Error(`there is no server of ${flow}`);
      server.socket.send(message, server.peer.port, server.peer.address);
    }
  }

  close(flow: string): void {
    this.#clients.get(flow)?.close();
    this.#clients.delete(flow);
  }

  has(flow: string, side: Side): boolean {
    return side === 'client' ? this.#clients.has(flow) : this.#servers.has(flow);
  }
}
