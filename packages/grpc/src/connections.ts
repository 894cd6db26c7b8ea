import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  type CallCredentials,
  ChannelCredentials,
  type ChannelOptions,
  type experimental,
  credentials as grpcCredentials,
} from '@grpc/grpc-js';

export interface ConnectionsOptions {
  /** Default: no encryption. */
  readonly credentials?: ChannelCredentials;
  /** How long a server may take until it speaks HTTP/2, in ms. Default 20,000, as the gRPC specification has it. */
  readonly setupMs?: number;
}

/** How long calls under way, and what was just sent, may take when a client is closed. */
const CLOSE_GRACE_MS = 1_000;

/** A client, and how to be rid of it. */
export interface Connected<C> {
  readonly client: C;
  /** Closes the client, and ends its connections for certain, see {@link Connections.close}. */
  close(graceMs?: number): void;
}

/**
 * Makes a client whose connections end with it.
 *
 * @throws Error of grpc-js for an address that is none
 */
export function connectClient<C extends { close(): void }>(
  Client: new (address: string, credentials: ChannelCredentials, options?: ChannelOptions) => C,
  address: string,
  credentials?: ChannelCredentials,
  options?: ChannelOptions,
): Connected<C> {
  const connections = new Connections(credentials === undefined ? {} : { credentials });
  const client = new Client(address, connections.credentials, options);
  return {
    client,
    close: (graceMs) => {
      client.close();
      connections.close(graceMs);
    },
  };
}

/**
 * The connections of a channel, so that they end for certain. grpc-js keeps those of a closed channel for as long as it
 * has calls on them, up to ten seconds without, and for good where HTTP/2 has stopped or was never spoken.
 *
 * A client is created with these {@link credentials}, and {@link close} is called with its own; {@link connectClient} does both.
 */
export class Connections {
  /** For one client. */
  readonly credentials: ChannelCredentials;
  readonly #setupMs: number;
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  constructor(options: ConnectionsOptions = {}) {
    this.#setupMs = options.setupMs ?? 20_000;
    this.credentials = new TrackedCredentials(
      options.credentials ?? grpcCredentials.createInsecure(),
      (socket, connector) => this.#connect(socket, connector),
    );
  }

  /** How many there are, those that are being set up included. */
  get size(): number {
    return this.#sockets.size;
  }

  /**
   * Ends all connections; those that come later are ended at once. May be called again, with less time.
   *
   * @param graceMs how long calls under way, and what was just sent, may take; 1,000 unless told otherwise
   */
  close(graceMs = CLOSE_GRACE_MS): void {
    this.#isClosed = true;
    const end = () => {
      for (const socket of this.#sockets) socket.destroy();
      this.#sockets.clear();
    };
    if (graceMs === 0) end();
    else if (this.#sockets.size > 0) setTimeout(end, graceMs).unref();
  }

  async #connect(
    socket: Socket,
    connector: experimental.SecureConnector,
  ): Promise<experimental.SecureConnectResult> {
    if (this.#isClosed) {
      socket.destroy();
      throw new Error('the channel is closed');
    }
    this.#sockets.add(socket);
    let spoken: Socket | TLSSocket | undefined;
    // HTTP/2 reads past the socket, so that only the count tells whether the server said anything.
    const timer = setTimeout(() => {
      if ((spoken?.bytesRead ?? 0) === 0) socket.destroy();
    }, this.#setupMs).unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    const result = await connector.connect(socket);
    spoken = result.socket;
    return result;
  }
}

/** Has the connections of other credentials pass through `connect`. */
class TrackedCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #connect: (
    socket: Socket,
    connector: experimental.SecureConnector,
  ) => Promise<experimental.SecureConnectResult>;

  constructor(
    inner: ChannelCredentials,
    connect: (
      socket: Socket,
      connector: experimental.SecureConnector,
    ) => Promise<experimental.SecureConnectResult>,
  ) {
    super();
    this.#inner = inner;
    this.#connect = connect;
  }

  override _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  /** Channels with equal credentials share connections. */
  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    target: experimental.GrpcUri,
    options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const connector = this.#inner._createSecureConnector(target, options, callCredentials);
    return {
      connect: (socket) => this.#connect(socket, connector),
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }
}
