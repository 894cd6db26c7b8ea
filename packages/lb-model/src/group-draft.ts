import {
  type ActiveSlot,
  type DrainingSlot,
  type EndpointSpec,
  endpointId,
  type GroupPlan,
  type PlanOptions,
  type RestingSlot,
  type Slot,
} from './group.js';

/** A plan in the making. Slots that do not change keep their objects, so that an unchanged plan is recognised. */
export class GroupDraft {
  readonly #previous: GroupPlan;
  readonly #options: PlanOptions;
  readonly #slots = new Map<number, Slot>();
  readonly #rested: number[];
  #restedTaken = 0;
  readonly #freed: { readonly slot: number; readonly since: number }[] = [];
  #highestUsed: number;
  #active = 0;
  readonly #overflow: EndpointSpec[] = [];
  readonly #evicted: (DrainingSlot | RestingSlot)[] = [];
  #evictable: (DrainingSlot | RestingSlot)[] | undefined;
  #changed = false;

  constructor(previous: GroupPlan, options: PlanOptions) {
    this.#previous = previous;
    this.#options = options;
    this.#rested = [...previous.rested];
    this.#highestUsed = previous.highestUsed;
  }

  /** Takes an endpoint that has a slot out of `wanted`. */
  carryOver(slot: Slot, wanted: Map<number, EndpointSpec>): void {
    const id = endpointId(slot);
    const endpoint = wanted.get(id);
    if (endpoint !== undefined && !this.#isFull()) {
      wanted.delete(id);
      if (slot.state === 'active' && slot.weight === endpoint.weight) {
        this.keep(slot);
        this.#active++;
      } else this.#activate(slot.slot, endpoint, slot.state === 'active' ? slot.since : this.#options.now);
    } else if (slot.state === 'active') {
      this.#drain(slot);
    } else {
      this.age(slot);
    }
  }

  /** Finds a slot for an endpoint that has none. */
  place(endpoint: EndpointSpec): void {
    const slot = this.#isFull() ? undefined : this.#freeSlot();
    if (slot === undefined) this.#overflow.push(specOf(endpoint));
    else this.#activate(slot, endpoint, this.#options.now);
  }

  keep(slot: Slot): void {
    this.#slots.set(slot.slot, slot);
  }

  age(slot: DrainingSlot | RestingSlot): void {
    if (slot.until > this.#options.now) this.keep(slot);
    else if (slot.state === 'draining') this.rest(slot);
    else this.#free(slot.slot, slot.since);
  }

  rest(slot: ActiveSlot | DrainingSlot): void {
    const { now, restMs } = this.#options;
    this.#changed = true;
    // The entry goes away now, however long ago it could have: the rest counts from here.
    if (restMs > 0) this.#slots.set(slot.slot, stopped(slot, 'resting', now, restMs));
    else this.#free(slot.slot, now);
  }

  finish(overflow: readonly EndpointSpec[] = this.#overflow): GroupPlan {
    const previous = this.#previous;
    if (!this.#changed && previous.evicted.length === 0 && sameEndpoints(overflow, previous.overflow)) {
      return previous;
    }
    this.#queueFreed();
    return {
      key: previous.key,
      size: previous.size,
      slots: [...this.#slots.values()].sort((a, b) => a.slot - b.slot),
      rested: this.#rested.slice(this.#restedTaken),
      highestUsed: this.#highestUsed,
      overflow,
      evicted: this.#evicted,
    };
  }

  #isFull(): boolean {
    return this.#active >= (this.#options.maxActive ?? this.#previous.size);
  }

  #drain(slot: ActiveSlot): void {
    const { now, drainMs } = this.#options;
    this.#changed = true;
    if (drainMs > 0) this.#slots.set(slot.slot, stopped(slot, 'draining', now, drainMs));
    else this.rest(slot);
  }

  #activate(slot: number, endpoint: EndpointSpec, since: number): void {
    this.#changed = true;
    this.#active++;
    this.#slots.set(slot, { state: 'active', slot, ...specOf(endpoint), since });
  }

  #free(slot: number, since: number): void {
    this.#changed = true;
    this.#freed.push({ slot, since });
  }

  #queueFreed(): void {
    this.#freed.sort((a, b) => a.since - b.since || a.slot - b.slot);
    for (const { slot } of this.#freed) this.#rested.push(slot);
    this.#freed.length = 0;
  }

  #freeSlot(): number | undefined {
    if (this.#highestUsed < this.#previous.size) return ++this.#highestUsed;
    this.#queueFreed();
    const rested = this.#rested[this.#restedTaken];
    if (rested !== undefined) {
      this.#restedTaken++;
      return rested;
    }
    return this.#evict();
  }

  #evict(): number | undefined {
    if (this.#evictable === undefined) {
      this.#evictable = [];
      for (const slot of this.#slots.values()) if (slot.state !== 'active') this.#evictable.push(slot);
      // Popped from the end: resting before draining, the oldest of each first.
      this.#evictable.sort(
        (a, b) =>
          Number(a.state === 'resting') - Number(b.state === 'resting') ||
          b.since - a.since ||
          b.slot - a.slot,
      );
    }
    const slot = this.#evictable.pop();
    if (slot === undefined) return undefined;
    this.#evicted.push(slot);
    return slot.slot;
  }
}

function specOf({ address, port, weight }: EndpointSpec): EndpointSpec {
  return { address, port, weight };
}

function stopped<State extends 'draining' | 'resting'>(
  { slot, address, port }: ActiveSlot | DrainingSlot,
  state: State,
  now: number,
  duration: number,
) {
  return { state, slot, address, port, since: now, until: now + duration };
}

function sameEndpoints(a: readonly EndpointSpec[], b: readonly EndpointSpec[]): boolean {
  return (
    a.length === b.length &&
    a.every((endpoint, i) => {
      const other = b[i];
      return (
        other !== undefined && endpointId(endpoint) === endpointId(other) && endpoint.weight === other.weight
      );
    })
  );
}
