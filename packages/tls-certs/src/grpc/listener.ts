import { constants } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import {
  type AddressInfo,
  createServer,
  isIP,
  type ListenOptions as NetListenOptions,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { type ConnectionInjector, type Server, ServerCredentials, status } from '@grpc/grpc-js';
import { isSystemError, messageOf } from '../errors.js';
import { nameOf } from '../material.js';
import { type Role, roleFacts, roleOf } from '../roles.js';
import { explainVerification } from './explain.js';
import { Refusals } from './refusal.js';
import type { CertificateSource, TlsLogger } from './source.js';

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
}

export interface Listener {
  /** As given, with the port that was taken. */
  readonly address: string;
  /** Takes no more connections, and ends those that belong to no gRPC server. The servers are shut down by themselves. */
  close(): Promise<void>;
}

/** How long a client may take to set up TLS. */
const HANDSHAKE_MS = 10_000;
const TLS_HANDSHAKE = 0x16;
/** The same is logged once in this time: clients try again and again. */
const QUIET_MS = 60_000;
const MAX_QUIET = 1_000;

/**
 * Has gRPC servers listen. With TLS, this accepts the connections, and hands those over to which their client is entitled.
 *
 * @throws Error of the system, such as EADDRINUSE, if the address cannot be listened on
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { address, server, security } = options;
  if (security.mode === 'insecure') return listenInsecurely(server, address);
  const gate = new Gate(options, security);
  try {
    return { address: await gate.listen(address), close: () => gate.close() };
  } catch (error) {
    await gate.close();
    throw error;
  }
}

function listenInsecurely(server: Server, address: string): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve({ address: withPort(address, port), close: async () => {} });
      else reject(error);
    });
  });
}

function withPort(address: string, port: number): string {
  return address.startsWith('unix:') ? address : `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}

function serverContext(context: SecureContextOptions): SecureContextOptions {
  // A session that is resumed would not have its certificates looked at.
  const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  return { ...context, honorCipherOrder: true, secureOptions };
}

/** Why a client is not let in. */
interface Refusal {
  readonly code: status.UNAUTHENTICATED | status.PERMISSION_DENIED;
  readonly message: string;
}

class Gate {
  readonly #servers: NetServer[] = [];
  readonly #tls: TlsServer;
  readonly #refusals = new Refusals();
  readonly #anybody: ConnectionInjector | undefined;
  readonly #clients = new Map<Role, ConnectionInjector>();
  readonly #logger: TlsLogger | undefined;
  readonly #unsubscribe: () => void;
  /** Connections that have said nothing yet. Those that set up TLS have their own time limit. */
  readonly #waiting = new Set<Socket>();
  #closed = false;
  /** What was logged, and when. */
  readonly #said = new Map<string, number>();

  constructor(options: ListenOptions, { mode, source }: Exclude<ServerSecurity, { mode: 'insecure' }>) {
    this.#logger = options.logger;
    const isMutual = mode === 'mtls';
    // TLS ends here, so that what the gRPC servers get is the inside of it.
    const inject = (server: Server) => server.createConnectionInjector(ServerCredentials.createInsecure());
    if (isMutual) {
      const injectors = new Map<Server, ConnectionInjector>();
      for (const [role, server] of roleServers(options.clients)) {
        const injector = injectors.get(server) ?? inject(server);
        injectors.set(server, injector);
        this.#clients.set(role, injector);
      }
    } else this.#anybody = inject(options.server);
    this.#tls = createTlsServer({
      ...serverContext(source.contextOptions),
      requestCert: isMutual,
      // Who is refused is told why, see `#admit`; nobody else gets past it.
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#unsubscribe = source.onChange((context) => this.#tls.setSecureContext(serverContext(context)));
    this.#tls.on('secureConnection', (socket) => this.#admit(socket, isMutual));
    this.#tls.on('tlsClientError', (error, socket) => {
      this.#log(socket, `TLS could not be set up: ${handshakeFailure(error)}`);
      socket.destroy();
    });
  }

  async listen(address: string): Promise<string> {
    const places = await placesOf(address);
    let port = places[0]?.port;
    for (const place of places) {
      const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
      this.#servers.push(server);
      const options = place.path === undefined ? { ...place, ...(port !== undefined && { port }) } : place;
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(options, () => {
          server.off('error', reject);
          resolve();
        });
      });
      const bound = server.address();
      if (isAddressInfo(bound)) port = bound.port;
    }
    return withPort(address, port ?? 0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#refusals.close();
    for (const socket of this.#waiting) socket.destroy();
    // Connections that gRPC has are its own; nobody waits for their end here.
    for (const server of this.#servers) if (server.listening) server.close();
  }

  /** Tells from the first byte whether a client speaks TLS, because what TLS says to others is hard to understand. */
  #accept(socket: Socket): void {
    this.#waiting.add(socket);
    socket.once('close', () => this.#waiting.delete(socket));
    const ignore = () => {};
    socket.on('error', ignore);
    const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.once('readable', () => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
      const chunk: unknown = socket.read();
      if (!Buffer.isBuffer(chunk)) {
        socket.destroy();
        return;
      }
      socket.unshift(chunk);
      if (chunk[0] === TLS_HANDSHAKE) {
        this.#tls.emit('connection', socket);
        return;
      }
      const message = 'the client does not speak TLS, which this port requires';
      this.#log(socket, message);
      if (chunk.toString('latin1', 0, 3) === 'PRI')
        this.#refusals.refuse(socket, status.UNAUTHENTICATED, message);
      else socket.destroy();
    });
  }

  #admit(socket: TLSSocket, isMutual: boolean): void {
    socket.on('error', () => {});
    if (this.#closed) {
      socket.destroy();
      return;
    }
    if (socket.alpnProtocol !== 'h2') {
      this.#log(socket, 'the client does not speak HTTP/2');
      socket.destroy();
      return;
    }
    const found = isMutual ? this.#identify(socket) : this.#anybody;
    if (found === undefined) socket.destroy();
    else if ('code' in found) {
      this.#log(socket, found.message);
      this.#refusals.refuse(socket, found.code, found.message);
    } else found.injectConnection(socket);
  }

  #identify(socket: TLSSocket): ConnectionInjector | Refusal {
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
    const holder = role === undefined ? 'nobody known here' : roleFacts[role].holder;
    const wanted = [...this.#clients.keys()].map((known) => roleFacts[known].holder).join(' or ');
    return {
      code: status.PERMISSION_DENIED,
      message: `the client is refused: its certificate ${nameOf(certificate)} is that of ${holder}; this port is for ${wanted}`,
    };
  }

  #log(socket: Socket, reason: string): void {
    const now = performance.now();
    const key = `${socket.remoteAddress} ${reason}`;
    const last = this.#said.get(key);
    if (last !== undefined && now - last < QUIET_MS) return;
    if (this.#said.size >= MAX_QUIET) this.#said.clear();
    this.#said.set(key, now);
    const client = clientOf(socket);
    this.#logger?.warn({ ...(client !== undefined && { client }), reason }, 'a client was refused');
  }
}

function* roleServers(clients: ListenOptions['clients']): Generator<[Role, Server]> {
  for (const role of Object.keys(roleFacts) as Role[]) {
    const server = clients[role];
    if (server !== undefined) yield [role, server];
  }
}

/** Undefined once it is gone, and for unix sockets. */
function clientOf({ remoteAddress, remotePort, remoteFamily }: Socket): string | undefined {
  if (remoteAddress === undefined) return undefined;
  return remoteFamily === 'IPv6' ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function handshakeFailure(error: Error): string {
  const reason = /SSL routines:[^:]*:([^:]+)/.exec(messageOf(error))?.[1];
  switch (reason) {
    case undefined:
      return isSystemError(error, 'ECONNRESET', 'EPIPE')
        ? 'the client closed the connection; it may not trust this server'
        : messageOf(error);
    case 'no shared cipher':
      return 'the client offers no cipher suite that is configured here';
    case 'unsupported protocol':
      return 'the client offers no version of TLS from 1.2 on';
    case 'no application protocol':
      return 'the client does not speak HTTP/2';
    default:
      return /alert/.test(reason) ? `the client refused: ${reason}` : reason;
  }
}

type Place = NetListenOptions & { readonly port?: number };

async function placesOf(address: string): Promise<Place[]> {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(address)?.[1];
  if (path !== undefined) return [{ path }];
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  if (isIP(host) !== 0) return [{ host, port }];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map((entry) => entry.address))].map((host) => ({ host, port }));
}

function isAddressInfo(bound: string | AddressInfo | null): bound is AddressInfo {
  return typeof bound === 'object' && bound !== null;
}
