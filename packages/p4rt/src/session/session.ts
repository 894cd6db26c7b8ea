import { status } from '@grpc/grpc-js';
import { Events, warnOfListener } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { P4Program } from '@infra-offload/p4info';
import type { P4Info } from '@infra-offload/p4info/proto';
import { atLeast, uint64 } from '../check.js';
import { entityOfKey } from '../entity-of-key.js';
import { invalid, P4rtError, type WriteFailure } from '../errors.js';
import { formatUpdate, type ProgramLike } from '../format.js';
import {
  type Entity,
  P4RuntimeService,
  type PacketMetadata,
  type ReadRequest,
  type StreamMessageResponse,
  type Update,
  WriteRequest,
  WriteRequest_Atomicity,
} from '../gen/p4/v1/p4runtime.js';
import { DEFAULT_DEADLINE_MS, Rpc } from '../rpc.js';

import type { SessionEvents, SessionOptions, WriteOptions } from './options.js';
import { Pipeline, type PipelineAction, type PipelineConfig, type PipelineParts } from './pipeline.js';
import { PrimaryTerm } from './primary-term.js';
import { readEntities } from './read.js';
import { type ControllerIdentity, DEFAULT_RECONNECT, reconnectOptions, type SessionState } from './state.js';
import { ArbitratedStream } from './stream.js';
import { toUint128 } from './uint128.js';
import { type RawFailure, type WriteTransport, writeBatches } from './write.js';
import { type BatchLimits, planBatches } from './write-plan.js';

/** Updates of one Write: the details of a Write whose updates all fail still arrive, see the README. */
const DEFAULT_MAX_UPDATES = 256;
/** Bytes of one Write: gRPC servers take 4 MiB unless told otherwise. */
const DEFAULT_MAX_BYTES = 4_000_000;
/** Longest wait for a sign of life. */
const PROBE_DEADLINE_MS = 1_000;

/**
 * A controller's session with a P4Runtime server: it holds the StreamChannel, keeps arbitrating, and carries all RPCs.
 * Whenever it is not connected, calls fail at once with UNAVAILABLE.
 */
export class P4RuntimeSession {
  readonly address: string;
  readonly deviceId: bigint;
  readonly #identity: ControllerIdentity;
  readonly #limits: BatchLimits;
  readonly #deadlineMs: number;
  readonly #rpc: Rpc;
  readonly #stream: ArbitratedStream;
  readonly #pipeline: Pipeline;
  readonly #events: Events<SessionEvents>;
  readonly #term = new PrimaryTerm();
  #program: ProgramLike | undefined;
  /** Under way after calls without an answer; one is enough for all of them. */
  #recovery: Promise<boolean> | undefined;

  /**
   * Connects and arbitrates. Resolves as soon as the server has told whether this is the primary.
   * @throws P4rtError the first failure to connect (UNAVAILABLE), DEADLINE_EXCEEDED without an answer, INVALID options
   */
  static async open(options: SessionOptions): Promise<P4RuntimeSession> {
    const session = new P4RuntimeSession(options);
    try {
      await new Promise<void>((resolve, reject) => {
        session.on('connected', resolve);
        session.on('disconnected', reject);
        session.#stream.open();
      });
    } catch (error) {
      session.close();
      throw error;
    }
    session.#events.clear();
    return session;
  }

  private constructor(options: SessionOptions) {
    this.address = options.address;
    this.deviceId = uint64(options.deviceId, 'deviceId');
    const { electionId } = options;
    if (electionId === 0n) throw invalid('election id 0 makes no controller; it starts at 1');
    toUint128(electionId);
    const role = typeof options.role === 'string' ? { name: options.role } : options.role;
    this.#identity = { deviceId: this.deviceId, electionId, role };
    this.#program = options.program;
    this.#deadlineMs = atLeast(1, options.deadlineMs ?? DEFAULT_DEADLINE_MS, 'deadlineMs');
    this.#limits = {
      maxUpdates: atLeast(1, options.maxUpdatesPerWrite ?? DEFAULT_MAX_UPDATES, 'maxUpdatesPerWrite'),
      maxBytes: atLeast(1, options.maxBytesPerWrite ?? DEFAULT_MAX_BYTES, 'maxBytesPerWrite'),
    };
    this.#events = new Events((error, event) => this.#listenerFailed(error, String(event)));
    const reconnect = options.reconnect === false ? undefined : reconnectOptions(options.reconnect);
    const maxDelayMs = (reconnect ?? DEFAULT_RECONNECT).maxDelayMs;
    this.#rpc = new Rpc(options.address, options.credentials, this.#deadlineMs, maxDelayMs);
    const takeover = options.takeover ?? false;
    this.#stream = new ArbitratedStream(this.#rpc, this.#identity, this.#deadlineMs, reconnect, takeover, {
      onState: (state, before) => this.#stateChanged(state, before),
      onMessage: (message) => this.#received(message),
    });
    this.#pipeline = new Pipeline(this.#rpc, this.#identity);
  }

  /** The election id as of now: that of the options, unless this is a standby that took over (`takeover`). */
  get electionId(): bigint {
    return this.#identity.electionId;
  }

  get state(): SessionState {
    return this.#stream.state;
  }

  get isPrimary(): boolean {
    return this.#stream.state.kind === 'primary';
  }

  /**
   * Waits until this controller is the primary; at once if it is. The signal is aborted when it no longer is, with a P4rtError as
   * the reason: PERMISSION_DENIED if another controller has become the primary, UNAVAILABLE if the stream broke or the session was
   * closed. What was wanted of the device is then for the next primary to do.
   * @throws P4rtError UNAVAILABLE if the session is closed, also while this waits
   */
  whenPrimary(): Promise<AbortSignal> {
    if (this.#stream.state.kind === 'closed') return Promise.reject(this.#closedError());
    return this.#term.wait();
  }

  /** Calls a listener on each event, until the function that it gives back is called, or the session is closed. */
  on<E extends keyof SessionEvents>(event: E, listener: (...args: SessionEvents[E]) => unknown): () => void {
    return this.#events.on(event, listener);
  }

  /** Version of the P4Runtime API that the server implements. */
  async capabilities(): Promise<{ readonly apiVersion: string }> {
    this.#stream.requireConnected('Capabilities');
    const { p4runtimeApiVersion } = await this.#watched(
      this.#rpc.unary(P4RuntimeService.capabilities, { deviceId: this.deviceId }),
    );
    return { apiVersion: p4runtimeApiVersion };
  }

  /**
   * Verifies, saves or commits a pipeline (P4Runtime 1.5, "SetForwardingPipelineConfig").
   * @throws P4rtError UNIMPLEMENTED where the target cannot RECONCILE_AND_COMMIT; see {@link reconcilePipeline}
   */
  async setPipeline(
    p4info: P4Program | P4Info,
    deviceConfig: Uint8Array,
    options: { readonly action: PipelineAction; readonly cookie?: bigint; readonly deadlineMs?: number },
  ): Promise<void> {
    this.#stream.requireConnected('SetForwardingPipelineConfig');
    await this.#pipeline.set(p4info, deviceConfig, options);
    this.#program = this.#pipeline.program ?? this.#program;
  }

  /** Commits the pipeline that was last saved (`VERIFY_AND_SAVE`). */
  async commitPipeline(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#stream.requireConnected('SetForwardingPipelineConfig');
    await this.#pipeline.commit(options.deadlineMs);
  }

  /**
   * Sets a pipeline and keeps the entries that still fit (RECONCILE_AND_COMMIT). Targets that cannot do that get
   * VERIFY_AND_COMMIT, which clears all entries: the action that was done is what it gives back.
   */
  async reconcilePipeline(
    p4info: P4Program | P4Info,
    deviceConfig: Uint8Array,
    options: { readonly cookie?: bigint; readonly deadlineMs?: number } = {},
  ): Promise<'RECONCILE_AND_COMMIT' | 'VERIFY_AND_COMMIT'> {
    try {
      await this.setPipeline(p4info, deviceConfig, { ...options, action: 'RECONCILE_AND_COMMIT' });
      return 'RECONCILE_AND_COMMIT';
    } catch (error) {
      if (!P4rtError.is(error, 'UNIMPLEMENTED')) throw error;
    }
    await this.setPipeline(p4info, deviceConfig, { ...options, action: 'VERIFY_AND_COMMIT' });
    return 'VERIFY_AND_COMMIT';
  }

  /** The pipeline of the device; undefined if it has none. */
  async getPipeline(parts: PipelineParts = 'ALL'): Promise<PipelineConfig | undefined> {
    this.#stream.requireConnected('GetForwardingPipelineConfig');
    const config = await this.#watched(this.#pipeline.get(parts));
    this.#program = this.#pipeline.program ?? this.#program;
    return config;
  }

  /**
   * Writes updates, in order, in as many Writes as their number, their size and their keys need. An update whose result
   * is lost is found out about: by sending smaller batches, and by reading back what was sent twice.
   * @throws WriteError (P4rtError WRITE_FAILED) naming each update that failed; all others were done
   * @throws P4rtError INVALID for an update that cannot be encoded, or an atomic write that needs more than one batch;
   *   nothing was sent then
   */
  async write(updates: readonly Update[], options: WriteOptions = {}): Promise<void> {
    this.#stream.requireConnected('Write');
    const { atomicity = 'CONTINUE_ON_ERROR', concurrency = 1, deadlineMs = this.#deadlineMs } = options;
    atLeast(1, concurrency, 'concurrency');
    const batches = planBatches(updates, this.#limits);
    if (atomicity !== 'CONTINUE_ON_ERROR' && batches.length > 1) {
      throw invalid(
        `${atomicity}: ${updates.length} updates do not fit one Write (at most ${this.#limits.maxUpdates} updates, ` +
          `${this.#limits.maxBytes} bytes, no key twice)`,
        { batches: batches.length },
      );
    }
    const header = WriteRequest.encode({
      deviceId: this.deviceId,
      roleId: this.#identity.role?.id ?? 0n,
      role: this.#identity.role?.name ?? '',
      electionId: toUint128(this.electionId),
      updates: [],
      atomicity: WriteRequest_Atomicity[atomicity],
    }).finish();
    const transport: WriteTransport = {
      send: async (encoded, patience) => {
        this.#stream.requireConnected('Write');
        await this.#send(Buffer.concat([header, ...encoded]), deadlineMs * patience);
      },
      recover: () => this.#recover(deadlineMs),
      readBack: (entity) => this.#readOne(entity),
    };
    const divisible = atomicity === 'CONTINUE_ON_ERROR';
    const failures = await writeBatches(batches, transport, { concurrency, divisible });
    if (failures.length > 0) throw this.#writeError(updates, failures);
  }

  /**
   * Reads entities; those without a key are wildcards. The server is asked for more only as entities are taken, and
   * leaving the loop cancels the read.
   * @param options `deadlineMs` is the longest wait for the next answer
   */
  async *read(
    entities: Entity | readonly Entity[],
    options: { readonly deadlineMs?: number } = {},
  ): AsyncGenerator<Entity, void, void> {
    this.#stream.requireConnected('Read');
    const request: ReadRequest = {
      deviceId: this.deviceId,
      role: this.#identity.role?.name ?? '',
      entities: isList(entities) ? [...entities] : [entities],
    };
    try {
      yield* readEntities(this.#rpc, request, options.deadlineMs ?? this.#deadlineMs);
    } catch (error) {
      this.#doubt(error);
      throw error;
    }
  }

  /** Sends a packet. What the server thinks of it comes as `streamError`. @throws P4rtError UNAVAILABLE */
  packetOut(payload: Uint8Array, metadata: readonly PacketMetadata[] = []): void {
    this.#stream.send({ $case: 'packet', value: { payload, metadata: [...metadata] } });
  }

  /** Ends the session: calls under way fail with CANCELLED, no event comes any more. May be called again. */
  close(): void {
    if (this.#stream.state.kind === 'closed') return;
    this.#events.clear();
    this.#stream.close();
    this.#rpc.close();
    this.#term.close(this.#closedError());
  }

  #closedError(): P4rtError {
    return this.#rpc.error('StreamChannel', status.UNAVAILABLE, 'the session is closed');
  }

  async #watched<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      this.#doubt(error);
      throw error;
    }
  }

  /** After a call without an answer: has the connection looked at, and replaced if it is dead. */
  #doubt(error: unknown): void {
    if (P4rtError.is(error, 'DEADLINE_EXCEEDED')) new Guard().run(() => this.#recover(this.#deadlineMs));
  }

  /** Sends one Write. If it ends because the connection was given up meanwhile, it counts as not answered. */
  async #send(request: Buffer, deadlineMs: number): Promise<void> {
    const { client } = this.#rpc;
    try {
      await this.#rpc.unary(RAW_WRITE, request, deadlineMs);
    } catch (error) {
      if (client === this.#rpc.client || !P4rtError.is(error, 'UNAVAILABLE', 'CANCELLED')) throw error;
      throw this.#rpc.error('Write', status.DEADLINE_EXCEEDED, 'no answer; the connection was given up');
    }
  }

  /**
   * Makes sure that the connection works after a call without an answer. HTTP/2 of Node stops for good at headers that
   * are too large, as those with many errors of a Write are, without telling anybody.
   */
  #recover(deadlineMs: number): Promise<boolean> {
    this.#recovery ??= this.#probe(deadlineMs).finally(() => {
      this.#recovery = undefined;
    });
    return this.#recovery;
  }

  async #probe(deadlineMs: number): Promise<boolean> {
    try {
      const probeMs = Math.min(deadlineMs, PROBE_DEADLINE_MS);
      await this.#rpc.unary(P4RuntimeService.capabilities, { deviceId: this.deviceId }, probeMs);
      return true;
    } catch (error) {
      if (!P4rtError.is(error, 'DEADLINE_EXCEEDED', 'UNAVAILABLE', 'CANCELLED')) return true;
      const reason = 'the connection does not answer any more';
      return this.#stream.renew(this.#rpc.error('StreamChannel', status.UNAVAILABLE, reason));
    }
  }

  async #readOne(entity: Entity): Promise<Entity | undefined> {
    for await (const found of this.read(entityOfKey(entity))) return found;
    return undefined;
  }

  #writeError(updates: readonly Update[], raw: readonly RawFailure[]): P4rtError<'WRITE_FAILED'> {
    const failures = raw.flatMap((failure): WriteFailure[] => {
      const update = updates[failure.index];
      return update === undefined ? [] : [{ ...failure, update, entry: formatUpdate(this.#program, update) }];
    });
    const shown = failures
      .slice(0, 3)
      .map(({ index, entry, code, message }) => `[${index}] ${entry}: ${code} ${message}`);
    const more = failures.length > shown.length ? `; and ${failures.length - shown.length} more` : '';
    const summary = `${failures.length} of ${updates.length} updates failed`;
    return new P4rtError('WRITE_FAILED', `Write at ${this.address}: ${summary}: ${shown.join('; ')}${more}`, {
      details: {
        failures,
        total: updates.length,
        address: this.address,
      },
    });
  }

  #stateChanged(state: SessionState, before: SessionState): void {
    if (before.kind === 'primary') this.#term.end(this.#endOfTerm(state));
    if (state.kind === 'primary') this.#term.begin();
    switch (state.kind) {
      case 'connecting':
      case 'closed':
        return;
      case 'disconnected':
        this.#events.emit('disconnected', state.error);
        return;
      case 'primary':
        if (before.kind === 'connecting') this.#events.emit('connected');
        this.#events.emit('primary');
        return;
      case 'backup':
        if (before.kind === 'connecting') this.#events.emit('connected');
        this.#events.emit('backup', state);
        return;
      default:
        state satisfies never;
    }
  }

  #endOfTerm(state: SessionState): P4rtError {
    if (state.kind === 'disconnected') return state.error;
    if (state.kind !== 'backup') return this.#closedError();
    const primary =
      state.primaryElectionId === undefined ? 'another one was' : `${state.primaryElectionId} is`;
    const reason = `no longer the primary: election id ${primary}`;
    return this.#rpc.error('StreamChannel', status.PERMISSION_DENIED, reason);
  }

  #received(message: NonNullable<StreamMessageResponse['update']>): void {
    switch (message.$case) {
      case 'packet':
        this.#events.emit('packetIn', message.value);
        return;
      case 'digest': {
        const { digestId, listId } = message.value;
        this.#events.emit('digest', message.value, () => {
          this.#stream.send({ $case: 'digestAck', value: { digestId, listId } });
        });
        return;
      }
      case 'idleTimeoutNotification':
        this.#events.emit('idleTimeout', message.value);
        return;
      case 'error': {
        const { canonicalCode, message: text } = message.value;
        this.#events.emit(
          'streamError',
          this.#rpc.error('StreamChannel', canonicalCode, text),
          message.value,
        );
        return;
      }
      case 'arbitration':
      case 'other':
        return;
      default:
        message satisfies never;
    }
  }

  #listenerFailed(error: unknown, event: string): void {
    if (event !== 'listenerError' && this.#events.has('listenerError')) {
      this.#events.emit('listenerError', error, event);
      return;
    }
    warnOfListener(error, event, 'P4RuntimeSession');
  }
}

function isList(entities: Entity | readonly Entity[]): entities is readonly Entity[] {
  return Array.isArray(entities);
}

/** Write with a request that is encoded already. */
const RAW_WRITE = {
  path: P4RuntimeService.write.path,
  requestSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: P4RuntimeService.write.responseDeserialize,
};
