import { type ClientDuplexStream, status } from '@grpc/grpc-js';
import { Backoff } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { P4rtError } from '../errors.js';
import {
  type MasterArbitrationUpdate,
  P4RuntimeService,
  type StreamMessageRequest,
  type StreamMessageResponse,
} from '../gen/p4/v1/p4runtime.js';
import type { Rpc } from '../rpc.js';
import {
  type ControllerIdentity,
  DEFAULT_RECONNECT,
  type ReconnectOptions,
  type SessionState,
} from './state.js';
import { fromUint128, MAX_ELECTION_ID, toUint128 } from './uint128.js';

export interface StreamHandlers {
  /** Called on every change of state; never for a state that is the same as before. */
  readonly onState: (state: SessionState, before: SessionState) => void;
  /** Called with every message that is not arbitration. */
  readonly onMessage: (message: NonNullable<StreamMessageResponse['update']>) => void;
}

type Stream = ClientDuplexStream<StreamMessageRequest, StreamMessageResponse>;

const METHOD = 'StreamChannel';

/**
 * The StreamChannel of a session: opens it, arbitrates, and opens it again when it breaks, with the same election id.
 */
export class ArbitratedStream {
  readonly #rpc: Rpc;
  readonly #identity: ControllerIdentity;
  readonly #deadlineMs: number;
  readonly #reconnect: Required<ReconnectOptions> | undefined;
  readonly #handlers: StreamHandlers;
  /** What a standby adds to the highest election id: standbys with different ids never take the same. */
  readonly #claim: bigint | undefined;
  #state: SessionState = { kind: 'connecting', attempt: 1 };
  #stream: Stream | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #backoff: Backoff;
  #attempt = 1;
  #connectedAt = 0;
  readonly #waiters = new Set<(connected: boolean) => void>();

  constructor(
    rpc: Rpc,
    identity: ControllerIdentity,
    deadlineMs: number,
    reconnect: Required<ReconnectOptions> | undefined,
    takeover: boolean,
    handlers: StreamHandlers,
  ) {
    this.#rpc = rpc;
    this.#identity = identity;
    this.#deadlineMs = deadlineMs;
    this.#reconnect = reconnect;
    const { initialDelayMs, maxDelayMs } = reconnect ?? DEFAULT_RECONNECT;
    this.#backoff = new Backoff({ initialMs: initialDelayMs, maxMs: maxDelayMs });
    this.#handlers = handlers;
    this.#claim = takeover ? identity.electionId : undefined;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Opens the stream and arbitrates. The outcome is told by `onState`. */
  open(): void {
    const { path, requestSerialize, responseDeserialize } = P4RuntimeService.streamChannel;
    const stream: Stream = this.#rpc.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
    );
    this.#stream = this.#rpc.track(stream);
    const guard = new Guard((error) => this.#broken(stream, this.#rpc.wrap(METHOD, error)));
    stream.on(
      'data',
      guard.handler((message: StreamMessageResponse) => this.#receive(stream, message)),
    );
    stream.on(
      'error',
      guard.handler((error: unknown) => this.#broken(stream, this.#rpc.wrap(METHOD, error))),
    );
    stream.on(
      'end',
      guard.handler(() => {
        this.#broken(stream, this.#rpc.error(METHOD, status.UNAVAILABLE, 'the server ended the stream'));
      }),
    );
    this.#timer = setTimeout(
      guard.handler(() => {
        const reason = `no answer to arbitration within ${this.#deadlineMs} ms`;
        this.#broken(stream, this.#rpc.error(METHOD, status.DEADLINE_EXCEEDED, reason));
        // On the same connection the next attempt would fare no better.
        this.#rpc.renew();
      }),
      this.#deadlineMs,
    );
    stream.write({ update: { $case: 'arbitration', value: this.#arbitration() } });
  }

  /** @throws P4rtError UNAVAILABLE when not connected */
  send(update: NonNullable<StreamMessageRequest['update']>): void {
    this.requireConnected(METHOD);
    this.#stream?.write({ update });
  }

  /** @throws P4rtError UNAVAILABLE when not connected, which names why */
  requireConnected(method: string): void {
    const state = this.#state;
    switch (state.kind) {
      case 'primary':
      case 'backup':
        return;
      case 'connecting':
        throw this.#rpc.error(method, status.UNAVAILABLE, 'the session is not connected yet');
      case 'disconnected':
        throw this.#rpc.error(
          method,
          status.UNAVAILABLE,
          `the session is disconnected (${state.error.message})`,
        );
      case 'closed':
        throw this.#rpc.error(method, status.UNAVAILABLE, 'the session is closed');
      default:
        state satisfies never;
    }
  }

  /**
   * Gives the connection up, as broken by `error`, and makes a new one; tells whether that one works.
   * Without reconnecting nothing is done.
   */
  async renew(error: P4rtError): Promise<boolean> {
    const stream = this.#stream;
    if (this.#reconnect === undefined || stream === undefined) return false;
    this.#broken(stream, error);
    this.#rpc.renew();
    if (this.#state.kind === 'closed') return false;
    return new Promise((resolve) => {
      const done = (connected: boolean) => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve(connected);
      };
      const timer = setTimeout(done, this.#deadlineMs, false);
      this.#waiters.add(done);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#dropStream();
    this.#enter({ kind: 'closed' });
  }

  #arbitration(): MasterArbitrationUpdate {
    const { deviceId, electionId, role } = this.#identity;
    return {
      deviceId,
      role: role && { id: role.id ?? 0n, name: role.name, config: undefined },
      electionId: toUint128(electionId),
      status: undefined,
    };
  }

  #receive(stream: Stream, message: StreamMessageResponse): void {
    if (stream !== this.#stream || message.update === undefined) return;
    if (message.update.$case === 'arbitration') this.#arbitrated(message.update.value);
    else this.#handlers.onMessage(message.update);
  }

  #arbitrated(update: MasterArbitrationUpdate): void {
    clearTimeout(this.#timer);
    const state = this.#state;
    if (state.kind === 'connecting') this.#connectedAt = performance.now();
    const code = update.status?.code ?? status.OK;
    if (code === status.OK) {
      if (state.kind !== 'primary') this.#enter({ kind: 'primary' });
      return;
    }
    // ALREADY_EXISTS: another controller is primary, and the election id is its own. NOT_FOUND: there is none.
    const highestElectionId = update.electionId && fromUint128(update.electionId);
    const primaryElectionId = code === status.NOT_FOUND ? undefined : highestElectionId;
    if (
      state.kind !== 'backup' ||
      state.primaryElectionId !== primaryElectionId ||
      state.highestElectionId !== highestElectionId
    ) {
      this.#enter({ kind: 'backup', primaryElectionId, highestElectionId });
    }
    if (primaryElectionId === undefined) this.#takeOver(highestElectionId ?? 0n);
  }

  /** There is no primary: a standby becomes it. */
  #takeOver(highest: bigint): void {
    if (this.#claim === undefined || this.#identity.electionId > highest) return;
    const electionId = highest + this.#claim;
    // Beyond, nobody can be the primary any more.
    if (electionId > MAX_ELECTION_ID) return;
    this.#identity.electionId = electionId;
    this.#stream?.write({ update: { $case: 'arbitration', value: this.#arbitration() } });
  }

  #broken(stream: Stream, error: P4rtError): void {
    if (stream !== this.#stream) return;
    clearTimeout(this.#timer);
    this.#dropStream();
    const connected = this.#state.kind === 'primary' || this.#state.kind === 'backup';
    // Start over with short delays only after a connection that held: a server may accept and drop at once.
    const held = performance.now() - this.#connectedAt >= (this.#reconnect?.maxDelayMs ?? 0);
    if (connected && held) {
      this.#attempt = 1;
      this.#backoff.reset();
    }
    if (this.#reconnect === undefined) {
      this.#enter({ kind: 'disconnected', error, retryInMs: undefined });
      return;
    }
    const retryInMs = Math.round(this.#backoff.next());
    this.#attempt++;
    const guard = new Guard((fault) => {
      if (this.#stream !== undefined) this.#broken(this.#stream, this.#rpc.wrap(METHOD, fault));
    });
    this.#timer = setTimeout(
      guard.handler(() => {
        this.#enter({ kind: 'connecting', attempt: this.#attempt });
        if (this.#state.kind === 'connecting') this.open();
      }),
      retryInMs,
    );
    this.#enter({ kind: 'disconnected', error, retryInMs });
  }

  #dropStream(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#rpc.untrack(stream);
    stream.cancel();
  }

  #enter(state: SessionState): void {
    const before = this.#state;
    if (before.kind === 'closed') return;
    this.#state = state;
    if (state.kind === 'closed' || state.kind === 'primary' || state.kind === 'backup') {
      for (const done of this.#waiters) done(state.kind !== 'closed');
    }
    this.#handlers.onState(state, before);
  }
}
