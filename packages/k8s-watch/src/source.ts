import type {
  EndpointSlice,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  Service,
  ServiceCIDR,
} from './objects/types.js';
import type { ReadableStore } from './store.js';

/**
 * Where Kubernetes objects come from: a directory of manifests, or the API server. Whoever reads the stores need not
 * know which. Changes that belong together (one reload, one message) reach the stores in one synchronous run.
 */
export interface ObjectSource {
  readonly services: ReadableStore<Service>;
  readonly endpointSlices: ReadableStore<EndpointSlice>;
  readonly networkPolicies: ReadableStore<NetworkPolicy>;
  readonly pods: ReadableStore<Pod>;
  readonly namespaces: ReadableStore<Namespace>;
  readonly nodes: ReadableStore<Node>;
  readonly serviceCIDRs: ReadableStore<ServiceCIDR>;
  /** Whether the stores hold everything that there was when the source was started. Never goes back to false. */
  readonly hasSynced: boolean;
  /** Starts watching; resolves as soon as `hasSynced`, or when the source is stopped before. */
  start(): Promise<void>;
  /** Stops watching; the stores keep what they have. */
  stop(): Promise<void>;
}
