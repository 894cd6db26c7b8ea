import { once } from 'node:events';
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type MethodDefinition, status } from '@grpc/grpc-js';
import { entityKey } from '../entity-key.js';
import { Status } from '../gen/google/rpc/status.js';
import {
  type Entity,
  P4RuntimeService,
  type Update,
  Update_Type,
  Error as UpdateError,
  type WriteRequest,
} from '../gen/p4/v1/p4runtime.js';
import { fromUint128 } from '../session/uint128.js';

/** What a Write comes to for one update; `message` as long as the test wants it. */
export interface UpdateResult {
  readonly code: number;
  readonly message?: string;
}

/**
 * A P4Runtime server on bare HTTP/2 that is as strict as those on gRPC C-core: an election id belongs to the connection
 * that took it for as long as its TCP connection is there, and trailers are sent as long as they come out, whatever the
 * client can take. It holds the entries that are written.
 */
export class StrictServer {
  readonly entries = new Map<string, Entity>();
  readonly writes: WriteRequest[] = [];
  /** Decides before anything is written; undefined does what the update says. */
  onUpdate: (update: Update, index: number) => UpdateResult | undefined = () => undefined;
  /** Whether arbitration on a connection is answered, by its number from 1. */
  answersArbitration: (connection: number) => boolean = () => true;
  /** How many connections there were at all. */
  accepted = 0;
  readonly #server = createServer((socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  /** Election ids and whose they are. */
  readonly #owners = new Map<bigint, Socket>();

  static async start(): Promise<StrictServer> {
    const server = new StrictServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return address.port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** TCP connections that are up. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Waits until no more than `most` connections are up. */
  async connectionsLeft(most: number): Promise<void> {
    while (this.#sockets.size > most) await once(this.#server, 'left');
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const number = ++this.accepted;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      for (const [id, owner] of this.#owners) if (owner === socket) this.#owners.delete(id);
      this.#server.emit('left');
    });
    // Whatever HTTP/2 makes of a GOAWAY, the connection is up until the client closes it.
    const inside = new Duplex({
      read: () => socket.resume(),
      write: (chunk: Buffer, _, done) => socket.write(chunk, () => done()),
      destroy: (_, done) => done(null),
    });
    inside.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (!inside.destroyed && !inside.push(chunk)) socket.pause();
    });
    socket.once('close', () => inside.destroy());
    const session = performServerHandshake(inside, { maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER });
    session.on('error', () => {});
    session.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      this.#serve(stream, String(headers[':path']), { socket, number });
    });
  }

  #serve(stream: ServerHttp2Stream, path: string, connection: Connection): void {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    let trailers: Record<string, string> = { 'grpc-status': '0' };
    stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    const refuse = (code: status, message: string) => {
      trailers = { 'grpc-status': String(code), 'grpc-message': encodeURI(message) };
      stream.end();
    };
    const { capabilities, streamChannel, write, read } = P4RuntimeService;
    switch (path) {
      case capabilities.path:
        stream.end(frame(capabilities, { p4runtimeApiVersion: '1.5.0', experimental: undefined }));
        return;
      case streamChannel.path:
        this.#streamChannel(stream, connection, refuse);
        return;
      case write.path:
        onMessages(stream, write, (request) => {
          const results = this.#write(request);
          if (results.every(({ code }) => code === status.OK)) stream.end(frame(write, {}));
          else {
            trailers = failureTrailers(results);
            stream.end();
          }
        });
        return;
      case read.path:
        onMessages(stream, read, ({ entities }) =>
          stream.end(frame(read, { entities: this.#read(entities) })),
        );
        return;
      default:
        refuse(status.UNIMPLEMENTED, path);
    }
  }

  #streamChannel(
    stream: ServerHttp2Stream,
    { socket, number }: Connection,
    refuse: (code: status, message: string) => void,
  ): void {
    const { streamChannel } = P4RuntimeService;
    onMessages(stream, streamChannel, ({ update }) => {
      if (update?.$case !== 'arbitration' || stream.writableEnded) return;
      if (!this.answersArbitration(number)) return;
      const id = fromUint128(update.value.electionId ?? { high: 0n, low: 0n });
      if (this.#owners.has(id)) {
        refuse(status.INVALID_ARGUMENT, `election id ${id} is in use`);
        return;
      }
      this.#owners.set(id, socket);
      const value = { ...update.value, status: { code: status.OK, message: '', details: [] } };
      stream.write(frame(streamChannel, { update: { $case: 'arbitration', value } }));
    });
    stream.once('end', () => stream.end());
  }

  #write(request: WriteRequest): UpdateResult[] {
    this.writes.push(request);
    return request.updates.map((update, index) => this.onUpdate(update, index) ?? this.#apply(update));
  }

  /** The entries with those keys; all of them for tables without a match. */
  #read(wanted: readonly Entity[]): Entity[] {
    return wanted.flatMap((one) => {
      if (one.entity?.$case === 'tableEntry' && one.entity.value.match.length === 0) {
        return [...this.entries.values()];
      }
      const found = this.entries.get(entityKey(one));
      return found === undefined ? [] : [found];
    });
  }

  #apply({ type, entity }: Update): UpdateResult {
    if (entity === undefined) return { code: status.INVALID_ARGUMENT };
    const key = entityKey(entity);
    const exists = this.entries.has(key);
    if (type === Update_Type.INSERT && exists) return { code: status.ALREADY_EXISTS };
    if (type !== Update_Type.INSERT && !exists) return { code: status.NOT_FOUND };
    if (type === Update_Type.DELETE) this.entries.delete(key);
    else this.entries.set(key, entity);
    return { code: status.OK };
  }
}

interface Connection {
  readonly socket: Socket;
  readonly number: number;
}

/** A message as gRPC sends it: not compressed, its length, its bytes. */
function frame<Q, R>(
  { responseSerialize }: Pick<MethodDefinition<Q, R>, 'responseSerialize'>,
  message: R,
): Buffer {
  const bytes = responseSerialize(message);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function onMessages<Q, R>(
  stream: ServerHttp2Stream,
  { requestDeserialize }: Pick<MethodDefinition<Q, R>, 'requestDeserialize'>,
  receive: (message: Q) => void,
): void {
  let pending = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const end = 5 + pending.readUInt32BE(1);
      receive(requestDeserialize(pending.subarray(5, end)));
      pending = pending.subarray(end);
    }
  });
}

function failureTrailers(results: readonly UpdateResult[]): Record<string, string> {
  const details = results.map(({ code, message = '' }) => ({
    typeUrl: 'type.googleapis.com/p4.v1.Error',
    value: UpdateError.encode({
      canonicalCode: code,
      message,
      space: '',
      code: 0,
      details: undefined,
    }).finish(),
  }));
  const bytes = Status.encode({ code: status.UNKNOWN, message: 'some failed', details }).finish();
  return {
    'grpc-status': String(status.UNKNOWN),
    'grpc-message': 'some failed',
    'grpc-status-details-bin': Buffer.from(bytes).toString('base64'),
  };
}
