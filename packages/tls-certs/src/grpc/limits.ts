import type { ServerOptions } from '@grpc/grpc-js';

/**
 * What peers may take of a listener. Where one is reached, whoever takes most of it loses something: a connection that
 * says nothing, or the greediest one of the same address. Each time is counted, and logged at a bounded rate.
 *
 * An address is that of the peer; for IPv6 its first 64 bits. All peers of a unix socket count as one.
 */
export interface PeerLimits {
  /** Connections that have sent nothing yet. */
  readonly silentConnections: number;
  /** How long a connection may say nothing, and how long TLS may take to be set up; milliseconds. */
  readonly setupMs: number;
  /** Connections that set TLS up. */
  readonly handshakes: number;
  /** Connections of clients that are told why they are refused. */
  readonly refusals: number;
  /** Connections that a gRPC server has, in all and by address. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Calls under way by address. For one connection, see {@link SERVER_OPTIONS}. */
  readonly callsPerAddress: number;
  /** Bytes of the header fields of one call, compressed. Servers of gRPC take 8 KiB by default. */
  readonly headerBytes: number;
  /** Bytes by address of requests that are incomplete or not answered. Has to have room for the largest message. */
  readonly requestBytesPerAddress: number;
  /** How long a peer may leave what it asked for unread; milliseconds. */
  readonly unreadMs: number;
  /**
   * Calls by address whose answers have been waiting for a second to be read. A connection with so many that wait, however
   * short, is listened to slowly.
   */
  readonly unreadCallsPerAddress: number;
  /**
   * Frames that carry nothing (SETTINGS, PING, PRIORITY, RST_STREAM, empty DATA …) that a connection may send at once,
   * and how many come back each second; one more does with each call that is answered and each KiB that is sent to it.
   */
  readonly controlFrames: number;
  readonly controlFramesPerSecond: number;
  /**
   * Calls of one connection that may come to nothing but an error at once, and how many come back each second. Above that
   * the client is not ended, but listened to slowly.
   */
  readonly failedCalls: number;
  readonly failedCallsPerSecond: number;
}

export const PEER_LIMITS: PeerLimits = {
  silentConnections: 512,
  setupMs: 10_000,
  handshakes: 64,
  refusals: 64,
  connections: 256,
  connectionsPerAddress: 64,
  callsPerAddress: 128,
  headerBytes: 8 << 10,
  requestBytesPerAddress: 80 << 20,
  unreadMs: 30_000,
  unreadCallsPerAddress: 8,
  controlFrames: 1_000,
  controlFramesPerSecond: 100,
  failedCalls: 1_000,
  failedCallsPerSecond: 100,
};

/** What every gRPC server is made with, beside its own options. */
export const SERVER_OPTIONS = {
  // Clients wait with more calls than that; those that do not are refused the call.
  'grpc.max_concurrent_streams': 100,
  // A peer that has vanished is noticed, and what it had is freed, within 20 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // MB that a connection may take for headers and unsent frames before it gets no more calls.
  'grpc-node.max_session_memory': 16,
} satisfies ServerOptions;
