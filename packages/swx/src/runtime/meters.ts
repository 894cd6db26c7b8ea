import { SwxError } from '../errors.js';

/** Two rates, three colours (RFC 2698): rates in bytes a second, bursts in bytes. */
export interface MeterProfile {
  /** Committed information rate, bytes/s. */
  readonly cir: bigint;
  /** Committed burst size, bytes. */
  readonly cbs: bigint;
  /** Peak information rate, bytes/s; at least `cir`. */
  readonly pir: bigint;
  /** Peak burst size, bytes. */
  readonly pbs: bigint;
}

export type MeterColor = 'green' | 'yellow' | 'red';
/** In the order of the numbers that the data plane has for them. */
const COLORS: readonly MeterColor[] = ['green', 'yellow', 'red'];

/** Packets and bytes, by colour. */
export type MeterStats = Readonly<Record<MeterColor, { readonly packets: number; readonly bytes: number }>>;

interface Meter {
  readonly profile: MeterProfile | undefined;
  committed: number;
  peak: number;
  time: number;
  readonly packets: Float64Array;
  readonly bytes: Float64Array;
}

/** An array of trTCM meters. A meter without a profile lets everything through green, as in DPDK. */
export class MeterArray {
  readonly #now: () => number;
  readonly #meters = new Map<number, Meter>();
  readonly #mask: number;
  /** Number of meters: the declared size rounded up to a power of two. */
  readonly size: number;

  constructor(
    readonly name: string,
    size: number,
    now: () => number,
  ) {
    this.#now = now;
    this.size = 2 ** Math.ceil(Math.log2(size));
    this.#mask = this.size - 1;
  }

  /** The colour (0 green, 1 yellow, 2 red) of a packet of `length` bytes that comes in with `colorIn`. */
  run(index: number, length: number, colorIn: number): number {
    const meter = this.#meter((index & this.#mask) >>> 0);
    const color = meter.profile === undefined ? 0 : check(meter, meter.profile, length, colorIn, this.#now());
    meter.packets[color] = (meter.packets[color] ?? 0) + 1;
    meter.bytes[color] = (meter.bytes[color] ?? 0) + length;
    return color;
  }

  /** Gives a meter a profile (undefined: none) and full buckets. Its counts start anew. */
  set(index: number, profile: MeterProfile | undefined): void {
    this.#checkIndex(index);
    if (profile !== undefined) this.#checkProfile(profile);
    this.#meters.set(index, {
      profile,
      committed: Number(profile?.cbs ?? 0n),
      peak: Number(profile?.pbs ?? 0n),
      time: this.#now(),
      packets: new Float64Array(COLORS.length),
      bytes: new Float64Array(COLORS.length),
    });
  }

  stats(index: number): MeterStats {
    this.#checkIndex(index);
    const meter = this.#meters.get(index);
    const of = (color: number) => ({ packets: meter?.packets[color] ?? 0, bytes: meter?.bytes[color] ?? 0 });
    return { green: of(0), yellow: of(1), red: of(2) };
  }

  #meter(index: number): Meter {
    const meter = this.#meters.get(index);
    if (meter !== undefined) return meter;
    this.set(index, undefined);
    return this.#meter(index);
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
    if (cir > 0n && cbs > 0n && pbs > 0n && pir >= cir) return;
    const message = `metarray '${this.name}': a profile needs cir, cbs and pbs above 0 and pir of at least cir`;
    throw new SwxError('INVALID_VALUE', message, { details: { object: this.name } });
  }
}

/** The colour-aware mode of RFC 2698, section 3. */
function check(meter: Meter, profile: MeterProfile, length: number, colorIn: number, now: number): number {
  const seconds = Math.max(0, now - meter.time) / 1000;
  meter.time = now;
  meter.committed = Math.min(Number(profile.cbs), meter.committed + seconds * Number(profile.cir));
  meter.peak = Math.min(Number(profile.pbs), meter.peak + seconds * Number(profile.pir));
  if (colorIn === 2 || meter.peak < length) return 2;
  if (colorIn === 1 || meter.committed < length) {
    meter.peak -= length;
    return 1;
  }
  meter.committed -= length;
  meter.peak -= length;
  return 0;
}
