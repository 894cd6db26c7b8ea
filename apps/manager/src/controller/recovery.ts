import type { Driver, FoundPod } from '../drivers/driver.js';
import { kindOf, type PodObject } from '../model/objects.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import type { Allocations } from './allocations.js';
import type { Entry } from './entry.js';
import { hasRows } from './facts.js';

/**
 * What becomes of what the device holds and nobody here has asked for: it stays until a whole snapshot has been taken, and
 * services get the ids back that they have there.
 */
export class Recovery<Row> {
  readonly #driver: Driver<Row>;
  readonly #reconciler: Reconciler<Row>;
  readonly #allocations: Allocations<Row>;
  /** What was stored is all that there was. */
  #isWhole = true;
  /** If not, ids that are given stand for something else there, perhaps. */
  #knowsDevice = true;
  #hasSnapshot = false;
  /** By address. */
  readonly #pods = new Map<number, FoundPod>();

  constructor(driver: Driver<Row>, reconciler: Reconciler<Row>, allocations: Allocations<Row>) {
    this.#driver = driver;
    this.#reconciler = reconciler;
    this.#allocations = allocations;
  }

  /** @param isWhole whether all is known that was stored. */
  begin(isWhole: boolean): void {
    this.#isWhole = isWhole;
    this.#knowsDevice = isWhole;
  }

  /** Whether a whole snapshot has been taken since the start. */
  get hasSnapshot(): boolean {
    return this.#hasSnapshot;
  }

  /** Whether state was lost and the device holds what nobody here knows: it stays until the agent's snapshot. */
  get awaitsSnapshot(): boolean {
    return !this.#isWhole && !this.#hasSnapshot && this.#reconciler.kept > 0;
  }

  /**
   * Takes up the services that a device holds, before anything is written to it.
   *
   * @returns those that came before it was read, and were given other ids: they are to be compiled anew.
   */
  found(rows: readonly Row[], entries: Iterable<Entry<Row>>): readonly Entry<Row>[] {
    for (const pod of this.#driver.pods(rows)) this.#pods.set(pod.ip, pod);
    if (!this.#reconciler.keepsUnknown) return [];
    const services = this.#knowsDevice ? [] : [...entries].filter(({ key }) => kindOf(key) === 'service');
    this.#knowsDevice = true;
    for (const entry of services) this.#allocations.giveUp(entry);
    this.#allocations.adopt(this.#driver.services(rows));
    return services;
  }

  /** Since when a device has had a pod that was there already when nobody here knew of it; undefined if it has not. */
  sinceOf({ ip, mac }: PodObject): number | undefined {
    const found = this.#pods.get(ip);
    return found?.mac === mac ? found.since : undefined;
  }

  /** Whoever comes from now on is new. */
  forgetPods(): void {
    this.#pods.clear();
  }

  /** A whole snapshot has been taken. */
  snapshotTaken(entries: Iterable<Entry<Row>>): void {
    this.#hasSnapshot = true;
    this.forgetPods();
    this.settle(entries);
  }

  /** Lets go of what nobody wants, once all that is wanted is known, and what it is in the device. */
  settle(entries: Iterable<Entry<Row>>): void {
    if (!this.#hasSnapshot || !this.#reconciler.keepsUnknown || !this.#reconciler.attached) return;
    for (const { object, conditions } of entries)
      if (hasRows(object) && conditions.some(({ severity }) => severity === 'pending')) return;
    this.#allocations.forgetFound();
    this.#reconciler.forgetUnknown();
  }
}
