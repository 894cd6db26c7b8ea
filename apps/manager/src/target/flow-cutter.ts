import { Guard } from '@infra-offload/guard';
import type { Logger } from '../log.js';

/** How long changes are collected before flows are cut. */
const COLLECT_MS = 500;
/** Shortest time between two cuts, each of which interrupts everything for a moment. */
const MIN_INTERVAL_MS = 5_000;

/**
 * Has all flows asked again after policies have changed: the pipeline learns flows by itself and lets nobody delete one,
 * so it is committed anew and programmed from the beginning. However many changes there are, that happens once in five
 * seconds at most.
 */
export class FlowCutter {
  readonly #cut: () => void;
  readonly #logger: Logger;
  readonly #mayCut: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #last = Number.NEGATIVE_INFINITY;

  /** @param mayCut while it says no, what was requested waits. */
  constructor(cut: () => void, logger: Logger, mayCut: () => boolean = () => true) {
    this.#cut = cut;
    this.#logger = logger;
    this.#mayCut = mayCut;
  }

  /** Something that flows were allowed may be denied now. */
  request(): void {
    if (this.#timer !== undefined) return;
    const delay = Math.max(COLLECT_MS, this.#last + MIN_INTERVAL_MS - performance.now());
    const guard = new Guard((error) => this.#logger.error({ err: error }, 'flows could not be cut'));
    this.#timer = setTimeout(
      guard.handler(() => {
        this.#timer = undefined;
        if (!this.#mayCut()) {
          this.request();
          return;
        }
        this.#last = performance.now();
        this.#logger.info('policies deny more than before: cutting all flows, so that they are asked again');
        this.#cut();
      }),
      delay,
    );
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
