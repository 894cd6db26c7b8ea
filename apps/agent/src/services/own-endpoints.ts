import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import type { NodeReach } from './wanted-services.js';

/** The node addresses among the endpoints of a service port: of this node, and of others. */
export interface NodeEndpoints {
  readonly own: string | undefined;
  readonly other: string | undefined;
}

/** Without an uplink, none count: no endpoint elsewhere answers the node through its data plane then. */
export function nodeEndpoints(
  { endpoints }: Pick<LoadBalancedService, 'endpoints'>,
  { hasUplink, internalAddresses, otherNodes }: NodeReach,
): NodeEndpoints {
  const among = (addresses: readonly string[]) =>
    hasUplink ? endpoints.find(({ address }) => addresses.includes(address))?.address : undefined;
  return { own: among(internalAddresses), other: among(otherNodes) };
}

/**
 * The source addresses from which processes of this node reach services that have the node itself as an endpoint.
 *
 * The pipeline lets an endpoint reach itself, but translates no sources else: an answer from the node to another address of
 * the node would never leave its kernel. So the source must be the endpoint. Pods, here and elsewhere, answer to that through
 * the data planes, too; other nodes' kernels answer directly, untranslated, which is why services with endpoints
 * on other nodes' kernels keep the usual source.
 */
export class OwnSources {
  /** Service ports with node addresses among their endpoints, by the tracker's keys. */
  readonly #ports = new Map<string, NodeEndpoints & { readonly clusterIps: readonly string[] }>();
  #sources: ReadonlyMap<string, string> = new Map();

  /** Sources by ClusterIP. */
  get sources(): ReadonlyMap<string, string> {
    return this.#sources;
  }

  /** @returns whether `sources` has changed. */
  upsert(service: LoadBalancedService, reach: NodeReach): boolean {
    const { own, other } = nodeEndpoints(service, reach);
    if (own === undefined && other === undefined) return this.remove(service.key);
    const clusterIps = service.frontends.flatMap((frontend) =>
      frontend.kind === 'ClusterIP' ? [frontend.address] : [],
    );
    this.#ports.set(service.key, { own, other, clusterIps });
    return this.#update();
  }

  /** @returns whether `sources` has changed. */
  remove(key: string): boolean {
    return this.#ports.delete(key) && this.#update();
  }

  #update(): boolean {
    const sources = new Map<string, string>();
    for (const { own, clusterIps } of this.#ports.values()) {
      if (own !== undefined) for (const address of clusterIps) sources.set(address, own);
    }
    // A route has no ports: one of them that needs the usual source decides for all.
    for (const { other, clusterIps } of this.#ports.values()) {
      if (other !== undefined) for (const address of clusterIps) sources.delete(address);
    }
    const isSame =
      sources.size === this.#sources.size &&
      [...sources].every(([address, source]) => this.#sources.get(address) === source);
    this.#sources = sources;
    return !isSame;
  }
}
