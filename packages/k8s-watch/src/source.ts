import type { EndpointSlice, Service } from './objects/types.js';
import type { ReadableStore } from './store.js';

/**
 * Where Kubernetes objects come from: a directory of manifests, or the API server. Whoever reads the stores need not
 * know which. Changes that belong together (one reload, one message) reach the stores in one synchronous run.
 */
export interface ObjectSource {
  readonly services: ReadableStore<Service>;
  readonly endpointSlices: ReadableStore<EndpointSlice>;
  /** Whether the stores hold everything that there was when the source was started. Never goes back to false. */
  readonly hasSynced: boolean;
  /** Starts watching; resolves as soon as `hasSynced`. */
  start(): Promise<void>;
  /** Stops watching; the stores keep what they have. */
  stop(): Promise<void>;
}
