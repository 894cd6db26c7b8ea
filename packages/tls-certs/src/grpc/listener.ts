import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type ConnectionInjector, type Server, ServerCredentials, status } from '@grpc/grpc-js';
import { listenWhenFree, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { nameOf } from '../material.js';
import { printable } from '../printable.js';
import { ROLE_FACTS, type Role, roleOf } from '../roles.js';
import { addressOf, clientOf, isAddressInfo, type Place, placesOf, withPort } from './address.js';
import { explainVerification } from './explain.js';
import { PEER_LIMITS, type PeerLimits } from './limits.js';
import { MeteredConnection } from './metered-connection.js';
import { PeerLog } from './peer-log.js';
import { Pool } from './pool.js';
import { refuse } from './refusal.js';
import type { CertificateSource, TlsLogger } from './source.js';
import { TlsSetup } from './tls-setup.js';

/** How a server is protected. */
export type ServerSecurity =
  | { readonly mode: 'insecure' }
  /** Clients verify the server; anybody may be a client. */
  | { readonly mode: 'tls'; readonly source: CertificateSource }
  | { readonly mode: 'mtls'; readonly source: CertificateSource };

export interface ListenOptions {
  /** `host:port`, `[IPv6]:port` or `unix:path`; port 0 takes a free one. */
  readonly address: string;
  /** Serves everybody, unless clients have to prove who they are. */
  readonly server: Server;
  /** With mutual TLS: the roles that clients may have, and what serves them. All others are refused. */
  readonly clients: { readonly [R in Role]?: Server };
  readonly security: ServerSecurity;
  readonly logger?: TlsLogger;
  /** Default: {@link PEER_LIMITS}. */
  readonly limits?: Partial<PeerLimits>;
}

/** What there is of peers, and what became of others since the start. */
export interface PeerCounts {
  /** Connections that gRPC servers have. */
  readonly connections: number;
  /** Clients that were refused. */
  readonly refused: number;
  /** Connections that were ended because of a limit. */
  readonly ended: number;
}

export interface Listener {
  /** As given, with the port that was taken. */
  readonly address: string;
  readonly peers: PeerCounts;
  /** Takes no more connections, and ends those that belong to no gRPC server. The servers are shut down by themselves. */
  close(): Promise<void>;
}

const TLS_HANDSHAKE = 0x16;
/** Bytes before each record (RFC 8446, 5.1); its length is in the last two. */
const TLS_HEADER = 5;
/** What HTTP/2 begins with. */
const PREFACE_START = 'PRI';
/** How often is looked for peers that do not read. */
const LOOK_MS = 1_000;

/**
 * Has gRPC servers listen: accepts the connections, keeps them within limits, sets TLS up, and hands those over to a server
 * whose client is entitled to it.
 *
 * @throws Error of the system, such as EADDRINUSE, if the address cannot be listened on
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const gate = new Gate(options);
  try {
    const address = await gate.listen(options.address);
    return {
      address,
      get peers() {
        return gate.peers;
      },
      close: () => gate.close(),
    };
  } catch (error) {
    await gate.close();
    throw error;
  }
}

/** Why a client is not let in. */
interface Refusal {
  readonly code: status.UNAUTHENTICATED | status.PERMISSION_DENIED;
  readonly message: string;
}

class Gate {
  readonly #servers: NetServer[] = [];
  readonly #tls: TlsSetup | undefined;
  readonly #isMutual: boolean;
  readonly #anybody: ConnectionInjector | undefined;
  readonly #clients = new Map<Role, ConnectionInjector>();
  readonly #limits: PeerLimits;
  readonly #log: PeerLog;
  readonly #guard: Guard;
  /** Connections that have said nothing yet. */
  readonly #silent: Pool<Socket>;
  readonly #refused: Pool<Socket>;
  /** What gRPC servers have. */
  readonly #admitted: Pool<MeteredConnection>;
  readonly #look: NodeJS.Timeout;
  #closed = false;
  #refusedCount = 0;
  #endedCount = 0;

  constructor({ server, clients, security, logger, limits }: ListenOptions) {
    this.#limits = { ...PEER_LIMITS, ...limits };
    this.#log = new PeerLog(logger);
    this.#guard = new Guard((error) => logger?.error({ err: error }, 'internal error of a listener'));
    this.#silent = new Pool(this.#limits.silentConnections);
    this.#refused = new Pool(this.#limits.refusals);
    this.#admitted = new Pool(
      this.#limits.connections,
      ({ ledger }) => ledger.calls === 0,
      this.#limits.connectionsPerAddress,
    );
    this.#isMutual = security.mode === 'mtls';
    // TLS ends here, so that what the gRPC servers get is the inside of it.
    const inject = (to: Server) => to.createConnectionInjector(ServerCredentials.createInsecure());
    if (this.#isMutual) {
      const injectors = new Map<Server, ConnectionInjector>();
      for (const [role, to] of roleServers(clients)) {
        const injector = injectors.get(to) ?? inject(to);
        injectors.set(to, injector);
        this.#clients.set(role, injector);
      }
    } else this.#anybody = inject(server);
    if (security.mode !== 'insecure') {
      this.#tls = new TlsSetup(security.source, {
        isMutual: this.#isMutual,
        limits: this.#limits,
        guard: this.#guard,
        onSecure: (socket, transport) => this.#admit(socket, addressOf(socket), transport),
        onFailure: (socket, reason) => this.#refuseSilently(socket, addressOf(socket), reason),
        onLimit: (address, reason) => this.#limited(address, reason),
      });
    }
    this.#look = setInterval(
      this.#guard.handler(() => this.#endUnread()),
      LOOK_MS,
    );
    this.#look.unref();
  }

  get peers(): PeerCounts {
    return {
      connections: this.#admitted.size,
      refused: this.#refusedCount,
      ended: this.#endedCount,
    };
  }

  async listen(address: string): Promise<string> {
    const places = await placesOf(address);
    let port = places[0]?.port;
    for (const place of places) {
      const accept = this.#guard.handler((socket: Socket) => this.#accept(socket));
      const server = createServer({ noDelay: true, keepAlive: true }, accept);
      this.#servers.push(server);
      const options = place.path === undefined ? { ...place, ...(port !== undefined && { port }) } : place;
      await listenForOwner(server, options, (error) =>
        this.#log.warn('', undefined, messageOf(error), 'waiting for a port that a connection has'),
      );
      // Out of descriptors, for example: those that are there go on.
      server.on(
        'error',
        this.#guard.handler((error) =>
          this.#limited('', `no connection can be accepted: ${messageOf(error)}`),
        ),
      );
      const bound = server.address();
      if (isAddressInfo(bound)) port = bound.port;
    }
    return withPort(address, port ?? 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#look);
    this.#tls?.close();
    for (const socket of this.#silent.items()) socket.destroy();
    for (const socket of this.#refused.items()) socket.destroy();
    // Connections that gRPC has are its own; nobody waits for their end here.
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** Waits for what tells what a client speaks: what TLS says to others is hard to understand. */
  #accept(socket: Socket): void {
    const address = addressOf(socket);
    // Without a handler, an error of a peer would be one of the process.
    socket.on('error', () => {});
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const goes = this.#silent.add(address, socket);
    if (goes !== undefined) {
      this.#limited(addressOf(goes), 'too many silent connections');
      goes.destroy();
    }
    const timer = setTimeout(() => socket.destroy(), this.#limits.setupMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#silent.delete(socket);
    });
    const guard = new Guard((error) => {
      this.#fault(address, error);
      socket.destroy();
    });
    let start = Buffer.alloc(0);
    const onReadable = guard.handler(() => {
      const chunk: unknown = socket.read();
      if (Buffer.isBuffer(chunk)) {
        start = Buffer.concat([start, chunk]);
        if (!isBegun(start)) return;
      } else if (!socket.readableEnded) return;
      socket.off('readable', onReadable);
      clearTimeout(timer);
      this.#silent.delete(socket);
      if (start.length === 0) {
        socket.destroy();
        return;
      }
      socket.unshift(start);
      this.#begin(socket, address, start);
    });
    socket.on('readable', onReadable);
  }

  #begin(socket: Socket, address: string, chunk: Buffer): void {
    const speaksTls = chunk[0] === TLS_HANDSHAKE;
    if (this.#tls === undefined) {
      if (!speaksTls) {
        this.#admit(socket, address);
        return;
      }
      this.#refusedCount++;
      this.#warn(socket, address, 'the client speaks TLS, which this port does not');
      // A client of TLS understands from anything else that there is none here.
      socket.end('HTTP/2 without TLS');
      setTimeout(() => socket.destroy(), this.#limits.setupMs).unref();
    } else if (speaksTls) this.#tls.begin(socket);
    else {
      const message = 'the client does not speak TLS, which this port requires';
      if (chunk.toString('latin1', 0, PREFACE_START.length) === PREFACE_START)
        this.#refuse(socket, address, { code: status.UNAUTHENTICATED, message });
      else this.#refuseSilently(socket, address, message);
    }
  }

  #admit(socket: Socket, address: string, transport = socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const found = socket instanceof TLSSocket ? this.#identify(socket) : this.#anybody;
    if (found === undefined) socket.destroy();
    else if ('code' in found) this.#refuse(socket, address, found);
    else {
      const connection = this.#meter(socket, transport, address);
      const goes = this.#admitted.add(address, connection);
      if (goes !== undefined) {
        this.#limited(address, 'too many connections');
        goes.abort();
      }
      if (goes !== connection) found.injectConnection(connection);
    }
  }

  #identify(socket: TLSSocket): ConnectionInjector | Refusal | undefined {
    if (!this.#isMutual) return this.#anybody;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      return {
        code: status.UNAUTHENTICATED,
        message: 'the client has no certificate, which this port requires',
      };
    }
    if (!socket.authorized) {
      // An Error according to the types, but a code here.
      const reason: unknown = socket.authorizationError;
      const message = explainVerification(String(reason), certificate);
      return { code: status.UNAUTHENTICATED, message: `the client is refused: ${message}` };
    }
    const role = roleOf(certificate);
    const injector = role && this.#clients.get(role);
    if (injector !== undefined) return injector;
    const holder = role === undefined ? 'nobody known here' : ROLE_FACTS[role].holder;
    const wanted = [...this.#clients.keys()].map((known) => ROLE_FACTS[known].holder).join(' or ');
    return {
      code: status.PERMISSION_DENIED,
      message: `the client is refused: its certificate ${nameOf(certificate)} is that of ${holder}; this port is for ${wanted}`,
    };
  }

  /** Tells a client why it is not let in. */
  #refuse(socket: Socket, address: string, { code, message }: Refusal): void {
    this.#refusedCount++;
    this.#warn(socket, address, message);
    const goes = this.#refused.add(address, socket);
    if (goes !== undefined) {
      this.#limited(addressOf(goes), 'too many clients that are refused');
      goes.destroy();
    }
    if (goes === socket) return;
    socket.once('close', () => this.#refused.delete(socket));
    refuse(socket, code, printable(message), (error) => this.#fault(address, error));
  }

  #refuseSilently(socket: Socket, address: string, message: string): void {
    this.#refusedCount++;
    this.#warn(socket, address, message);
    socket.destroy();
  }

  #meter(socket: Socket, transport: Socket, address: string): MeteredConnection {
    const connection = new MeteredConnection(socket, {
      limits: this.#limits,
      transport,
      onTraffic: () => this.#endGreediest(address),
      onSlowed: () =>
        this.#warn(
          socket,
          address,
          'too many of its calls fail, or their answers are not read',
          'a client is slowed down',
        ),
      onViolation: (_, reason) => this.#limited(address, reason),
      onFault: (_, error) => this.#fault(address, error),
    });
    connection.once('close', () => this.#admitted.delete(connection));
    return connection;
  }

  /** Of an address that has too much of us, ends the connection that has most. */
  #endGreediest(address: string): void {
    const { callsPerAddress, requestBytesPerAddress } = this.#limits;
    const connections = this.#admitted.of(address);
    this.#endMost(
      address,
      connections,
      ({ ledger }) => ledger.calls,
      callsPerAddress,
      'too many calls at once',
    );
    this.#endMost(
      address,
      connections,
      ({ ledger }) => ledger.heldBytes,
      requestBytesPerAddress,
      'too much data in incomplete or unanswered requests',
    );
  }

  /** Ends what does not read what it asked for. */
  #endUnread(): void {
    const { unreadMs, unreadCallsPerAddress } = this.#limits;
    for (const [address, connections] of this.#admitted) {
      for (const connection of connections) {
        if (connection.stalledMs < unreadMs && connection.ledger.unread(unreadMs) === 0) continue;
        this.#limited(address, `answers were not read for ${unreadMs / 1000} s`);
        connection.abort();
      }
      this.#endMost(
        address,
        connections,
        ({ ledger }) => ledger.unread(LOOK_MS),
        unreadCallsPerAddress,
        'too many calls whose answers are not read',
      );
    }
  }

  #endMost(
    address: string,
    connections: Iterable<MeteredConnection>,
    measure: (connection: MeteredConnection) => number,
    limit: number,
    reason: string,
  ): void {
    let sum = 0;
    let greediest: MeteredConnection | undefined;
    let most = 0;
    for (const connection of connections) {
      const size = connection.destroyed ? 0 : measure(connection);
      sum += size;
      if (size <= most) continue;
      most = size;
      greediest = connection;
    }
    if (sum <= limit || greediest === undefined) return;
    this.#limited(address, reason);
    greediest.abort();
    this.#endMost(address, connections, measure, limit, reason);
  }

  #fault(address: string, error: unknown): void {
    this.#log.warn(
      address,
      address || undefined,
      messageOf(error),
      'a connection was ended by an internal error',
    );
  }

  #limited(address: string, reason: string): void {
    this.#endedCount++;
    this.#log.warn(address, address || undefined, reason, 'a connection was ended');
  }

  #warn(socket: Socket, address: string, reason: string, message = 'a client was refused'): void {
    this.#log.warn(address, clientOf(socket), reason, message);
  }
}

/** Makes a unix socket, if it is one, for this user only: the mask is that of the process, and holds within this call. */
function listenForOwner(
  server: NetServer,
  place: Place,
  onWait: (error: NodeJS.ErrnoException) => void,
): Promise<void> {
  const umask = process.umask(place.path === undefined ? process.umask() : 0o177);
  try {
    return listenWhenFree(server, place, onWait);
  } finally {
    process.umask(umask);
  }
}

/** Whether a client has said something that can be answered: all of its first record, if that is one of TLS. */
function isBegun(start: Buffer): boolean {
  if (start[0] !== TLS_HANDSHAKE) return true;
  return start.length >= TLS_HEADER && start.length >= TLS_HEADER + start.readUInt16BE(3);
}

function* roleServers(clients: ListenOptions['clients']): Generator<[Role, Server]> {
  for (const role of Object.keys(ROLE_FACTS) as Role[]) {
    const server = clients[role];
    if (server !== undefined) yield [role, server];
  }
}
