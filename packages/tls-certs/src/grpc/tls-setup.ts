import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { isSystemError, messageOf } from '@infra-offload/base';
import type { Guard } from '@infra-offload/guard';
import { addressOf, clientOf } from './address.js';
import type { PeerLimits } from './limits.js';
import { Pool } from './pool.js';
import type { CertificateSource } from './source.js';

/** Handshakes that begin before others have their turn: each takes milliseconds, for the signature. */
const PER_TURN = 4;

export interface TlsSetupOptions {
  /** Whether clients are asked for a certificate. */
  readonly isMutual: boolean;
  readonly limits: PeerLimits;
  readonly guard: Guard;
  /** Called with the socket of TLS, and what it is set up on. */
  readonly onSecure: (socket: TLSSocket, transport: Socket) => void;
  /** Called with why TLS, or HTTP/2 within it, did not come about; the socket is still to be destroyed. */
  readonly onFailure: (socket: TLSSocket, reason: string) => void;
  readonly onLimit: (address: string, reason: string) => void;
}

/** Sets TLS up with clients, a few at a time. */
export class TlsSetup {
  readonly #options: TlsSetupOptions;
  readonly #server: Server;
  readonly #unsubscribe: () => void;
  readonly #underWay: Pool<Socket>;
  /** By the name of the client: the socket of TLS is another one. */
  readonly #byClient = new Map<string, Socket>();
  readonly #waiting: Socket[] = [];
  #isScheduled = false;

  constructor(source: CertificateSource, options: TlsSetupOptions) {
    const { isMutual, limits, guard, onSecure, onFailure } = options;
    this.#options = options;
    this.#underWay = new Pool(limits.handshakes);
    this.#server = createServer({
      ...serverContext(source.contextOptions),
      requestCert: isMutual,
      // Who is refused is told why; nobody else gets further.
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: limits.setupMs,
    });
    this.#unsubscribe = source.onChange((context) => this.#server.setSecureContext(serverContext(context)));
    this.#server.on(
      'secureConnection',
      guard.handler((socket) => {
        socket.on('error', () => {});
        const transport = this.#done(clientOf(socket)) ?? socket;
        // OpenSSL is still at work on this connection here. Whoever ends it now has its memory used after it is freed.
        setImmediate(
          guard.handler(() => {
            if (socket.destroyed) return;
            if (socket.alpnProtocol === 'h2') onSecure(socket, transport);
            else onFailure(socket, 'the client does not speak HTTP/2');
          }),
        );
      }),
    );
    this.#server.on(
      'tlsClientError',
      guard.handler((error, socket) =>
        onFailure(socket, `TLS could not be set up: ${handshakeFailure(error)}`),
      ),
    );
  }

  /** Begins when it is this client's turn. */
  begin(socket: Socket): void {
    const client = clientOf(socket);
    // Unix sockets have no clients with names, and none that are not trusted.
    if (client !== undefined) {
      const address = addressOf(socket);
      const goes = this.#underWay.add(address, socket);
      this.#byClient.set(client, socket);
      socket.once(
        'close',
        this.#options.guard.handler(() => this.#done(client)),
      );
      if (goes !== undefined) {
        this.#options.onLimit(addressOf(goes), 'too many TLS handshakes at once');
        goes.destroy();
      }
    }
    this.#waiting.push(socket);
    this.#schedule();
  }

  close(): void {
    this.#unsubscribe();
    for (const socket of this.#underWay.items()) socket.destroy();
  }

  #done(client: string | undefined): Socket | undefined {
    const socket = client === undefined ? undefined : this.#byClient.get(client);
    if (client === undefined || socket === undefined) return undefined;
    this.#byClient.delete(client);
    this.#underWay.delete(socket);
    return socket;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(
      this.#options.guard.handler(() => {
        this.#isScheduled = false;
        let begun = 0;
        while (begun < PER_TURN) {
          const socket = this.#waiting.shift();
          if (socket === undefined) break;
          if (socket.destroyed) continue;
          this.#server.emit('connection', socket);
          begun++;
        }
        this.#schedule();
      }),
    );
  }
}

function serverContext(context: SecureContextOptions): SecureContextOptions {
  // A session that is resumed would not have its certificates looked at.
  const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  return { ...context, honorCipherOrder: true, secureOptions };
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
