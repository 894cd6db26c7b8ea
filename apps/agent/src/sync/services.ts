import { ObjectKind, type ObjectReference, Protocol, type Service } from '@infra-offload/infra-api';
import {
  type LoadBalancedService,
  type ManifestReport,
  ManifestsSource,
  type ServiceChange,
  ServiceTracker,
} from '@infra-offload/k8s-watch';
import type { Logger } from 'pino';
import { serviceName, type WantedState } from './wanted-state.js';

export interface ServiceFeedOptions {
  readonly manifestsDirectory: string;
  readonly nodeName: string;
  readonly wanted: WantedState;
  readonly logger: Logger;
}

/** Keeps the wanted services equal to what the manifests say. */
export class ServiceFeed {
  readonly #options: ServiceFeedOptions;
  readonly #source: ManifestsSource;
  #tracker: ServiceTracker | undefined;
  /** What of each service is not balanced, so that it is logged once. */
  readonly #limitations = new Map<string, string>();
  /** Names on the wire by the tracker's keys. */
  readonly #names = new Map<string, ObjectReference>();

  constructor(options: ServiceFeedOptions) {
    this.#options = options;
    const { manifestsDirectory: directory } = options;
    this.#source = new ManifestsSource({ directory, onReport: (report) => this.#report(report) });
  }

  /** Everything that is wrong in the manifests now. */
  get problemCount(): number {
    return this.#source.problems.length;
  }

  /** Resolves when everything that the manifests say is wanted. */
  async start(): Promise<void> {
    await this.#source.start();
    this.#tracker = new ServiceTracker({ source: this.#source, node: { name: this.#options.nodeName } });
    for (const service of this.#tracker.services()) this.#upsert(service);
    this.#tracker.subscribe((changes) => {
      for (const change of changes) this.#apply(change);
    });
  }

  async stop(): Promise<void> {
    this.#tracker?.close();
    await this.#source.stop();
  }

  #apply(change: ServiceChange): void {
    switch (change.type) {
      case 'upsert':
        this.#upsert(change.service);
        break;
      case 'remove': {
        const reference = this.#names.get(change.key);
        if (reference !== undefined) this.#options.wanted.remove(reference);
        this.#names.delete(change.key);
        this.#limitations.delete(change.key);
        break;
      }
      default:
        change satisfies never;
    }
  }

  #upsert(balanced: LoadBalancedService): void {
    const { service, limitations } = toService(balanced);
    this.#names.set(balanced.key, { kind: ObjectKind.OBJECT_KIND_SERVICE, name: serviceName(service) });
    this.#options.wanted.upsert({ object: { $case: 'service', value: service } });
    const text = limitations.join('; ');
    if (text !== (this.#limitations.get(balanced.key) ?? '')) {
      if (text !== '')
        this.#options.logger.warn({ service: balanced.key, limitations: text }, 'not balanced in full');
      this.#limitations.set(balanced.key, text);
    }
  }

  #report(report: ManifestReport): void {
    const { logger } = this.#options;
    const { code, file, line, message } = report.problem;
    switch (report.type) {
      case 'problem':
        logger.warn({ code, file, line }, message);
        break;
      case 'resolved':
        logger.info({ code, file, line }, `resolved: ${message}`);
        break;
      default:
        report.type satisfies never;
    }
  }
}

/**
 * A service as the manager wants it: one list of endpoints for all frontends. A frontend whose traffic may not go to
 * that list, or not without a filter that the data plane does not have, is left out and named among the limitations.
 */
export function toService(balanced: LoadBalancedService): {
  readonly service: Service;
  readonly limitations: readonly string[];
} {
  const limitations = balanced.conditions.map(({ reason, message }) => `${reason}: ${message}`);
  const { external } = balanced;
  const hasOneList = external === undefined || sameEndpoints(external.clusterEndpoints, balanced.endpoints);
  const frontends: Service['frontends'] = [];
  for (const frontend of balanced.frontends) {
    switch (frontend.kind) {
      case 'NodePort':
        limitations.push(`NodePortNotSupported: node port ${frontend.port} is not offloaded`);
        continue;
      case 'LoadBalancer':
        if ((external?.sourceRanges.length ?? 0) > 0) {
          limitations.push(
            `SourceRangesNotSupported: ${frontend.address} is not offloaded, since it has source ranges`,
          );
          continue;
        }
        break;
      case 'ExternalIP':
      case 'ClusterIP':
        break;
      default:
        frontend satisfies never;
    }
    if (frontend.kind !== 'ClusterIP' && !hasOneList) {
      limitations.push(
        `InternalTrafficPolicyLocal: ${frontend.address} is not offloaded, since its endpoints are not those of the ClusterIP`,
      );
      continue;
    }
    frontends.push({ address: frontend.address, port: frontend.port });
  }
  const service: Service = {
    namespace: balanced.namespace,
    name: balanced.name,
    portName: balanced.portName,
    protocol: protocolOf(balanced.protocol),
    frontends,
    endpoints: balanced.endpoints.map(({ address, port }) => ({ address, port, weight: 0 })),
    sessionAffinity: balanced.sessionAffinity && { timeoutSeconds: balanced.sessionAffinity.timeoutSeconds },
  };
  return { service, limitations };
}

type Endpoints = LoadBalancedService['endpoints'];

function sameEndpoints(a: Endpoints, b: Endpoints): boolean {
  return (
    a.length === b.length &&
    a.every(({ address, port }, i) => b[i]?.address === address && b[i]?.port === port)
  );
}

function protocolOf(protocol: LoadBalancedService['protocol']): Protocol {
  switch (protocol) {
    case 'TCP':
      return Protocol.PROTOCOL_TCP;
    case 'UDP':
      return Protocol.PROTOCOL_UDP;
    case 'SCTP':
      return Protocol.PROTOCOL_SCTP;
    default:
      return protocol satisfies never;
  }
}
