import { atLeast } from '../check.js';
import type { P4rtError } from '../errors.js';

/** Where a session stands. Only `primary` may write; `primary` and `backup` may read. */
export type SessionState =
  /** The stream is being opened, or arbitration is not answered yet. `attempt` counts from 1 since the last connection. */
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'primary' }
  /**
   * Another controller has a higher election id, or there is no primary at all (`primaryElectionId` undefined).
   * `highestElectionId` is the highest that the server ever took: who is to be primary must not have a lower one.
   */
  | {
      readonly kind: 'backup';
      readonly primaryElectionId: bigint | undefined;
      readonly highestElectionId: bigint | undefined;
    }
  /** The stream broke. `retryInMs` is undefined when reconnecting is switched off. */
  | { readonly kind: 'disconnected'; readonly error: P4rtError; readonly retryInMs: number | undefined }
  | { readonly kind: 'closed' };

/** Who the controller is to the server (P4Runtime 1.5, "Controller replication"). */
export interface ControllerIdentity {
  readonly deviceId: bigint;
  /** 1 to 2^128 - 1; the highest one is the primary. A standby that takes over raises it. */
  electionId: bigint;
  readonly role: ControllerRole | undefined;
}

/** A role by name; the numeric id is for servers older than P4Runtime 1.4. */
export interface ControllerRole {
  readonly name: string;
  readonly id?: bigint;
}

/** Waits before reconnecting: doubling from `initialDelayMs` up to `maxDelayMs`, each cut by up to half at random. */
export interface ReconnectOptions {
  /** Default 100. */
  readonly initialDelayMs?: number;
  /** Default 5000. */
  readonly maxDelayMs?: number;
}

export const DEFAULT_RECONNECT: Required<ReconnectOptions> = { initialDelayMs: 100, maxDelayMs: 5_000 };

/** With defaults. @throws P4rtError INVALID */
export function reconnectOptions(options: ReconnectOptions = {}): Required<ReconnectOptions> {
  const { initialDelayMs, maxDelayMs } = { ...DEFAULT_RECONNECT, ...options };
  return {
    initialDelayMs: atLeast(1, initialDelayMs, 'reconnect.initialDelayMs'),
    maxDelayMs: atLeast(1, maxDelayMs, 'reconnect.maxDelayMs'),
  };
}
