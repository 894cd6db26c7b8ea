import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Answer, Protocol } from './protocol.js';

/** First byte of a TCP connection: one question a line, or an echo of everything. */
export const ECHO_MODE = 'E';
export const ASK_MODE = 'A';

/** The servers of one pod. */
export class Servers {
  readonly #name: string;
  readonly #tcp = new Map<number, Server>();
  readonly #udp = new Map<number, UdpSocket>();

  constructor(name: string) {
    this.#name = name;
  }

  async serve(protocol: Protocol, port: number): Promise<void> {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        const answer = this.#answer(socket.remoteAddress, socket.remotePort);
        socket.setNoDelay(true);
        socket.on('error', () => socket.destroy());
        socket.once('data', (first: Buffer) => {
          if (first.toString('latin1', 0, 1) === ECHO_MODE) {
            socket.write(`${JSON.stringify({ server: this.#name })}\n`);
            if (first.length > 1) socket.write(first.subarray(1));
            socket.pipe(socket);
            return;
          }
          const questions = (data: Buffer) => {
            for (const byte of data) if (byte === 0x0a) socket.write(answer);
          };
          questions(first);
          socket.on('data', questions);
        });
      });
      server.listen(port, '0.0.0.0');
      await once(server, 'listening');
      this.#tcp.set(port, server);
    } else {
      const socket = createSocket('udp4');
      socket.on('message', (_message, from) => {
        socket.send(this.#answer(from.address, from.port), from.port, from.address);
      });
      socket.bind(port, '0.0.0.0');
      await once(socket, 'listening');
      this.#udp.set(port, socket);
    }
  }

  async unserve(protocol: Protocol, port: number): Promise<void> {
    const server = protocol === 'tcp' ? this.#tcp.get(port) : this.#udp.get(port);
    if (!server) throw new Error(`${this.#name} does not serve ${protocol} port ${port}`);
    if (protocol === 'tcp') this.#tcp.delete(port);
    else this.#udp.delete(port);
    server.close();
  }

  #answer(address: string | undefined, port: number | undefined): string {
    const answer: Answer = { server: this.#name, clientAddress: address ?? '', clientPort: port ?? 0 };
    return `${JSON.stringify(answer)}\n`;
  }
}
