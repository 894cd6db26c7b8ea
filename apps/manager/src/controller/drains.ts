import { Guard } from '@infra-offload/guard';
import type { GroupPlan } from '@infra-offload/lb-model';
import type { ObjectKey } from '../model/objects.js';

/** Longest time that a timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Services with draining slots, and when the first drain of each is over. */
export class Drains {
  readonly #deadlines = new Map<ObjectKey, number>();
  readonly #now: () => number;
  readonly #onDue: (services: readonly ObjectKey[]) => void;
  readonly #guard: Guard;
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** @param now milliseconds since the epoch. */
  constructor(
    now: () => number,
    onDue: (services: readonly ObjectKey[]) => void,
    guard: Guard = new Guard(),
  ) {
    this.#now = now;
    this.#guard = guard;
    this.#onDue = onDue;
  }

  /** Services that drain. */
  keys(): readonly ObjectKey[] {
    return [...this.#deadlines.keys()];
  }

  /** Notes the plan that a service has now. */
  note(service: ObjectKey, plan: GroupPlan | undefined): void {
    let deadline: number | undefined;
    for (const slot of plan?.slots ?? []) {
      if (slot.state === 'draining' && (deadline === undefined || slot.until < deadline))
        deadline = slot.until;
    }
    if (deadline === undefined) {
      this.#deadlines.delete(service);
      return;
    }
    this.#deadlines.set(service, deadline);
    if (deadline < this.#armedFor) this.#arm(deadline);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#deadlines.clear();
  }

  #arm(deadline: number): void {
    clearTimeout(this.#timer);
    this.#armedFor = deadline;
    const delay = Math.min(MAX_TIMER_MS, Math.max(1, deadline - this.#now()));
    this.#timer = setTimeout(
      this.#guard.handler(() => this.#fire()),
      delay,
    );
    this.#timer.unref();
  }

  #fire(): void {
    const now = this.#now();
    this.#armedFor = Number.POSITIVE_INFINITY;
    const due: ObjectKey[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [service, deadline] of this.#deadlines) {
      if (deadline <= now) due.push(service);
      else if (deadline < next) next = deadline;
    }
    if (Number.isFinite(next)) this.#arm(next);
    this.#onDue(due);
  }
}
