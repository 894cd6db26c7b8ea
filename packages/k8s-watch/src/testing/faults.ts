/** What can go wrong with one answer. Numbers of events do not count bookmarks. */
export type Fault =
  /** An error instead of the answer. */
  | { readonly type: 'status'; readonly status: number; readonly retryAfterSeconds?: number }
  /** The version asked for is gone, told by the HTTP status or by an ERROR event, as servers do both. */
  | { readonly type: 'gone'; readonly as: 'status' | 'event'; readonly afterEvents?: number }
  /** The answer begins late. */
  | { readonly type: 'delay'; readonly ms: number }
  /** The connection breaks after so many bytes of the body, or events. */
  | { readonly type: 'cut'; readonly afterBytes?: number; readonly afterEvents?: number }
  /** The watch ends as if its time were over. */
  | { readonly type: 'end'; readonly afterEvents: number }
  /** Nothing more comes, although the connection stays. */
  | { readonly type: 'stall'; readonly afterEvents: number }
  /** A line that is no event. */
  | { readonly type: 'garbage'; readonly afterEvents: number; readonly text?: string }
  /** Every event comes twice. */
  | { readonly type: 'duplicate' }
  /** The body comes in pieces of so many bytes, which end within lines and characters. */
  | { readonly type: 'pieces'; readonly bytes: number };

export interface FaultRule {
  readonly fault: Fault;
  /** Both if absent. */
  readonly verb?: 'list' | 'watch';
  /** The plural, such as "services"; all if absent. */
  readonly resource?: string;
  /** For so many requests, one if absent. */
  readonly times?: number;
}

/** The faults that are to come. */
export class FaultPlan {
  #rules: { readonly rule: FaultRule; left: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  clear(): void {
    this.#rules = [];
  }

  /** The faults of one request. */
  take(verb: 'list' | 'watch', resource: string): readonly Fault[] {
    const faults: Fault[] = [];
    for (const entry of this.#rules) {
      const { rule } = entry;
      if ((rule.verb ?? verb) !== verb || (rule.resource ?? resource) !== resource) continue;
      entry.left--;
      faults.push(rule.fault);
    }
    this.#rules = this.#rules.filter(({ left }) => left > 0);
    return faults;
  }
}
