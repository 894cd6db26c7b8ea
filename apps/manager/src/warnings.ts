import { Guard } from '@infra-offload/guard';
import type { WarningReason } from '@infra-offload/infra-api';
import type { ReasonCount } from './drivers/driver.js';
import type { Logger } from './log.js';

/** How often the counters of dropped packets are read. */
const POLL_MS = 5_000;
/** How long a counter stands still until its warning ends: packets that come one by one are one trouble, not many. */
const QUIET_MS = 60_000;

/** Something that connections suffer from although the manager is ready. */
export interface Warning {
  readonly reason: WarningReason;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

interface Trouble extends Warning {
  /** What it is called when it is over. */
  readonly text: string;
  last: number;
  message: string;
}

/** Packets that are dropped for a reason at the moment. */
interface Drops extends Trouble {
  packets: number;
}

export interface WarningSources {
  /** Empty while the target cannot be asked. */
  readonly drops: () => Promise<readonly ReasonCount[]>;
  readonly logger: Logger;
}

/**
 * Warnings of what the counters of dropped packets tell, from the first packet until there has been none for a while, and
 * of what others tell, until they have not told it for as long.
 */
export class Warnings {
  readonly #sources: WarningSources;
  readonly #guard: Guard;
  readonly #timer: NodeJS.Timeout;
  /** Packets by reason, when they were read last. */
  readonly #counts = new Map<WarningReason, number>();
  readonly #drops = new Map<WarningReason, Drops>();
  /** What others have told, by whom it is about. */
  readonly #told = new Map<string, Trouble>();
  #isPolling = false;

  constructor(sources: WarningSources) {
    this.#sources = sources;
    this.#guard = new Guard((error) => sources.logger.error({ err: error }, 'internal error'));
    this.#timer = setInterval(
      this.#guard.handler(() => this.#poll()),
      POLL_MS,
    );
    this.#timer.unref();
  }

  current(): readonly Warning[] {
    return [...this.#drops.values(), ...this.#told.values()].map(({ reason, message, since }) => ({
      reason,
      message,
      since,
    }));
  }

  /** Tells of something that goes on at the moment. Whoever it is `about` may have one such trouble. */
  tell(reason: WarningReason, about: string, text: string, message: string): void {
    const key = `${reason} ${about}`;
    const now = Date.now();
    const trouble = this.#told.get(key);
    if (trouble === undefined) {
      this.#told.set(key, { reason, text: `${about}: ${text}`, message, since: now, last: now });
      this.#sources.logger.warn({ reason }, message);
    } else {
      trouble.last = now;
      trouble.message = message;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Reads the counters now, beside every few seconds. To be called when the target is ready: what is dropped after that is news. */
  look(): void {
    this.#guard.run(() => this.#poll());
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      for (const count of await this.#sources.drops()) this.#see(count);
      for (const [key, { reason, text, last }] of this.#told) {
        if (Date.now() - last < QUIET_MS) continue;
        this.#told.delete(key);
        this.#sources.logger.info({ reason }, `no longer: ${text}`);
      }
    } finally {
      this.#isPolling = false;
    }
  }

  #see({ warning: reason, text, packets }: ReasonCount): void {
    if (reason === undefined) return;
    // What was dropped before the first look is no news. A count that has fallen is that of a program begun anew.
    const before = this.#counts.get(reason) ?? packets;
    const more = packets < before ? packets : packets - before;
    this.#counts.set(reason, packets);
    const { logger } = this.#sources;
    const now = Date.now();
    const trouble = this.#drops.get(reason);
    if (trouble === undefined) {
      if (more === 0) return;
      const message = messageOfDrops(text, more);
      this.#drops.set(reason, { reason, message, since: now, text, last: now, packets: more });
      logger.warn({ reason, packets: more }, `packets are dropped: ${text}`);
    } else if (more > 0) {
      trouble.last = now;
      trouble.packets += more;
      trouble.message = messageOfDrops(text, trouble.packets);
    } else if (now - trouble.last >= QUIET_MS) {
      this.#drops.delete(reason);
      logger.info({ reason, packets: trouble.packets }, `packets are no longer dropped: ${text}`);
    }
  }
}

function messageOfDrops(text: string, packets: number): string {
  return `${text}: ${packets} packets dropped`;
}
