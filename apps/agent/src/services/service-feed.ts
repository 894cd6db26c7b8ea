import { ObjectKind, type ObjectReference } from '@infra-offload/infra-api';
import {
  type LoadBalancedService,
  type ObjectSource,
  type ServiceChange,
  ServiceTracker,
} from '@infra-offload/k8s-watch';
import type { Logger } from 'pino';
import { keyOf, serviceName, type WantedState } from '../sync/wanted-state.js';
import { GatewayPorts } from './gateway-ports.js';
import type { OutsidePort } from './outside-port.js';
import { type NodeReach, toServices } from './wanted-services.js';

export interface ServiceFeedOptions {
  /** Must have synced. */
  readonly source: ObjectSource;
  readonly nodeName: string;
  readonly reach: NodeReach;
  readonly wanted: WantedState;
  /** `outside` has changed. */
  readonly onOutsideChanged: () => void;
  readonly logger: Logger;
}

/** Keeps the wanted services equal to what a source says. */
export class ServiceFeed {
  readonly #options: ServiceFeedOptions;
  readonly #tracker: ServiceTracker;
  #reach: NodeReach;
  readonly #gatewayPorts = new GatewayPorts();
  /** By the tracker's keys. */
  readonly #outside = new Map<string, OutsidePort>();
  /** What of each service is not balanced, so that it is logged once. */
  readonly #limitations = new Map<string, string>();
  /** Names on the wire by the tracker's keys. */
  readonly #references = new Map<string, readonly ObjectReference[]>();

  /** All that the source has is wanted when this returns. */
  constructor(options: ServiceFeedOptions) {
    const { source, nodeName, reach } = options;
    this.#options = options;
    this.#reach = reach;
    this.#tracker = new ServiceTracker({ source, node: { name: nodeName } });
    this.#upsertAll();
    this.#tracker.subscribe((changes) => {
      for (const change of changes) this.#apply(change);
    });
  }

  /** What of the node decides about services has changed, such as the addresses of node ports. */
  setReach(reach: NodeReach): void {
    if (JSON.stringify(reach) === JSON.stringify(this.#reach)) return;
    this.#reach = reach;
    this.#upsertAll();
  }

  /** What is balanced now, for one node. */
  services(): Iterable<LoadBalancedService> {
    return this.#tracker.services();
  }

  /** What clients outside of the data plane reach, in the order in which it came. */
  get outside(): readonly OutsidePort[] {
    return [...this.#outside.values()];
  }

  stop(): void {
    this.#tracker.close();
  }

  #upsertAll(): void {
    for (const service of this.#tracker.services()) this.#upsert(service);
  }

  #apply(change: ServiceChange): void {
    switch (change.type) {
      case 'upsert':
        this.#upsert(change.service);
        break;
      case 'remove':
        this.#replace(change.key, []);
        this.#limitations.delete(change.key);
        this.#gatewayPorts.release(change.key);
        this.#setOutside(change.key, undefined);
        break;
      default:
        change satisfies never;
    }
  }

  #upsert(balanced: LoadBalancedService): void {
    const { wanted, logger } = this.#options;
    const { services, outside } = toServices(balanced, this.#reach, this.#gatewayPorts.of(balanced));
    this.#setOutside(balanced.key, outside);
    // What is gone goes first, since an address may move from one to the other.
    this.#replace(
      balanced.key,
      services.map((service) => ({ kind: ObjectKind.OBJECT_KIND_SERVICE, name: serviceName(service) })),
    );
    for (const service of services) wanted.upsert({ object: { $case: 'service', value: service } });
    const text = services
      .flatMap(({ conditions }) => conditions.map(({ reason, message }) => `${reason}: ${message}`))
      .join('; ');
    if (text === (this.#limitations.get(balanced.key) ?? '')) return;
    if (text !== '') logger.warn({ service: balanced.key, limitations: text }, 'not balanced in full');
    this.#limitations.set(balanced.key, text);
  }

  #setOutside(key: string, port: OutsidePort | undefined): void {
    if (JSON.stringify(port) === JSON.stringify(this.#outside.get(key))) return;
    if (port === undefined) this.#outside.delete(key);
    else this.#outside.set(key, port);
    this.#options.onOutsideChanged();
  }

  /** Does not want any more what went by the tracker's `key` and is not among `references`. */
  #replace(key: string, references: readonly ObjectReference[]): void {
    const kept = new Set(references.map(keyOf));
    for (const reference of this.#references.get(key) ?? []) {
      if (!kept.has(keyOf(reference))) this.#options.wanted.remove(reference);
    }
    if (references.length === 0) this.#references.delete(key);
    else this.#references.set(key, references);
  }
}
