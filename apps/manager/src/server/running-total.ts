/**
 * The sum of counters that come and go. It never falls, unlike the sum of those that are there, which Prometheus would take
 * for a restart.
 */
export class RunningTotal {
  #total = 0n;
  #before: ReadonlyMap<bigint, bigint> = new Map();

  /** @param readings all counters that there are at present, by index. One that has fallen has been started anew. */
  after(readings: ReadonlyMap<bigint, bigint>): bigint {
    for (const [index, value] of readings) {
      const before = this.#before.get(index) ?? 0n;
      this.#total += value < before ? value : value - before;
    }
    this.#before = readings;
    return this.#total;
  }
}
