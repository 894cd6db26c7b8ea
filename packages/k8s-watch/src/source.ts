import type { ObjectKind, ObjectKinds, StoreName } from './objects/kinds.js';
import type { ReadableStore } from './store.js';

/** A store for each kind that is watched: `services`, `endpointSlices`, … */
export type ObjectStores = {
  readonly [Kind in ObjectKind as StoreName<Kind>]: ReadableStore<ObjectKinds[Kind]>;
};

/**
 * Where Kubernetes objects come from: a directory of manifests, or the API server. Whoever reads the stores need not
 * know which. Changes that belong together (one reload, one message) reach the stores in one synchronous run.
 */
export interface ObjectSource extends ObjectStores {
  /** Whether the stores hold everything that there was when the source was started. Never goes back to false. */
  readonly hasSynced: boolean;
  /** Starts watching; resolves as soon as `hasSynced`, or when the source is stopped before. */
  start(): Promise<void>;
  /** Stops watching; the stores keep what they have. */
  stop(): Promise<void>;
}
