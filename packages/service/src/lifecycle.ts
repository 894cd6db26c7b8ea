import { Guard } from '@infra-offload/guard';

/** Ends what has been started. */
export type Stop = () => Promise<unknown> | unknown;

/**
 * What has been started, to be stopped in the opposite order, so that everything has what it needs for as long as it runs.
 *
 * @example
 * const lifecycle = new Lifecycle();
 * const store = await Store.open(path);
 * lifecycle.add(() => store.close());
 * await lifecycle.start(() => listen(store)); // resolves to what stops it
 * await lifecycle.stop();
 */
export class Lifecycle {
  readonly #stops: Stop[] = [];
  #stopped: Promise<void> | undefined;
  #isOver = false;

  /** Whether it is being stopped, or has been. */
  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  /** Starts something, and puts what stops it on top of the stack. */
  async start(start: () => Promise<Stop> | Stop): Promise<void> {
    this.add(await start());
  }

  /** Puts on top of the stack what stops something that runs. If everything has been stopped already, so is this. */
  add(stop: Stop): void {
    if (this.#isOver) new Guard().run(stop);
    else this.#stops.push(stop);
  }

  /**
   * Stops everything, from the top of the stack downwards, also what is below something that cannot be stopped. May be called
   * again.
   *
   * @throws what could not be stopped, an AggregateError if it is more than one
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const faults: unknown[] = [];
    // What is added meanwhile is next.
    for (let stop = this.#stops.pop(); stop !== undefined; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        faults.push(error);
      }
    }
    this.#isOver = true;
    if (faults.length === 1) throw faults[0];
    if (faults.length > 1) throw new AggregateError(faults);
  }
}

/**
 * Makes something of parts that are started one after the other. If one of them fails, those before it are stopped.
 *
 * @param make puts on the stack what it starts
 */
export async function assemble<T>(make: (lifecycle: Lifecycle) => Promise<T>): Promise<T> {
  const lifecycle = new Lifecycle();
  try {
    return await make(lifecycle);
  } catch (error) {
    // Why it failed is what counts.
    await lifecycle.stop().catch(() => undefined);
    throw error;
  }
}
