import { printable } from '../printable.js';
import { Allowance } from './allowance.js';
import type { TlsLogger } from './source.js';

/** The same is logged once in this time: clients try again and again. */
const QUIET_MS = 60_000;
/** Lines at once, and how many come back each second: by address, and in all. */
const LINES_PER_ADDRESS = [10, 1 / 6] as const;
const LINES = [60, 1] as const;
/** Addresses that are remembered; the one that was heard of first is forgotten. */
const MAX_ADDRESSES = 1_000;
/** Lines that are remembered of one address. */
const MAX_SAID = 20;

interface Known {
  readonly lines: Allowance;
  /** What was logged, and when. */
  readonly said: Map<string, number>;
}

/**
 * Lines about peers. Whatever these do, and whatever they put into their certificates, there is a bounded number of them,
 * of bounded length and of printable characters; how many were left out is told with the next one.
 */
export class PeerLog {
  readonly #logger: TlsLogger | undefined;
  readonly #known = new Map<string, Known>();
  readonly #lines: Allowance;
  readonly #now: () => number;
  #leftOut = 0;

  constructor(logger: TlsLogger | undefined, now: () => number = performance.now.bind(performance)) {
    this.#logger = logger;
    this.#now = now;
    this.#lines = new Allowance(...LINES, now());
  }

  /** @param address by which lines are counted. @param client what is logged of the peer, if it has a name. */
  warn(address: string, client: string | undefined, reason: string, message: string): void {
    const now = this.#now();
    const { lines, said } = this.#of(address);
    const text = printable(reason);
    const last = said.get(text);
    if (last !== undefined && now - last < QUIET_MS) return;
    if (!lines.take(now) || !this.#lines.take(now)) {
      this.#leftOut++;
      return;
    }
    remember(said, text, now, MAX_SAID);
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#logger?.warn(
      { ...(client !== undefined && { client }), reason: text, ...(leftOut > 0 && { leftOut }) },
      message,
    );
  }

  #of(address: string): Known {
    const known = this.#known.get(address) ?? {
      lines: new Allowance(...LINES_PER_ADDRESS, this.#now()),
      said: new Map(),
    };
    remember(this.#known, address, known, MAX_ADDRESSES);
    return known;
  }
}

/** Puts something at the end of a map, and takes from its beginning what is too much. */
function remember<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
