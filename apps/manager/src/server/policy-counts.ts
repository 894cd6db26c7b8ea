import { messageOf } from '@infra-offload/base';
import type { PolicyCount } from '@infra-offload/infra-api';
import type { CounterFace, PolicyCounters } from '../drivers/driver.js';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ProfileInForce } from '../policy/keeper.js';
import { type ReadEntities, readCells } from './cells.js';
import { refusedByTarget } from './errors.js';
import { RunningTotal } from './running-total.js';

export interface PolicyCountsContext {
  /** Undefined: the device does not count. */
  readonly counters: PolicyCounters | undefined;
  readonly inForce: () => readonly ProfileInForce[];
  /** Undefined while the device is away. */
  readonly read: () => ReadEntities | undefined;
  readonly logger: Logger;
}

/** What comes of all profiles of the same policies. */
export interface PolicyTotal {
  readonly direction: string;
  readonly policies: string;
  readonly count: number;
}

export interface PolicyTotals {
  readonly allowedFlows: readonly PolicyTotal[];
  readonly deniedPackets: readonly PolicyTotal[];
}

const NO_TOTALS: PolicyTotals = { allowedFlows: [], deniedPackets: [] };

/** A cell as it was read last, and what has come to it for those who have its id now. */
interface Reading {
  readonly value: bigint;
  readonly total: bigint;
}

/** Policies that are spelled out in the name of a total. */
const SPELLED_OUT = 5;

/**
 * What policies allow and deny. The cells of a device belong to ids, which may have stood for other policies before, and
 * begin anew with each program. Here are totals that belong to the profiles of now, and only grow.
 */
export class PolicyCounts {
  readonly #context: PolicyCountsContext;
  readonly #allowed = new CellTotals();
  readonly #denied = new CellTotals();
  readonly #allowedSeries = new SeriesTotals();
  readonly #deniedSeries = new SeriesTotals();
  /** Ids that stand for something new, whose cells have not been read since. */
  readonly #fresh = new Set<number>();
  #unreadBecause: string | undefined;
  #reading: Promise<readonly PolicyCount[]> | undefined;

  constructor(context: PolicyCountsContext) {
    this.#context = context;
  }

  /** To be called when an id stands for a new profile, before any pod is under it. Then {@link begin} is to be called. */
  taken(id: number): void {
    this.#fresh.add(id);
  }

  /** Notes what the cells of new ids have already, if the device can be asked. */
  async begin(): Promise<void> {
    const { counters } = this.#context;
    if (counters !== undefined && this.#fresh.size > 0) await this.#begin(counters);
  }

  /**
   * What has been counted. Those who ask at the same time share what is read.
   *
   * @throws ManagerError UNSUPPORTED, TARGET_UNAVAILABLE
   */
  read(): Promise<readonly PolicyCount[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** The same as totals that only grow, for as long as there are pods under those policies. None while they cannot be read. */
  async totals(): Promise<PolicyTotals> {
    const { counters, read, logger } = this.#context;
    if (counters === undefined || read() === undefined) return NO_TOTALS;
    try {
      await this.read();
      this.#unreadBecause = undefined;
      return { allowedFlows: this.#allowedSeries.totals(), deniedPackets: this.#deniedSeries.totals() };
    } catch (error) {
      // Metrics are asked for often: what hinders that is said once.
      const reason = messageOf(error);
      if (reason !== this.#unreadBecause) logger.warn({ reason }, 'counters of policies cannot be read');
      this.#unreadBecause = reason;
      return NO_TOTALS;
    }
  }

  async #read(): Promise<readonly PolicyCount[]> {
    const { counters, inForce, read } = this.#context;
    if (counters === undefined)
      throw new ManagerError(
        'UNSUPPORTED',
        'the pipeline of this target does not count what policies allow and deny',
      );
    if (read() === undefined)
      throw new ManagerError(
        'TARGET_UNAVAILABLE',
        'the target is not connected, or this manager is not its primary',
      );
    await this.#begin(counters);
    const profiles = inForce();
    const { cellOf } = counters;
    const classCells = profiles.flatMap(({ id, classes }) => classes.map((_, i) => cellOf(id, i)));
    await this.#take(this.#allowed, counters.allowed, classCells);
    const ids = profiles.map(({ id }) => id);
    await this.#take(this.#denied, counters.denied, ids);
    this.#allowedSeries.after(
      profiles.flatMap(({ id, direction, classes }) =>
        classes.map(({ policies }, i) => ({ direction, policies, cell: cellOf(id, i) })),
      ),
      this.#allowed,
    );
    this.#deniedSeries.after(
      profiles.map(({ id, direction, policies }) => ({ direction, policies: [...policies], cell: id })),
      this.#denied,
    );
    return profiles.map(({ id, direction, policies, pods, classes }) => ({
      direction,
      policies: [...policies].sort(),
      pods: pods.map(({ namespace, name }) => `${namespace}/${name}`).sort(),
      rules: classes.map((one, i) => ({
        ports: one.ports,
        policies: [...one.policies],
        allowedFlows: this.#allowed.total(cellOf(id, i)),
      })),
      deniedPackets: this.#denied.total(id),
    }));
  }

  async #begin({ allowed, denied, cellOf, classes }: PolicyCounters): Promise<void> {
    const ids = [...this.#fresh];
    if (ids.length === 0 || this.#context.read() === undefined) return;
    this.#fresh.clear();
    for (const id of ids) {
      for (let i = 0; i < classes; i++) this.#allowed.forget(cellOf(id, i));
      this.#denied.forget(id);
    }
    try {
      const cells = ids.flatMap((id) => Array.from({ length: classes }, (_, i) => cellOf(id, i)));
      for await (const { index, packets } of this.#cells(allowed, cells)) this.#allowed.begin(index, packets);
      for await (const { index, packets } of this.#cells(denied, ids)) this.#denied.begin(index, packets);
    } catch (error) {
      for (const id of ids) this.#fresh.add(id);
      throw error;
    }
  }

  async #take(totals: CellTotals, counter: CounterFace, cells: readonly number[]): Promise<void> {
    for await (const { index, packets } of this.#cells(counter, cells)) totals.take(index, packets);
  }

  async *#cells(counter: CounterFace, indexes: readonly number[]) {
    try {
      yield* readCells(this.#context.read(), counter, indexes);
    } catch (error) {
      throw refusedByTarget(error, 'the target does not tell its counters');
    }
  }
}

/** Totals of cells, each from when its id was taken. */
class CellTotals {
  readonly #readings = new Map<bigint, Reading>();

  begin(cell: bigint, value: bigint): void {
    this.#readings.set(cell, { value, total: 0n });
  }

  forget(cell: number): void {
    this.#readings.delete(BigInt(cell));
  }

  /** A cell that has fallen has been started anew. */
  take(cell: bigint, value: bigint): void {
    const { value: before, total } = this.#readings.get(cell) ?? { value: 0n, total: 0n };
    const more = value < before ? value : value - before;
    this.#readings.set(cell, { value, total: total + more });
  }

  total(cell: number): bigint {
    return this.#readings.get(BigInt(cell))?.total ?? 0n;
  }
}

interface SeriesCell {
  readonly direction: string;
  readonly policies: readonly string[];
  readonly cell: number;
}

interface Series {
  readonly running: RunningTotal;
  readonly total: PolicyTotal;
}

/** Sums of cells by direction and policies. */
class SeriesTotals {
  #series = new Map<string, Series>();

  /** @param cells all that there are now; what none of them belongs to is forgotten. */
  after(cells: readonly SeriesCell[], totals: CellTotals): void {
    const series = new Map<string, { direction: string; policies: string; cells: Map<bigint, bigint> }>();
    for (const { direction, policies: names, cell } of cells) {
      const policies = spelledOut(names);
      const key = `${direction} ${policies}`;
      let one = series.get(key);
      if (one === undefined) {
        one = { direction, policies, cells: new Map() };
        series.set(key, one);
      }
      one.cells.set(BigInt(cell), totals.total(cell));
    }
    const next = new Map<string, Series>();
    for (const [key, { direction, policies, cells: found }] of series) {
      const running = this.#series.get(key)?.running ?? new RunningTotal();
      next.set(key, { running, total: { direction, policies, count: Number(running.after(found)) } });
    }
    this.#series = next;
  }

  totals(): readonly PolicyTotal[] {
    return [...this.#series.values()].map(({ total }) => total);
  }
}

function spelledOut(policies: readonly string[]): string {
  const names = [...policies].sort();
  const more = names.length - SPELLED_OUT;
  return more > 0 ? `${names.slice(0, SPELLED_OUT).join()},+${more}` : names.join();
}
