/**
 * The Kubernetes objects as this package uses them: only the fields that matter, defaults applied, flat. Both sources,
 * manifests and the API, give these, so that nothing behind them depends on a client library's types.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** What every namespaced object has. */
export interface NamespacedObject {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** v1 Service. */
export interface Service extends NamespacedObject {
  readonly kind: 'Service';
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Both families; empty if none is assigned; ['None'] for a headless service. */
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  /** Seconds; absent without session affinity. */
  readonly clientIPAffinitySeconds?: number;
  readonly healthCheckNodePort?: number;
  readonly loadBalancerSourceRanges: readonly string[];
  /** status.loadBalancer.ingress, without entries that have only a host name. */
  readonly loadBalancerIngress: readonly LoadBalancerIngress[];
}

export type TrafficPolicy = 'Cluster' | 'Local';

export interface ServicePort {
  /** Empty for the unnamed port of a service with a single port. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort?: number;
}

export interface LoadBalancerIngress {
  readonly ip: string;
  /** Proxy: the load balancer itself delivers to nodes or pods, so nodes must not catch the address. */
  readonly ipMode: 'VIP' | 'Proxy';
}

/** discovery.k8s.io/v1 EndpointSlice. */
export interface EndpointSlice extends NamespacedObject {
  readonly kind: 'EndpointSlice';
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly SliceEndpoint[];
}

/** A port of a slice. Those without a number ("all ports") are left out, as kube-proxy does. */
export interface EndpointPort {
  /** Empty for the unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface SliceEndpoint {
  /** The first address, which is the one that counts. */
  readonly address: string;
  /** Always true for services with publishNotReadyAddresses: whoever writes the slice sees to that. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName?: string;
  readonly hintedNodes?: readonly string[];
  readonly hintedZones?: readonly string[];
}

/** Every kind that a source watches. NetworkPolicy, Pod, Namespace and Node have their place here. */
export interface ObjectKinds {
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
}

export type ObjectKind = keyof ObjectKinds;
export type WatchedObject = ObjectKinds[ObjectKind];

/** The service that a slice belongs to is named by this label. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Services with this label belong to another proxy. */
export const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
/** Slices with this label belong to a headless service. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** "namespace/name". */
export function objectName(object: Pick<NamespacedObject, 'namespace' | 'name'>): string {
  return `${object.namespace}/${object.name}`;
}
