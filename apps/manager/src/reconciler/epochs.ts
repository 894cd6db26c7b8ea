import type { Entity } from '@infra-offload/p4rt/proto';
import type { Operation } from '@infra-offload/reconciler';

/**
 * Flows that a target remembers without the control plane. They are checked anew when an epoch is raised: with the epoch's
 * update, the next packet of each flow is looked at as a first one is, without losing its translation.
 */
export interface FlowEpochs<Row> {
  /** Reads the epoch that the target has. */
  readonly read: Entity;
  /** The epoch told by the answer to {@link read}; undefined if it was set by someone who wanted something else. */
  of(entity: Entity): number | undefined;
  /** To be written with MODIFY. 1 to 2^32 - 1. */
  entity(epoch: number): Entity;
  /** Whether flows may remember what an update changes. */
  outdatedBy(update: Pick<Operation<Row>, 'kind' | 'row'>): boolean;
}

/** Numbers that grow, also over restarts: those of flow epochs, and of pods by when they came. */
export class Epochs {
  #last = 0;
  readonly #now: () => number;

  /** @param now milliseconds since the Unix epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** A number greater than all before, and than any {@link seen}: the time in seconds, or the next one. */
  next(): number {
    this.#last = Math.max(this.#last + 1, Math.floor(this.#now() / 1000));
    return this.#last;
  }

  /** Notes a number that was given out earlier. */
  seen(epoch: number): void {
    this.#last = Math.max(this.#last, epoch);
  }
}
