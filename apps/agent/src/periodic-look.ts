import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';

/** In between events now and then, in case one was missed. */
const IDLE_MS = 10_000;
/** While things are not as they should be. */
const RETRY_MS = 1_000;

/** Brings something in order when it may have changed, and now and then. Looks never overlap. */
export class PeriodicLook {
  readonly #look: () => Promise<boolean>;
  readonly #logger: Logger;
  readonly #guard: Guard;
  #running: Promise<void> = Promise.resolve();
  #isDue = false;
  #isStopping = false;
  #next: NodeJS.Timeout | undefined;

  /** @param look tells whether all is as it should be */
  constructor(look: () => Promise<boolean>, logger: Logger) {
    this.#look = look;
    this.#logger = logger;
    this.#guard = new Guard((error) => logger.error({ err: error }, 'internal error'));
  }

  /** Looks soon: after the look that is under way. */
  request(): void {
    if (this.#isDue || this.#isStopping) return;
    this.#isDue = true;
    clearTimeout(this.#next);
    this.#running = this.#running.then(async () => {
      this.#isDue = false;
      let isWell = false;
      try {
        isWell = await this.#look();
      } catch (error) {
        this.#logger.error({ reason: messageOf(error) }, 'interfaces cannot be brought in order');
      }
      if (this.#isStopping) return;
      this.#next = setTimeout(
        this.#guard.handler(() => this.request()),
        isWell ? IDLE_MS : RETRY_MS,
      );
    });
  }

  /** Waits for the looks that have been requested. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#next);
    await this.#running;
  }
}
