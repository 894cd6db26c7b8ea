import type { Driver } from '../drivers/driver.js';
import type { Logger } from '../log.js';
import type { ObjectKey } from '../model/objects.js';
import type { Epochs } from '../reconciler/epochs.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import type { StateStore } from '../state/store.js';

export interface ControllerOptions<Row> {
  readonly driver: Driver<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly store: Omit<StateStore, 'problem' | 'stored' | 'close'>;
  /** Seconds for which the old connections of an endpoint that left go on. */
  readonly drainSeconds: number;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Asks for the port of an interface; the answer comes through {@link Controller.setPort}. */
  readonly requestPort: (interfaceName: string) => void;
  /** Numbers for pods by when they came; the reconciler's. */
  readonly epochs: Epochs;
}

/** Called when the status of an object has changed, or the object has gone. */
export type StatusListener = (key: ObjectKey) => void;
