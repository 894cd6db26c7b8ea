import { Events, warnOfListener } from '@infra-offload/base';
import type { SessionOptions } from '@infra-offload/p4rt';
import type { ControlledSwitch } from './controlled-switch.js';
import { invalid } from './errors.js';
import type { ControllerEvents } from './events.js';
import { ManagedSwitch } from './managed-switch.js';
import type { SwitchOptions } from './options.js';

/** Who the controller is to its switches. */
export interface ControllerOptions extends Pick<SessionOptions, 'role'> {
  /**
   * 1 to 2^128 - 1. Of several controllers of one role the one with the highest is the primary, and the others are standbys: give
   * each another one.
   */
  readonly electionId: bigint;
}

/**
 * A controller of many switches. It connects to each, sets its pipeline, keeps its tables in the wanted state, and connects again
 * when the connection breaks. Where another controller of the role is the primary, it stands by and takes over when that one goes
 * (P4Runtime 1.5, "Client Arbitration and Controller Replication").
 */
export class P4RuntimeController {
  readonly #options: ControllerOptions;
  readonly #switches = new Map<string, ManagedSwitch>();
  readonly #events = new Events<ControllerEvents>((error, event) =>
    this.#listenerFailed(error, String(event)),
  );
  #isClosed = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** The switches by name. */
  get switches(): ReadonlyMap<string, ControlledSwitch> {
    return this.#switches;
  }

  /**
   * Adds a switch and begins to connect to it; what becomes of that comes as events.
   * @throws ControllerError INVALID for a name that is taken, a closed controller, or wanted entities that cannot be kept
   * @throws P4rtError INVALID for a program that makes no sense
   */
  add(name: string, options: SwitchOptions): ControlledSwitch {
    if (this.#isClosed) throw invalid('the controller is closed');
    if (this.#switches.has(name)) throw invalid(`there is a switch '${name}' already: remove it first`);
    const added: ManagedSwitch = new ManagedSwitch(name, options, this.#options, (event, ...args) => {
      if (this.#switches.get(name) === added) this.#events.emit(event, ...args);
    });
    this.#switches.set(name, added);
    added.start();
    return added;
  }

  /** Ends the connection to a switch, which goes on with what it holds; no event of it comes any more. False: there is none. */
  remove(name: string): boolean {
    const removed = this.#switches.get(name);
    this.#switches.delete(name);
    removed?.stop();
    return removed !== undefined;
  }

  /** Calls a listener on each event, until the function that it gives back is called, or the controller is closed. */
  on<E extends keyof ControllerEvents>(
    event: E,
    listener: (...args: ControllerEvents[E]) => unknown,
  ): () => void {
    return this.#events.on(event, listener);
  }

  /** Removes all switches. May be called again. */
  close(): void {
    this.#isClosed = true;
    for (const name of [...this.#switches.keys()]) this.remove(name);
    this.#events.clear();
  }

  #listenerFailed(error: unknown, event: string): void {
    if (event !== 'listenerError' && this.#events.has('listenerError')) {
      this.#events.emit('listenerError', error, event);
      return;
    }
    warnOfListener(error, event, 'P4RuntimeController');
  }
}
