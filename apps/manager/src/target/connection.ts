import type { ChannelCredentials } from '@grpc/grpc-js';
import { Backoff, type BackoffOptions, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import type { Driver } from '../drivers/driver.js';
import type { Logger } from '../log.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import { ensurePipeline, runsPipeline } from './pipeline.js';
import { ensureSettings } from './settings.js';

/** Where the connection stands. */
export type TargetState =
  | { readonly kind: 'connecting'; readonly lastError: string }
  /** Primary; the pipeline is being set and the tables are being read. */
  | { readonly kind: 'synchronising' }
  | {
      readonly kind: 'ready';
      /** What the target cannot do, and what follows: "no …: …". */
      readonly lacks: readonly string[];
    }
  /** Another controller is primary; undefined: none is, and the target takes a higher election id only. */
  | { readonly kind: 'backup'; readonly primaryElectionId: bigint | undefined };

export interface TargetOptions {
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly deviceId: number;
  readonly deadlineMs: number;
}

const RETRY: BackoffOptions = { initialMs: 100, maxMs: 5_000 };
const MAX_ELECTION_ID = 2n ** 128n - 1n;

/**
 * Keeps a session with the target: connects until it succeeds, becomes primary, sets the pipeline and attaches the
 * reconciler; detaches it whenever the session is lost or another manager has become primary.
 */
export class TargetConnection<Row> {
  readonly #options: TargetOptions;
  readonly #driver: Driver<Row>;
  readonly #reconciler: Reconciler<Row>;
  readonly #logger: Logger;
  readonly #onState: (state: TargetState) => void;
  readonly #stop = new AbortController();
  readonly #guard = new Guard((error) => this.#fault(error));
  #state: TargetState = { kind: 'connecting', lastError: '' };
  #session: P4RuntimeSession | undefined;
  /** Counts roles and sessions: what began under an older one no longer counts. */
  #term = 0;
  #lastElectionId = 0n;
  /** Attempts at becoming primary of a target without one. */
  readonly #claims = new Backoff(RETRY);
  readonly #retry = new Backoff(RETRY);
  #readySince = 0;
  #checking = false;

  constructor(
    options: TargetOptions,
    driver: Driver<Row>,
    reconciler: Reconciler<Row>,
    logger: Logger,
    onState: (state: TargetState) => void,
  ) {
    this.#options = options;
    this.#driver = driver;
    this.#reconciler = reconciler;
    this.#logger = logger;
    this.#onState = onState;
  }

  get state(): TargetState {
    return this.#state;
  }

  /** The session while it may be used to read. */
  get session(): P4RuntimeSession | undefined {
    return this.#state.kind === 'ready' || this.#state.kind === 'synchronising' ? this.#session : undefined;
  }

  /** Begins connecting, in the background. */
  start(): void {
    this.#guard.run(() => this.#connect(undefined));
  }

  stop(): void {
    this.#stop.abort();
    this.#term++;
    this.#session?.close();
    this.#session = undefined;
    this.#reconciler.detach();
  }

  /** To be called when a write failed in a way that puts the connection in doubt. */
  suspect(suspicion: 'disconnected' | 'not-primary' | 'pipeline'): void {
    const session = this.#session;
    // A broken stream reconnects by itself; its events go on from there.
    if (session?.state.kind !== 'primary') return;
    if (suspicion === 'pipeline') {
      this.#guard.run(() => this.#checkPipeline(session, this.#term));
      return;
    }
    this.#logger.warn({ suspicion }, 'writes fail: synchronising again');
    this.#retrySynchronise(session, ++this.#term);
  }

  /** Synchronises anew if the device has lost our pipeline, as one does that was restarted behind a proxy. */
  async #checkPipeline(session: P4RuntimeSession, term: number): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      if (await runsPipeline(session, this.#driver)) return;
      if (!this.#isCurrent(term)) return;
      this.#logger.warn('the target has lost our pipeline: synchronising again');
      this.#retrySynchronise(session, ++this.#term);
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, 'the pipeline of the target cannot be checked');
    } finally {
      this.#checking = false;
    }
  }

  /** @param over an election id that the first attempt has to exceed. */
  async #connect(over: bigint | undefined): Promise<void> {
    const term = ++this.#term;
    const backoff = new Backoff(RETRY);
    for (let exceed = over; this.#isCurrent(term); exceed = undefined) {
      try {
        const session = await P4RuntimeSession.open({
          address: this.#options.address,
          credentials: this.#options.credentials,
          deviceId: this.#options.deviceId,
          electionId: this.#nextElectionId(exceed),
          deadlineMs: this.#options.deadlineMs,
          maxUpdatesPerWrite: 5000,
          program: this.#driver.program,
        });
        if (this.#isCurrent(term)) this.#opened(session);
        else session.close();
        return;
      } catch (error) {
        this.#away(messageOf(error));
      }
      await this.#pause(backoff);
    }
  }

  /**
   * Later managers and later attempts have higher ids: milliseconds since the epoch, never one twice. Only a target
   * without a primary is asked with more than that, because a live primary is to stay.
   */
  #nextElectionId(over = 0n): bigint {
    const now = BigInt(Date.now());
    this.#lastElectionId = now > this.#lastElectionId ? now : this.#lastElectionId + 1n;
    if (over < this.#lastElectionId) return this.#lastElectionId;
    return over < MAX_ELECTION_ID ? over + 1n : MAX_ELECTION_ID;
  }

  #opened(session: P4RuntimeSession): void {
    this.#session = session;
    session.on(
      'primary',
      this.#guard.handler(() => this.#primary(session)),
    );
    session.on(
      'backup',
      this.#guard.handler(() => this.#backup(session)),
    );
    session.on(
      'disconnected',
      this.#guard.handler((error) => {
        this.#term++;
        this.#away(error.message);
      }),
    );
    session.on(
      'listenerError',
      this.#guard.handler((error) => this.#logger.error({ err: error }, 'internal error')),
    );
    if (session.isPrimary) this.#primary(session);
    else this.#backup(session);
  }

  #primary(session: P4RuntimeSession): void {
    this.#claims.reset();
    this.#logger.info(
      { address: this.#options.address, electionId: session.electionId.toString() },
      'primary',
    );
    this.#guard.run(() => this.#synchronise(session, ++this.#term));
  }

  #backup(session: P4RuntimeSession): void {
    const term = ++this.#term;
    this.#reconciler.detach();
    const { state } = session;
    if (state.kind !== 'backup') return;
    const { primaryElectionId, highestElectionId } = state;
    const ids = {
      highestElectionId: highestElectionId?.toString(),
      ownElectionId: session.electionId.toString(),
    };
    const before = this.#state;
    this.#enter({ kind: 'backup', primaryElectionId });
    if (primaryElectionId !== undefined) {
      this.#claims.reset();
      if (before.kind !== 'backup' || before.primaryElectionId === undefined)
        this.#logger.warn(ids, 'another controller is the primary of this target: not writing');
      return;
    }
    this.#logger.info(ids, 'the target has no primary, and our election id is too low: taking a higher one');
    this.#guard.run(async () => {
      await this.#pause(this.#claims);
      if (!this.#isCurrent(term)) return;
      session.close();
      this.#session = undefined;
      await this.#connect(highestElectionId);
    });
  }

  async #synchronise(session: P4RuntimeSession, term: number): Promise<void> {
    const valid = () => this.#isCurrent(term) && session.isPrimary;
    this.#reconciler.detach();
    this.#enter({ kind: 'synchronising' });
    try {
      const pipeline = await ensurePipeline(session, this.#driver, this.#logger);
      if (!valid()) return;
      const lacks = await ensureSettings(session, this.#driver.settings ?? [], this.#logger);
      if (!valid()) return;
      const entities = await this.#reconciler.attach(
        { write: (updates) => session.write(updates), read: (wanted) => session.read(wanted) },
        valid,
      );
      if (!valid()) return;
      this.#readySince = performance.now();
      this.#logger.info({ pipeline, entities }, 'read the target back');
      this.#enter({ kind: 'ready', lacks });
    } catch (error) {
      if (!valid()) return;
      this.#logger.error({ reason: messageOf(error) }, 'cannot synchronise with the target, trying again');
      this.#retrySynchronise(session, term);
    }
  }

  #retrySynchronise(session: P4RuntimeSession, term: number): void {
    // Only what held for a while counts as success: else the pauses grow.
    if (this.#state.kind === 'ready' && performance.now() - this.#readySince > RETRY.maxMs)
      this.#retry.reset();
    this.#reconciler.detach();
    this.#enter({ kind: 'synchronising' });
    this.#guard.run(async () => {
      await this.#pause(this.#retry);
      if (this.#isCurrent(term) && session.isPrimary) await this.#synchronise(session, term);
    });
  }

  /** After an error of our own, everything begins anew. */
  #fault(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#logger.error({ err: error }, 'internal error: connecting again');
    this.#session?.close();
    this.#session = undefined;
    this.#away(messageOf(error));
    this.#guard.run(async () => {
      const term = ++this.#term;
      await this.#pause(this.#retry);
      if (this.#isCurrent(term)) await this.#connect(undefined);
    });
  }

  #away(lastError: string): void {
    this.#reconciler.detach();
    if (this.#state.kind !== 'connecting' || this.#state.lastError === '') {
      this.#logger.warn(
        { address: this.#options.address, reason: lastError },
        'the target is away, trying again',
      );
    }
    this.#enter({ kind: 'connecting', lastError });
  }

  #enter(state: TargetState): void {
    if (this.#stop.signal.aborted) return;
    this.#state = state;
    this.#onState(state);
  }

  #isCurrent(term: number): boolean {
    return term === this.#term && !this.#stop.signal.aborted;
  }

  #pause(backoff: Backoff): Promise<void> {
    return backoff.wait(this.#stop.signal, { ref: false });
  }
}
