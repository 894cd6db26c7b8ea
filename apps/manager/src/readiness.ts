import { Guard } from '@infra-offload/guard';
import type { ReadinessReason } from '@infra-offload/infra-api';
import type { CertificateSource } from '@infra-offload/tls-certs/grpc';
import type { Recovery } from './controller/recovery.js';
import { unreachable } from './errors.js';
import type { Logger } from './log.js';
import type { StorageProblem } from './state/log-file.js';
import type { TargetState } from './target/connection.js';

/** How often it is looked at what nobody tells. */
const POLL_MS = 1_000;

/** Something that keeps the manager from being ready. */
export interface Problem {
  readonly reason: ReadinessReason;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Whether calls are answered as ever all the same. */
  readonly isServing: boolean;
}

export interface ReadinessSources {
  readonly targetAddress: string;
  readonly targetState: () => TargetState;
  readonly certificates: Iterable<Pick<CertificateSource, 'problem' | 'isValid'>>;
  /** Why files of the state cannot be written. */
  readonly storage: () => StorageProblem | undefined;
  readonly recovery: Pick<Recovery<never>, 'awaitsSnapshot'>;
  readonly logger: Logger;
}

/** Whether the manager keeps a target equal to what is wanted, and would do so after a restart, too; and if not, why. */
export class Readiness {
  readonly #sources: ReadinessSources;
  readonly #onServing: (isServing: boolean) => void;
  /** Since when there have been problems of a kind, and of which message. */
  readonly #since = new Map<ReadinessReason, number>();
  readonly #timer: NodeJS.Timeout;
  #said = '';
  #isServing: boolean | undefined;

  /** @param onServing told whenever calls begin to be answered, or cease to. */
  constructor(sources: ReadinessSources, onServing: (isServing: boolean) => void) {
    this.#sources = sources;
    this.#onServing = onServing;
    const guard = new Guard((error) => sources.logger.error({ err: error }, 'internal error'));
    this.#timer = setInterval(
      guard.handler(() => this.refresh()),
      POLL_MS,
    );
    this.#timer.unref();
    this.refresh();
  }

  /** Everything that keeps the manager from being ready, the worst first. */
  problems(): readonly Problem[] {
    const found = [this.#target(), ...this.#certificates(), this.#storage(), this.#snapshot()];
    const problems = found.filter((problem) => problem !== undefined);
    for (const reason of this.#since.keys())
      if (!problems.some((problem) => problem.reason === reason)) this.#since.delete(reason);
    return problems;
  }

  /** The problems in one line; undefined when the manager is ready. */
  describe(): string | undefined {
    const problems = this.problems();
    if (problems.length === 0) return undefined;
    return problems
      .map(({ message, since }) => `${message} (since ${new Date(since).toISOString()})`)
      .join('; ');
  }

  /** To be called when something has changed that others are told of. */
  refresh(): void {
    const problems = this.problems();
    const isServing = problems.every((problem) => problem.isServing);
    if (isServing !== this.#isServing) this.#onServing(isServing);
    this.#isServing = isServing;
    const reasons = problems.map(({ reason }) => reason).join(' ');
    if (reasons === this.#said) return;
    this.#said = reasons;
    const { logger } = this.#sources;
    if (problems.length === 0) logger.info('ready');
    else logger.warn({ reasons, problems: problems.map(({ message }) => message) }, 'not ready');
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #target(): Problem | undefined {
    const { targetAddress, targetState } = this.#sources;
    const state = targetState();
    switch (state.kind) {
      case 'ready':
        return undefined;
      case 'connecting':
        return this.#problem(
          'TargetAway',
          `target ${targetAddress} is away: ${state.lastError || 'connecting'}`,
          { isServing: false },
        );
      case 'synchronising':
        return this.#problem('Synchronising', 'synchronising with the target', { isServing: false });
      case 'backup': {
        const message =
          state.primaryElectionId === undefined
            ? 'the target has no primary yet: this manager is becoming the primary'
            : 'another manager is the primary of the target';
        return this.#problem('NotPrimary', message, { isServing: false });
      }
      default:
        return unreachable(state);
    }
  }

  #certificates(): readonly Problem[] {
    const problems = new Map<string, boolean>();
    for (const { problem, isValid } of this.#sources.certificates)
      if (problem !== undefined) problems.set(problem, isValid);
    return [...problems].map(([message, isServing]) =>
      this.#problem('CertificateInvalid', message, { isServing }),
    );
  }

  #storage(): Problem | undefined {
    const problem = this.#sources.storage();
    if (problem === undefined) return undefined;
    const { reason, since } = problem;
    const message = `the state cannot be stored, and is kept in memory: ${reason}`;
    return this.#problem('StateNotStorable', message, { isServing: true, since });
  }

  #snapshot(): Problem | undefined {
    if (!this.#sources.recovery.awaitsSnapshot) return undefined;
    const message =
      'the state of the last run was lost: entries stay on the target until a snapshot from the agent says what is wanted';
    return this.#problem('SnapshotAwaited', message, { isServing: true });
  }

  #problem(
    reason: ReadinessReason,
    message: string,
    { isServing, since = Date.now() }: { readonly isServing: boolean; readonly since?: number },
  ): Problem {
    const first = this.#since.get(reason) ?? since;
    this.#since.set(reason, first);
    return { reason, message, since: first, isServing };
  }
}
