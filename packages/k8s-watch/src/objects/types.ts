/**
 * The Kubernetes objects as this package uses them: only the fields that matter, defaults applied, flat. Both sources,
 * manifests and the API, give these, so that nothing behind them depends on a client library's types.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** What every object has. */
export interface NamespacedObject {
  /** Empty for kinds that belong to the whole cluster. */
  readonly namespace: string;
  readonly name: string;
  /** Of Services and EndpointSlices only those that this package asks for. */
  readonly labels: Readonly<Record<string, string>>;
}

/** v1 Service. */
export interface Service extends NamespacedObject {
  readonly kind: 'Service';
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Both families; empty if none is assigned; ['None'] for a headless service. */
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  /** Of type ExternalName: the name that the service is another for, in DNS. */
  readonly externalName?: string;
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
  /** When the change happened that this version tells of, in milliseconds since 1970; for latency metrics. */
  readonly lastChangeTime?: number;
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
  /** By which DNS knows it below its service; absent if its pod has none. */
  readonly hostname?: string;
  readonly hintedNodes?: readonly string[];
  readonly hintedZones?: readonly string[];
}

/** networking.k8s.io/v1 NetworkPolicy. */
export interface NetworkPolicy extends NamespacedObject {
  readonly kind: 'NetworkPolicy';
  /** Pods of the policy's namespace that it isolates. */
  readonly podSelector: LabelSelector;
  /** With the default applied: Ingress always, Egress if there are egress rules. */
  readonly policyTypes: readonly ('Ingress' | 'Egress')[];
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
}

/** What one rule allows: traffic that is of one of the peers and for one of the ports. */
export interface PolicyRule {
  /** `from` or `to`; empty: anybody, also who is no pod. */
  readonly peers: readonly PolicyPeer[];
  /** Empty: every port and protocol. */
  readonly ports: readonly PolicyPort[];
}

export type PolicyPeer =
  | { readonly type: 'IPBlock'; readonly cidr: string; readonly except: readonly string[] }
  | {
      readonly type: 'Pods';
      /** Absent: every pod there. */
      readonly podSelector?: LabelSelector;
      /** Absent: the policy's own namespace. */
      readonly namespaceSelector?: LabelSelector;
    };

export interface PolicyPort {
  readonly protocol: Protocol;
  /** A number, or the name of a container port, which may be another number on each pod; absent: all. */
  readonly port?: number | string;
  /** The last of a range that begins with `port`. */
  readonly endPort?: number;
}

/** All of it must match; without any requirement it matches everything. See `matchesLabels`. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly LabelRequirement[];
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** v1 Pod. */
export interface Pod extends NamespacedObject {
  readonly kind: 'Pod';
  /** Absent until the pod is scheduled. */
  readonly nodeName?: string;
  /** Of both families; empty until the network is set up. */
  readonly ips: readonly string[];
  /** Has the addresses of its node. */
  readonly hostNetwork: boolean;
  /** Has ended, so its addresses may belong to another pod already. */
  readonly finished: boolean;
  /** Is being deleted. */
  readonly terminating: boolean;
  /** Container ports that have names. */
  readonly ports: readonly PodPort[];
}

export interface PodPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** v1 Namespace; its own `namespace` is empty. */
export interface Namespace extends NamespacedObject {
  readonly kind: 'Namespace';
}

/** v1 Node; its `namespace` is empty, and of its labels only those of topology.kubernetes.io are kept. */
export interface Node extends NamespacedObject {
  readonly kind: 'Node';
  /** The label topology.kubernetes.io/zone. */
  readonly zone?: string;
  readonly internalIPs: readonly string[];
  readonly podCIDRs: readonly string[];
  /** Is being deleted. */
  readonly terminating: boolean;
  /** The cluster autoscaler is about to remove the node (taint ToBeDeletedByClusterAutoscaler). */
  readonly toBeDeleted: boolean;
}

/** networking.k8s.io/v1 ServiceCIDR, from Kubernetes 1.33 on; its `namespace` is empty. */
export interface ServiceCIDR extends NamespacedObject {
  readonly kind: 'ServiceCIDR';
  /** A range of service addresses, or one of each family. */
  readonly cidrs: readonly string[];
}

/** The service that a slice belongs to is named by this label. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Services with this label belong to another proxy. */
export const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
/** Slices with this label belong to a headless service. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const REGION_LABEL = 'topology.kubernetes.io/region';

/** "namespace/name", or the name alone for what has no namespace. */
export function objectName({ namespace, name }: Pick<NamespacedObject, 'namespace' | 'name'>): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}
