import { OBJECT_KINDS, type ObjectKind } from '../objects/kinds.js';
import type { ObjectSource } from '../source.js';
import { NamedStores, StoreSet } from '../store-set.js';
import { type ClusterAccess, Credentials } from './cluster-access.js';
import { type ClusterNetworking, readClusterNetworking } from './cluster-networking.js';
import { ApiClient } from './http.js';
import type { ApiProblem, ApiReport } from './problem.js';
import { Reflector, type ReflectorCounts, type ReflectorState } from './reflector.js';
import type { ResourceSelection, ResourceSelector } from './resources.js';
import { type ApiTiming, DEFAULT_TIMING } from './timing.js';

export interface ApiSourceOptions {
  readonly access: ClusterAccess;
  /** `loadBalancingResources(nodeName)` is what load balancing needs. */
  readonly resources: ResourceSelection;
  readonly onReport?: (report: ApiReport) => void;
  /** For the server's logs. */
  readonly userAgent?: string;
  readonly timing?: Partial<ApiTiming>;
}

/** For metrics and status pages. */
export interface ResourceStatus extends ReflectorCounts {
  readonly kind: ObjectKind;
  readonly state: ReflectorState;
  /** Whether it has been listed once. */
  readonly synced: boolean;
  readonly objects: number;
  /** Up to where the store is complete. */
  readonly resourceVersion: string | undefined;
}

/**
 * Kubernetes objects from the API server, kept up to date by one list and watch for each resource that is asked for.
 * Whatever happens to connections and servers, the stores become what the server has; while it cannot be reached they
 * keep what was known. Only the fields that this package uses are kept of each object.
 */
export class ApiSource extends NamedStores implements ObjectSource {
  readonly #stores: StoreSet;
  readonly #credentials: Credentials;
  readonly #client: ApiClient;
  readonly #timing: ApiTiming;
  readonly #reflectors: readonly Reflector<ObjectKind>[];
  readonly #controller = new AbortController();
  readonly #running: Promise<void>[] = [];
  #started: Promise<void> | undefined;
  #settle: () => void = () => undefined;

  constructor({ access, resources, onReport, userAgent, timing }: ApiSourceOptions) {
    const stores = new StoreSet();
    super(stores);
    this.#stores = stores;
    this.#credentials = new Credentials(access);
    const client = new ApiClient(this.#credentials, userAgent ?? 'infra-offload');
    this.#client = client;
    this.#timing = { ...DEFAULT_TIMING, ...timing };
    this.#reflectors = OBJECT_KINDS.flatMap((kind) => {
      const selector: ResourceSelector | undefined = resources[kind];
      if (selector === undefined) return [];
      const reflector = new Reflector({
        kind,
        selector,
        store: this.#stores.of(kind),
        client,
        timing: this.#timing,
        onReport: onReport ?? (() => {}),
        onSynced: () => {
          if (this.hasSynced) this.#settle();
        },
      });
      return [reflector];
    });
  }

  /** Whether everything that is watched has been listed once. */
  get hasSynced(): boolean {
    return this.#reflectors.every(({ synced }) => synced);
  }

  /** Everything that is wrong now. */
  get problems(): readonly ApiProblem[] {
    return this.#reflectors.flatMap(({ problems }) => [...problems]);
  }

  /**
   * The ranges of services and pods as whoever has set up the cluster has written them down; see `ClusterNetworking`.
   *
   * @returns undefined if that is nowhere, or may not be read.
   * @throws {KubernetesApiError} if the server cannot be asked.
   */
  clusterNetworking(): Promise<ClusterNetworking | undefined> {
    return readClusterNetworking(this.#client, this.#timing, this.#controller.signal);
  }

  status(): readonly ResourceStatus[] {
    return this.#reflectors.map(({ kind, state, synced, resourceVersion, counts }) => ({
      kind,
      state,
      synced,
      objects: this.#stores.of(kind).size,
      resourceVersion,
      ...counts,
    }));
  }

  /**
   * Starts watching; resolves as soon as everything has been listed, however long the server cannot be reached, or when
   * the source is stopped.
   *
   * @throws {KubernetesApiError} `CONFIG` if the configuration is missing or wrong.
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Ends all requests; nothing of the source runs any more when this resolves. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await Promise.all(this.#running);
    this.#settle();
  }

  async #start(): Promise<void> {
    const { signal } = this.#controller;
    await this.#credentials.check();
    if (signal.aborted) return;
    const synced = new Promise<void>((resolve) => {
      this.#settle = resolve;
    });
    for (const reflector of this.#reflectors) this.#running.push(reflector.run(signal));
    if (this.hasSynced) return;
    await synced;
  }
}
