import type { Protocol, TrafficPolicy } from '../objects/types.js';

/** The node for which endpoints are selected. */
export interface NodeIdentity {
  readonly name: string;
  /** The node's label topology.kubernetes.io/zone. */
  readonly zone?: string;
}

/** One port of one Kubernetes Service, with the endpoints that this node sends to. IPv4 only. */
export interface LoadBalancedService {
  /** "namespace/name:port name/protocol", for instance "default/web:http/TCP". */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty for the unnamed port of a service with a single port. */
  readonly portName: string;
  readonly protocol: Protocol;
  /** Empty if the service has no IPv4 address: there is nothing to program then, `conditions` tell why. */
  readonly frontends: readonly Frontend[];
  /** Endpoints for the ClusterIP, by address and port. */
  readonly endpoints: readonly LoadBalancedEndpoint[];
  /** Why `endpoints` is empty. */
  readonly emptyReason?: EmptyReason;
  /** For the other frontends; absent if there are none. */
  readonly external?: ExternalTraffic;
  readonly sessionAffinity?: { readonly timeoutSeconds: number };
  /** What of the service is not supported or not complete. */
  readonly conditions: readonly ServiceCondition[];
}

/** An address under which the service is reached; a node port is on every address that the caller says. */
export type Frontend =
  | {
      readonly kind: 'ClusterIP' | 'ExternalIP' | 'LoadBalancer';
      readonly address: string;
      readonly port: number;
    }
  | { readonly kind: 'NodePort'; readonly port: number };

export interface LoadBalancedEndpoint {
  readonly address: string;
  readonly port: number;
  readonly nodeName?: string;
  /** On this node. */
  readonly local: boolean;
}

/** `NoEndpoints`: nowhere, refuse connections. `NoLocalEndpoints`: only on other nodes, drop (policy Local). */
export type EmptyReason = 'NoEndpoints' | 'NoLocalEndpoints';

/** Traffic to node ports, external addresses and load balancer addresses. */
export interface ExternalTraffic {
  readonly policy: TrafficPolicy;
  /** For clients outside the cluster; with policy Local only those on this node. */
  readonly endpoints: readonly LoadBalancedEndpoint[];
  readonly emptyReason?: EmptyReason;
  /** For pods of this node and the node itself: of the whole cluster, whatever the policy. */
  readonly clusterEndpoints: readonly LoadBalancedEndpoint[];
  /** Client CIDRs that may use the load balancer addresses; all if empty. */
  readonly sourceRanges: readonly string[];
  /** Where a load balancer asks whether this node has endpoints; only with policy Local. */
  readonly healthCheckNodePort?: number;
}

export interface ServiceCondition {
  readonly reason: 'IPv6NotSupported' | 'FqdnNotSupported' | 'NoClusterIP';
  /** For people. */
  readonly message: string;
}
