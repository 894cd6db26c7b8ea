import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { messageOf } from '@infra-offload/base';
import { ByteReader } from './byte-reader.js';
import type { Answer, Spread, Target, Transfer } from './protocol.js';
import { ASK_MODE, ECHO_MODE } from './servers.js';

/** Something that can be asked who is at the other end. */
interface Connection {
  ask(timeoutMs: number): Promise<Answer>;
  close(): void;
}

/** Rejects with `what` when `promise` takes too long. */
async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function openTcp({ address, port, localPort }: Target, timeoutMs: number): Promise<Connection> {
  const socket = connect({
    host: address,
    port,
    noDelay: true,
    ...(localPort === undefined ? {} : { localPort }),
  });
  let buffered = '';
  let failure: Error | undefined;
  const waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  socket.on('error', (error: NodeJS.ErrnoException) => fail(new Error(error.code ?? error.message)));
  socket.on('close', () => fail(new Error('closed')));
  socket.setEncoding('utf8').on('data', (text: string) => {
    buffered += text;
    for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n')) {
      waiting.shift()?.resolve(JSON.parse(buffered.slice(0, end)) as Answer);
      buffered = buffered.slice(end + 1);
    }
  });
  try {
    await within(timeoutMs, 'connect timeout', once(socket, 'connect'));
  } catch (error) {
    socket.destroy();
    throw failure ?? error;
  }
  let first = true;
  return {
    ask: (askTimeoutMs) =>
      within(
        askTimeoutMs,
        'answer timeout',
        new Promise<Answer>((resolve, reject) => {
          if (failure) reject(failure);
          waiting.push({ resolve, reject });
          socket.write(first ? `${ASK_MODE}\n` : '\n');
          first = false;
        }),
      ),
    close: () => (localPort === undefined ? socket.destroy() : socket.resetAndDestroy()),
  };
}

async function openUdp({ address, port, localPort }: Target): Promise<Connection> {
  const socket = createSocket('udp4');
  const waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  socket.on('message', (message, from) => {
    const asked = waiting.shift();
    // An unconnected socket takes answers from anybody; the right one comes from where the question went.
    if (from.address === address && from.port === port)
      asked?.resolve(JSON.parse(message.toString()) as Answer);
    else asked?.reject(new Error(`answer from ${from.address}:${from.port}`));
  });
  socket.bind(localPort ?? 0, '0.0.0.0');
  await once(socket, 'listening');
  return {
    ask: (timeoutMs) =>
      within(
        timeoutMs,
        'answer timeout',
        new Promise<Answer>((resolve, reject) => {
          waiting.push({ resolve, reject });
          socket.send('\n', port, address);
        }),
      ),
    close: () => socket.close(),
  };
}

function open(target: Target, timeoutMs: number): Promise<Connection> {
  return target.protocol === 'tcp' ? openTcp(target, timeoutMs) : openUdp(target);
}

/** Bytes that are different at every place, so that lost, doubled and swapped data shows. */
function pattern(index: number, size = 1024): Buffer {
  const seed = createHash('sha256').update(String(index)).digest();
  return Buffer.alloc(size, seed);
}

/** The clients of one pod. */
export class Clients {
  readonly #connections = new Map<string, Connection>();

  async spread(target: Target, count: number, timeoutMs: number): Promise<Spread> {
    const servers: Record<string, number> = {};
    const failures: Record<string, number> = {};
    const clientAddresses = new Set<string>();
    const one = async () => {
      try {
        const connection = await open(target, timeoutMs);
        try {
          const answer = await connection.ask(timeoutMs);
          servers[answer.server] = (servers[answer.server] ?? 0) + 1;
          clientAddresses.add(answer.clientAddress);
        } finally {
          connection.close();
        }
      } catch (error) {
        const message = messageOf(error);
        failures[message] = (failures[message] ?? 0) + 1;
      }
    };
    // A few at a time: the pods share one machine.
    const batch = 16;
    for (let done = 0; done < count; done += batch) {
      await Promise.all(Array.from({ length: Math.min(batch, count - done) }, one));
    }
    return { servers, failures, clientAddresses: [...clientAddresses] };
  }

  async open(name: string, target: Target, timeoutMs: number): Promise<Answer> {
    const connection = await open(target, timeoutMs);
    this.#connections.set(name, connection);
    return connection.ask(timeoutMs);
  }

  ask(name: string, timeoutMs: number): Promise<Answer> {
    return this.#get(name).ask(timeoutMs);
  }

  async close(name: string): Promise<void> {
    this.#get(name).close();
    this.#connections.delete(name);
  }

  async transfer(target: Target, durationMs: number): Promise<Transfer> {
    const socket = connect({ host: target.address, port: target.port, noDelay: true });
    await within(5_000, 'connect timeout', once(socket, 'connect'));
    const reader = new ByteReader(socket);
    socket.write(ECHO_MODE);
    const greeting = await within(5_000, 'no greeting', reader.line());
    const { server } = JSON.parse(greeting) as { server: string };
    const deadline = Date.now() + durationMs;
    let bytes = 0;
    let longestGapMs = 0;
    let lastData = Date.now();
    try {
      for (let index = 0; Date.now() < deadline; index++) {
        const sent = pattern(index);
        socket.write(sent);
        const received = await within(
          20_000,
          `no echo for 20 s after ${bytes} bytes`,
          reader.exactly(sent.length),
        );
        if (!received.equals(sent)) throw new Error(`echo differs after ${bytes} bytes`);
        bytes += sent.length;
        longestGapMs = Math.max(longestGapMs, Date.now() - lastData);
        lastData = Date.now();
      }
    } finally {
      socket.destroy();
    }
    return { bytes, server, longestGapMs };
  }

  #get(name: string): Connection {
    const connection = this.#connections.get(name);
    if (!connection) throw new Error(`no connection ${name}`);
    return connection;
  }
}
