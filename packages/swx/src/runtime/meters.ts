import { SwxError } from '../errors.js';

/**
 * Two rates, three colours (RFC 2698). Units are those of the length that the program's `meter` instructions give: bytes, or
 * packets where it is always 1. All are 1 … {@link METER_LIMIT}.
 */
export interface MeterProfile {
  /** Committed information rate, units a second. */
  readonly cir: bigint;
  /** Committed burst size, units. */
  readonly cbs: bigint;
  /** Peak information rate, units a second; at least `cir`. */
  readonly pir: bigint;
  /** Peak burst size, units. */
  readonly pbs: bigint;
}

/** Greatest rate and burst. DPDK's arithmetic overflows at some 2^57, and then divides by zero. */
export const METER_LIMIT = 2n ** 53n - 1n;

export type MeterColor = 'green' | 'yellow' | 'red';
/** In the order of the numbers that the data plane has for them. */
const COLORS: readonly MeterColor[] = ['green', 'yellow', 'red'];

/** Packets and bytes, by colour. */
export type MeterStats = Readonly<Record<MeterColor, { readonly packets: number; readonly bytes: number }>>;

/** A profile as numbers, which are exact up to {@link METER_LIMIT}. */
type Rates = Readonly<Record<keyof MeterProfile, number>>;

interface Meter {
  rates: Rates | undefined;
  committed: number;
  peak: number;
  time: number;
  packets: Float64Array;
  bytes: Float64Array;
}

/** An array of trTCM meters. A meter without a profile lets everything through green, as in DPDK. */
export class MeterArray {
  readonly #now: () => number;
  readonly #meters = new Map<number, Meter>();
  readonly #mask: number;

  /** @param size of the meters that can be set; packets find as many as the next power of two */
  constructor(
    readonly name: string,
    readonly size: number,
    now: () => number,
  ) {
    this.#now = now;
    this.#mask = 2 ** Math.ceil(Math.log2(size)) - 1;
  }

  /** The colour (0 green, 1 yellow, 2 red) of a packet of `length` bytes that comes in with `colorIn`. */
  run(index: number, length: number, colorIn: number): number {
    const meter = this.#meter((index & this.#mask) >>> 0);
    const color = meter.rates === undefined ? 0 : check(meter, meter.rates, length, colorIn, this.#now());
    meter.packets[color] = (meter.packets[color] ?? 0) + 1;
    meter.bytes[color] = (meter.bytes[color] ?? 0) + length;
    return color;
  }

  /** Gives a meter a profile (undefined: none) and full buckets. The result takes that back, if no packet came since. */
  set(index: number, profile: MeterProfile | undefined): () => void {
    this.#checkIndex(index);
    if (profile !== undefined) this.#checkProfile(profile);
    const meter = this.#meter(index);
    const { rates, committed, peak, time } = meter;
    meter.rates = profile && {
      cir: Number(profile.cir),
      cbs: Number(profile.cbs),
      pir: Number(profile.pir),
      pbs: Number(profile.pbs),
    };
    meter.committed = meter.rates?.cbs ?? 0;
    meter.peak = meter.rates?.pbs ?? 0;
    meter.time = this.#now();
    return () => {
      Object.assign(meter, { rates, committed, peak, time });
    };
  }

  /** Has the counts of a meter start anew. The result takes that back, if no packet came since. */
  clear(index: number): () => void {
    this.#checkIndex(index);
    const meter = this.#meter(index);
    const { packets, bytes } = meter;
    Object.assign(meter, noCounts());
    return () => {
      Object.assign(meter, { packets, bytes });
    };
  }

  stats(index: number): MeterStats {
    this.#checkIndex(index);
    const meter = this.#meters.get(index);
    const of = (color: number) => ({ packets: meter?.packets[color] ?? 0, bytes: meter?.bytes[color] ?? 0 });
    return { green: of(0), yellow: of(1), red: of(2) };
  }

  #meter(index: number): Meter {
    const known = this.#meters.get(index);
    if (known !== undefined) return known;
    const meter: Meter = { rates: undefined, committed: 0, peak: 0, time: 0, ...noCounts() };
    this.#meters.set(index, meter);
    return meter;
  }

  #checkIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.size) return;
    throw new SwxError(
      'INVALID_VALUE',
      `metarray '${this.name}': index ${index} is not one of 0 … ${this.size - 1}`,
      {
        details: {
          object: this.name,
          token: String(index),
        },
      },
    );
  }

  #checkProfile({ cir, cbs, pir, pbs }: MeterProfile): void {
    // The conditions of rte_meter's trTCM (RFC 2698, section 2).
    const most = [cir, cbs, pir, pbs].reduce((a, b) => (a > b ? a : b));
    if (cir > 0n && cbs > 0n && pbs > 0n && pir >= cir && most <= METER_LIMIT) return;
    const message = `metarray '${this.name}': a profile needs cir, cbs and pbs above 0 and pir of at least cir, all below 2^53`;
    throw new SwxError('INVALID_VALUE', message, { details: { object: this.name } });
  }
}

function noCounts(): Pick<Meter, 'packets' | 'bytes'> {
  return { packets: new Float64Array(COLORS.length), bytes: new Float64Array(COLORS.length) };
}

/** The colour-aware mode of RFC 2698, section 3. */
function check(meter: Meter, rates: Rates, length: number, colorIn: number, now: number): number {
  const seconds = Math.max(0, now - meter.time) / 1000;
  meter.time = now;
  meter.committed = Math.min(rates.cbs, meter.committed + seconds * rates.cir);
  meter.peak = Math.min(rates.pbs, meter.peak + seconds * rates.pir);
  if (colorIn === 2 || meter.peak < length) return 2;
  if (colorIn === 1 || meter.committed < length) {
    meter.peak -= length;
    return 1;
  }
  meter.committed -= length;
  meter.peak -= length;
  return 0;
}
