import { LbModelError } from './errors.js';
import { hash32 } from './hash.js';

/** An endpoint by a name that outlives it on every machine, such as "10.244.1.7:8080". */
export interface BucketEndpoint {
  readonly id: string;
  /** Share of buckets relative to the other endpoints; an integer from 1 to 2^31 - 1. */
  readonly weight: number;
}

/** Which endpoint each hash bucket belongs to. */
export interface BucketTable {
  readonly size: number;
  /** Owner of bucket i; undefined only if there are no endpoints. */
  readonly buckets: readonly (string | undefined)[];
  /** Endpoints whose share is less than one bucket and that got none, by id. */
  readonly overflow: readonly string[];
}

/** Larger tables make no sense in hardware, and would make a mistaken size costly. */
const MAX_SIZE = 1 << 20;

/**
 * Fills a table the way Maglev does (Eisenbud et al., NSDI 2016, section 3.4): each endpoint has its own order of
 * preference over the buckets, and in turn takes the first one that is left, until it has its share. The result
 * depends on the endpoints only, not on their order or the past.
 *
 * Every endpoint gets its exact share (`size * weight / sum of weights`) rounded down or up. A Maglev table has a prime
 * size, so that any stride visits every bucket; here any size will do, as strides that share a factor with it are
 * left out (with 64 buckets: the even ones).
 * @throws LbModelError INVALID_ARGUMENT (size, an id twice), INVALID_ENDPOINT (weight)
 */
export function maglevBuckets(endpoints: readonly BucketEndpoint[], size: number): BucketTable {
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
    throw new LbModelError('INVALID_ARGUMENT', `a bucket table has 1 to ${MAX_SIZE} buckets, not ${size}`, {
      details: {
        size,
      },
    });
  }
  return fill(new Array<string | undefined>(size).fill(undefined), endpoints);
}

/**
 * The table for other endpoints with the fewest buckets moved: as `maglevBuckets`, every endpoint gets its exact share
 * rounded down or up, and no table of which that is true has more buckets in common with `previous`. So if all
 * weights are equal, an endpoint's going moves its own buckets only, and a new one's coming moves only those that it
 * gets: at most `size / n` of them, rounded up.
 * @throws LbModelError as `maglevBuckets`
 */
export function rebalanceBuckets(previous: BucketTable, endpoints: readonly BucketEndpoint[]): BucketTable {
  return fill([...previous.buckets], endpoints);
}

interface Claim {
  readonly id: string;
  /** Ends whose number of buckets may be `floor` or, if the share is not whole, one more. */
  readonly floor: number;
  readonly fraction: number;
  readonly rank: number;
  readonly preference: Preference;
  quota: number;
  held: number;
}

function fill(buckets: (string | undefined)[], endpoints: readonly BucketEndpoint[]): BucketTable {
  const claims = claimsOf(buckets, endpoints);
  if (claims.length > 0) {
    assignQuotas(claims, buckets.length);
    releaseSurplus(claims, buckets);
    takeTurns(claims, buckets);
  }
  const overflow = claims.filter((claim) => claim.quota === 0).map((claim) => claim.id);
  return { size: buckets.length, buckets, overflow };
}

/** One claim for each endpoint, by id; buckets of others are vacated. */
function claimsOf(buckets: (string | undefined)[], endpoints: readonly BucketEndpoint[]): Claim[] {
  const size = buckets.length;
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const strides = stridesOf(size);
  const claims = new Map<string, Claim>();
  for (const { id, weight } of [...endpoints].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))) {
    if (!Number.isInteger(weight) || weight < 1 || weight > 0x7fffffff) {
      throw new LbModelError(
        'INVALID_ENDPOINT',
        `endpoint '${id}': weight ${weight} is not an integer from 1 to 2^31 - 1`,
        {
          details: {
            id,
            weight,
          },
        },
      );
    }
    if (claims.has(id))
      throw new LbModelError('INVALID_ARGUMENT', `endpoint '${id}' is named twice`, { details: { id } });
    const floor = Math.floor((size * weight) / total);
    const fraction = ((size * weight) % total) / total;
    const rank = hash32(id, 2);
    claims.set(id, {
      id,
      floor,
      fraction,
      rank,
      preference: new Preference(id, size, strides),
      quota: 0,
      held: 0,
    });
  }
  for (let i = 0; i < size; i++) {
    const owner = buckets[i];
    const claim = owner === undefined ? undefined : claims.get(owner);
    if (claim === undefined) buckets[i] = undefined;
    else claim.held++;
  }
  return [...claims.values()];
}

/** Quotas within one of the exact shares, as near as possible to what each endpoint holds. They add up to `size`. */
function assignQuotas(claims: readonly Claim[], size: number): void {
  let rest = size;
  for (const claim of claims) {
    const ceiling = claim.fraction > 0 ? claim.floor + 1 : claim.floor;
    claim.quota = Math.min(Math.max(claim.held, claim.floor), ceiling);
    rest -= claim.quota;
  }
  // An endpoint without any bucket comes first, then the largest remainder; the hash decides between equals.
  const byUrgency = [...claims].sort(
    (a, b) => Number(a.quota > 0) - Number(b.quota > 0) || b.fraction - a.fraction || a.rank - b.rank,
  );
  for (const claim of byUrgency) {
    if (rest <= 0) break;
    if (claim.fraction > 0 && claim.quota === claim.floor) {
      claim.quota++;
      rest--;
    }
  }
  for (const claim of byUrgency.reverse()) {
    if (rest >= 0) break;
    if (claim.quota > claim.floor) {
      claim.quota--;
      rest++;
    }
  }
}

/** Whoever holds more than its quota gives up the buckets that it likes least. */
function releaseSurplus(claims: readonly Claim[], buckets: (string | undefined)[]): void {
  for (const claim of claims) {
    for (let i = buckets.length - 1; i >= 0 && claim.held > claim.quota; i--) {
      const bucket = claim.preference.at(i);
      if (buckets[bucket] !== claim.id) continue;
      buckets[bucket] = undefined;
      claim.held--;
    }
  }
}

function takeTurns(claims: readonly Claim[], buckets: (string | undefined)[]): void {
  let waiting = claims.filter((claim) => claim.held < claim.quota);
  while (waiting.length > 0) {
    for (const claim of waiting) {
      buckets[claim.preference.next((bucket) => buckets[bucket] === undefined)] = claim.id;
      claim.held++;
    }
    waiting = waiting.filter((claim) => claim.held < claim.quota);
  }
}

/** An endpoint's own order over all buckets: `(offset + i * stride) mod size`. */
class Preference {
  readonly #offset: number;
  readonly #stride: number;
  readonly #size: number;
  #position = 0;

  constructor(id: string, size: number, strides: readonly number[]) {
    this.#offset = hash32(id, 0) % size;
    this.#stride = strides[hash32(id, 1) % strides.length] ?? 1;
    this.#size = size;
  }

  at(i: number): number {
    return (this.#offset + i * this.#stride) % this.#size;
  }

  next(isFree: (bucket: number) => boolean): number {
    while (this.#position < this.#size) {
      const bucket = this.at(this.#position++);
      if (isFree(bucket)) return bucket;
    }
    throw new LbModelError('INVALID_STATE', 'quotas exceed the size of the table');
  }
}

let lastStrides: { readonly size: number; readonly strides: readonly number[] } | undefined;

/** The numbers below `size` that have no factor in common with it. */
function stridesOf(size: number): readonly number[] {
  if (lastStrides?.size !== size) {
    const strides: number[] = [];
    for (let n = 1; n < Math.max(size, 2); n++) if (greatestCommonDivisor(n, size) === 1) strides.push(n);
    lastStrides = { size, strides };
  }
  return lastStrides.strides;
}

function greatestCommonDivisor(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
