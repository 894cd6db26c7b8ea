import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf, type Peer, readMessage, type Side, type SocketEvent } from './protocol.js';
import { vanish } from './vanish.js';

const GREETING = 'hello';
/** Pause before a port is asked for again that the kernel has not given back yet. */
const AGAIN_MS = 5;

/** TCP sockets by flow and side. */
export class TcpSockets {
  readonly #tell: (event: SocketEvent) => void;
  readonly #servers = new Map<number, Server>();
  readonly #sockets = new Map<string, Socket>();
  /** Those of which was told that they have failed, perhaps while the next command was under way. */
  readonly #failed = new Set<string>();

  constructor(tell: (event: SocketEvent) => void) {
    this.#tell = tell;
  }

  async listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    server.listen(port, '0.0.0.0');
    await once(server, 'listening');
    this.#servers.set(port, server);
  }

  /** Connections go on. */
  unlisten(port: number): void {
    this.#servers.get(port)?.close();
    this.#servers.delete(port);
  }

  open(flow: string, to: Peer, localPort: number): void {
    const socket = connect({
      host: to.address,
      port: to.port,
      localPort,
      allowHalfOpen: true,
      noDelay: true,
    });
    this.#sockets.set(keyOf(flow, 'client'), socket);
    this.#failed.delete(keyOf(flow, 'client'));
    socket.on('connect', () => socket.write(`${flow}\n`));
    this.#watch(socket, flow, 'client', (error) => {
      // The flow that had the port before is closing: its last packet is on the way.
      if (error !== 'EADDRNOTAVAIL') return false;
      setTimeout(() => {
        if (this.#sockets.get(keyOf(flow, 'client')) === socket) this.open(flow, to, localPort);
      }, AGAIN_MS);
      return true;
    });
    readLines(socket, (line) => this.#onLine(flow, 'client', line, to));
  }

  send(flow: string, side: Side, number: number, size: number): void {
    this.#get(flow, side)?.write(`${messageOf(flow, number, size - 1)}\n`);
  }

  end(flow: string, side: Side): void {
    this.#get(flow, side)?.end();
  }

  close(flow: string, side: Side): void {
    this.#take(flow, side)?.destroy();
  }

  reset(flow: string, side: Side): void {
    this.#take(flow, side)?.resetAndDestroy();
  }

  vanish(flow: string, side: Side): void {
    const socket = this.#take(flow, side);
    if (socket) vanish(socket);
  }

  has(flow: string, side: Side): boolean {
    return this.#sockets.has(keyOf(flow, side));
  }

  #accept(socket: Socket): void {
    const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    // Until it has said which flow it is, nobody misses it.
    const early = () => socket.destroy();
    socket.on('error', early);
    let flow: string | undefined;
    readLines(socket, (line) => {
      if (flow === undefined) {
        flow = line;
        this.#sockets.set(keyOf(flow, 'server'), socket);
        socket.off('error', early);
        this.#watch(socket, flow, 'server', () => false);
        this.#tell({ flow, side: 'server', event: 'accepted', peer });
        socket.write(`${GREETING}\n`);
      } else this.#onLine(flow, 'server', line, peer);
    });
  }

  #onLine(flow: string, side: Side, line: string, peer: Peer): void {
    if (line === GREETING) this.#tell({ flow, side, event: 'greeted' });
    else {
      const { number } = readMessage(line);
      this.#tell({ flow, side, event: 'received', number, size: line.length + 1, peer });
    }
  }

  #watch(socket: Socket, flow: string, side: Side, handled: (error: string) => boolean): void {
    socket.on('end', () => this.#tell({ flow, side, event: 'ended' }));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? error.message;
      if (handled(code)) return;
      this.#sockets.delete(keyOf(flow, side));
      this.#failed.add(keyOf(flow, side));
      this.#tell({ flow, side, event: 'failed', error: code });
    });
  }

  /** Undefined if it has failed. */
  #get(flow: string, side: Side): Socket | undefined {
    const socket = this.#sockets.get(keyOf(flow, side));
    if (!socket && !this.#failed.has(keyOf(flow, side))) throw new Error(`there is no ${side} of ${flow}`);
    return socket;
  }

  #take(flow: string, side: Side): Socket | undefined {
    const socket = this.#sockets.get(keyOf(flow, side));
    this.#sockets.delete(keyOf(flow, side));
    return socket;
  }
}

function keyOf(flow: string, side: Side): string {
  return `${flow}/${side}`;
}

function readLines(socket: Socket, onLine: (line: string) => void): void {
  let buffered = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    buffered += text;
    for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      onLine(line);
    }
  });
}
