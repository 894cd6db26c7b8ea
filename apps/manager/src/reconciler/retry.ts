import { longestDelayMs, Queue } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Cell } from '@infra-offload/reconciler';

const FIRST_DELAY_MS = 100;

interface Due<Row> {
  readonly cell: Cell<Row>;
  readonly at: number;
}

/**
 * Gives failed cells back when it is time: after 100 ms, then twice as long each time up to the limit. Cells of one
 * delay are due in the order in which they came, so that each delay needs one queue and all need one timer.
 */
export class RetrySchedule<Row> {
  readonly #queues = new Map<number, Queue<Due<Row>>>();
  readonly #maxDelayMs: number;
  readonly #onDue: (cells: readonly Cell<Row>[]) => void;
  readonly #guard: Guard;
  #timer: NodeJS.Timeout | undefined;

  constructor(maxDelayMs: number, onDue: (cells: readonly Cell<Row>[]) => void, guard: Guard = new Guard()) {
    this.#guard = guard;
    this.#maxDelayMs = maxDelayMs;
    this.#onDue = onDue;
  }

  add(cell: Cell<Row>): void {
    const attempts = cell.failure?.attempts ?? 1;
    const delay = longestDelayMs({ initialMs: FIRST_DELAY_MS, maxMs: this.#maxDelayMs }, attempts);
    let queue = this.#queues.get(delay);
    if (queue === undefined) {
      queue = new Queue();
      this.#queues.set(delay, queue);
    }
    queue.push({ cell, at: performance.now() + delay });
    this.#arm();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queues.clear();
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    let next: number | undefined;
    for (const queue of this.#queues.values()) {
      const due = queue.peek();
      if (due !== undefined && (next === undefined || due.at < next)) next = due.at;
    }
    if (next === undefined) return;
    this.#timer = setTimeout(
      this.#guard.handler(() => this.#fire()),
      Math.max(1, next - performance.now()),
    );
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    const cells: Cell<Row>[] = [];
    for (const queue of this.#queues.values()) {
      for (let due = queue.peek(); due !== undefined && due.at <= now; due = queue.peek()) {
        queue.shift();
        cells.push(due.cell);
      }
    }
    if (cells.length > 0) this.#onDue(cells);
    this.#arm();
  }
}
