import { type ChildProcess, spawn } from 'node:child_process';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';

/** A burst of link events counts as one, this many milliseconds after its first. */
const SETTLE_MS = 200;
const RESTART_DELAY_MS = 1000;

/**
 * Tells when links in the agent's network namespace come, go or change, or their addresses do, by `ip monitor`. A monitor that dies is
 * started again, and counts as a change, since events may have been missed.
 */
export class LinkMonitor {
  readonly #onChange: () => void;
  readonly #logger: Logger;
  readonly #guard: Guard;
  #child: ChildProcess | undefined;
  #settling: NodeJS.Timeout | undefined;
  #restarting: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(onChange: () => void, logger: Logger) {
    this.#onChange = onChange;
    this.#logger = logger;
    this.#guard = new Guard((error) => logger.error({ err: error }, 'internal error'));
  }

  start(): void {
    // Ends with the agent even if that is killed: it would keep the agent's network namespace alive.
    const command = ['--pdeathsig', 'KILL', 'ip', 'monitor', 'link', 'address'];
    const child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    child.stdout.on(
      'data',
      this.#guard.handler(() => this.#changed()),
    );
    child.once(
      'error',
      this.#guard.handler((error) => this.#ended(error.message)),
    );
    child.once(
      'exit',
      this.#guard.handler((code, signal) => this.#ended(`exit ${signal ?? code}`)),
    );
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#settling);
    clearTimeout(this.#restarting);
    this.#child?.kill();
  }

  #changed(): void {
    if (this.#stopped) return;
    this.#settling ??= setTimeout(
      this.#guard.handler(() => {
        this.#settling = undefined;
        this.#onChange();
      }),
      SETTLE_MS,
    );
  }

  #ended(reason: string): void {
    if (this.#stopped || this.#restarting !== undefined) return;
    this.#logger.warn({ reason }, 'ip monitor ended; starting it again');
    this.#restarting = setTimeout(
      this.#guard.handler(() => {
        this.#restarting = undefined;
        this.start();
        this.#changed();
      }),
      RESTART_DELAY_MS,
    );
  }
}
