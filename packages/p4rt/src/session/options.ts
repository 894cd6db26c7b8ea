import type { ChannelCredentials } from '@grpc/grpc-js';
import type { P4rtError } from '../errors.js';
import type { ProgramLike } from '../format.js';
import type { DigestList, IdleTimeoutNotification, PacketIn, StreamError } from '../gen/p4/v1/p4runtime.js';
import type { ControllerRole, ReconnectOptions, SessionState } from './state.js';

export interface SessionOptions {
  /** `host:port` or any other target of gRPC. */
  readonly address: string;
  readonly deviceId: bigint | number;
  /** 1 to 2^128 - 1; the controller with the highest one is the primary. */
  readonly electionId: bigint;
  /**
   * Whether this controller is a standby, which becomes the primary as soon as its role has none: it then takes an election id
   * above all that the server knows (P4Runtime 1.5, "Client Arbitration and Controller Replication"). Default false: it stays a
   * backup unless the server chooses it.
   */
  readonly takeover?: boolean;
  /** Role of the controller, by name; none is the default role, which may do everything. */
  readonly role?: string | ControllerRole;
  /** Default: no encryption. */
  readonly credentials?: ChannelCredentials;
  /** Longest wait for an answer, in ms. Default 10,000. */
  readonly deadlineMs?: number;
  /** Default 256. Above about 400, some failures arrive late, see the README. */
  readonly maxUpdatesPerWrite?: number;
  /** Default 4,000,000. An update that is larger is sent alone. */
  readonly maxBytesPerWrite?: number;
  /** How to reconnect; false to stay disconnected. */
  readonly reconnect?: ReconnectOptions | false;
  /** Where names in errors come from until a pipeline is set or got. */
  readonly program?: ProgramLike;
}

/** Events of a session and what their listeners get. */
export type SessionEvents = {
  /** Arbitration was answered, for the first time or after a broken stream. Comes before `primary` or `backup`. */
  readonly connected: [];
  /** The stream broke; unless switched off, the session reconnects. */
  readonly disconnected: [error: P4rtError];
  /** This controller has become the primary. */
  readonly primary: [];
  /** This controller is not, or no longer, the primary; or the primary has changed. */
  readonly backup: [state: Extract<SessionState, { kind: 'backup' }>];
  readonly packetIn: [packet: PacketIn];
  /** Data of a digest; acknowledge it, or the server will send it again. */
  readonly digest: [digest: DigestList, acknowledge: () => void];
  readonly idleTimeout: [notification: IdleTimeoutNotification];
  /** The server could not do what a stream message asked for, such as to send a packet. */
  readonly streamError: [error: P4rtError, details: StreamError];
  /** A listener threw. Without a listener for this one, it becomes a process warning. */
  readonly listenerError: [error: unknown, event: string];
};

export interface WriteOptions {
  /** Default `CONTINUE_ON_ERROR`. The others need all updates in one Write and are refused if they do not fit. */
  readonly atomicity?: 'CONTINUE_ON_ERROR' | 'ROLLBACK_ON_ERROR' | 'DATAPLANE_ATOMIC';
  /** Writes under way at a time, default 1. With more, only updates of one and the same key keep their order. */
  readonly concurrency?: number;
  readonly deadlineMs?: number;
}
