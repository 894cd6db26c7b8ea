import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff, type BackoffOptions } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { formatEntity, P4RuntimeSession, P4rtError, type SessionOptions } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { Contents } from './contents.js';
import type { ControlledSwitch } from './controlled-switch.js';
import { invalid } from './errors.js';
import type { Tell } from './events.js';
import { Keeper } from './keeper.js';
import type { SwitchOptions } from './options.js';
import { ensurePipeline } from './pipeline.js';

const DEFAULT_AUDIT_MS = 60_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Connects to a switch, and keeps it in the wanted state whenever this controller is its primary. */
export class ManagedSwitch implements ControlledSwitch {
  readonly name: string;
  readonly #options: SwitchOptions;
  readonly #identity: Pick<SessionOptions, 'electionId' | 'role'>;
  readonly #tell: Tell;
  readonly #contents: Contents;
  readonly #keeper: Keeper;
  readonly #auditMs: number;
  readonly #stop = new AbortController();
  readonly #guard = new Guard();
  readonly #waits: BackoffOptions;
  #session: P4RuntimeSession | undefined;

  constructor(
    name: string,
    options: SwitchOptions,
    identity: Pick<SessionOptions, 'electionId' | 'role'>,
    tell: Tell,
  ) {
    const { initialDelayMs = 100, maxDelayMs = 5_000 } = options.reconnect ?? {};
    this.name = name;
    this.#options = options;
    this.#identity = identity;
    this.#tell = tell;
    this.#auditMs = options.auditMs ?? DEFAULT_AUDIT_MS;
    if (!(this.#auditMs >= 1 && this.#auditMs <= MAX_TIMER_MS))
      throw invalid(`auditMs of switch '${name}' is ${this.#auditMs}, not 1 to ${MAX_TIMER_MS}`);
    this.#waits = { initialMs: initialDelayMs, maxMs: maxDelayMs };
    this.#contents = new Contents(options.program, options.tables);
    this.#keeper = new Keeper(this.#contents, this.#waits, {
      inSync: () => tell('inSync', this),
      refused: (refusal) => tell('refused', this, refusal),
    });
    this.setWanted(options.wanted ?? []);
  }

  get session(): P4RuntimeSession | undefined {
    return this.#session;
  }

  get isPrimary(): boolean {
    return this.#session?.isPrimary ?? false;
  }

  get isInSync(): boolean {
    return this.#keeper.isInSync;
  }

  setWanted(entities: readonly Entity[]): void {
    const describe = (entity: Entity) => formatEntity(this.#options.program, entity);
    this.#keeper.setWanted(this.#contents.wanted(entities, describe));
  }

  async audit(): Promise<number> {
    const differing = await this.#keeper.audit();
    if (differing > 0) this.#tell('repaired', this, differing);
    return differing;
  }

  /** Begins to connect. */
  start(): void {
    this.#guard.run(() => this.#run());
  }

  /** Ends the connection, for good. */
  stop(): void {
    this.#stop.abort();
    this.#keeper.detach();
    this.#session?.close();
  }

  async #run(): Promise<void> {
    const session = await this.#open();
    if (session === undefined) return;
    this.#session = session;
    this.#listen(session);
    for (;;) {
      const term = await session.whenPrimary().catch(() => undefined);
      if (term === undefined) return;
      if (term.aborted) continue;
      this.#tell('primary', this);
      await this.#keep(session, term);
    }
  }

  async #open(): Promise<P4RuntimeSession | undefined> {
    const { signal } = this.#stop;
    const backoff = new Backoff(this.#waits);
    while (!signal.aborted) {
      try {
        const session = await P4RuntimeSession.open({
          ...this.#options,
          ...this.#identity,
          takeover: true,
        });
        if (!signal.aborted) return session;
        session.close();
      } catch (error) {
        if (!P4rtError.is(error)) throw error;
        if (!signal.aborted) this.#tell('disconnected', this, error);
      }
      await backoff.wait(signal);
    }
    return undefined;
  }

  #listen(session: P4RuntimeSession): void {
    session.on(
      'connected',
      this.#guard.handler(() => this.#tell('connected', this)),
    );
    session.on(
      'backup',
      this.#guard.handler((state) => this.#tell('standby', this, state)),
    );
    session.on(
      'disconnected',
      this.#guard.handler((error) => this.#tell('disconnected', this, error)),
    );
    session.on(
      'packetIn',
      this.#guard.handler((packet) => this.#tell('packetIn', this, packet)),
    );
    session.on(
      'digest',
      this.#guard.handler((digest, acknowledge) => this.#tell('digest', this, digest, acknowledge)),
    );
    session.on(
      'idleTimeout',
      this.#guard.handler((notification) => this.#tell('idleTimeout', this, notification)),
    );
    this.#tell('connected', this);
    if (session.state.kind === 'backup') this.#tell('standby', this, session.state);
  }

  /** Keeps the switch in the wanted state until the term as its primary is over. */
  async #keep(session: P4RuntimeSession, term: AbortSignal): Promise<void> {
    const retry = new Backoff(this.#waits);
    while (!term.aborted) {
      try {
        const { pipeline } = this.#options;
        const action = pipeline && (await ensurePipeline(session, pipeline));
        if (term.aborted) return;
        if (action !== undefined) this.#tell('pipelineSet', this, action);
        const doubt = await this.#keeper.attach(session);
        const since = performance.now();
        await this.#auditUntil(AbortSignal.any([term, doubt]));
        // Only what held for a while counts as a success: else the waits grow.
        if (performance.now() - since > this.#waits.maxMs) retry.reset();
        doubt.throwIfAborted();
      } catch (error) {
        if (!term.aborted) this.#tell('failed', this, error);
      } finally {
        this.#keeper.detach();
      }
      await retry.wait(term);
    }
  }

  async #auditUntil(ended: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#auditMs, undefined, { signal: ended, ref: false }).catch(() => undefined);
      if (ended.aborted) return;
      await this.audit();
    }
  }
}
