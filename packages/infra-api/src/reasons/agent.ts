import type { ConditionExplanation } from './reason.js';

/** Reasons that infra-agent gives in the conditions of a service: what of it the manager is not even asked for. */
export const SERVICE_REASONS = {
  IPv6NotSupported: {
    severity: 'degraded',
    meaning: 'IPv6 addresses are left out; IPv4 is served',
    remedy: 'nothing, unless clients use IPv6',
  },
  FqdnNotSupported: {
    severity: 'degraded',
    meaning: 'endpoints that are host names are left out',
    remedy: 'use EndpointSlices with addresses',
  },
  NoClusterIP: {
    severity: 'degraded',
    meaning: 'a service in a manifest has no address',
    remedy: 'give it a `clusterIP`: nobody assigns addresses to manifests',
  },
  GatewayPortsExhausted: {
    severity: 'degraded',
    meaning:
      'more than 32,536 service ports have external addresses without a node port, or `externalTrafficPolicy` Local: this one is not served outside the cluster or, if Local, not from the node itself at endpoints of other nodes',
    remedy: 'give it a node port',
  },
  AddressInPodRange: {
    severity: 'degraded',
    meaning: 'a service address is in a pod range, and may be assigned to a pod',
    remedy: 'choose ranges that do not overlap',
  },
} as const satisfies Readonly<Record<string, ConditionExplanation>>;

export type ServiceReason = keyof typeof SERVICE_REASONS;

/** Reasons that infra-agent gives in the conditions of Calico's policies; what cannot be expressed is denied. */
export const FELIX_REASONS = {
  SourcePortsNotSupported: {
    severity: 'degraded',
    meaning: 'the data plane does not look at source ports',
    remedy: 'leave them out of the rule',
  },
  IcmpTypeNotSupported: {
    severity: 'degraded',
    meaning: 'the data plane does not look at ICMP types and codes',
    remedy: 'allow ICMP as a whole',
  },
  HttpMatchNotSupported: {
    severity: 'degraded',
    meaning: 'the data plane does not look into HTTP',
    remedy: 'leave `http` out of the rule',
  },
  UntrackedNotSupported: {
    severity: 'degraded',
    meaning: 'the policy should apply before connection tracking (`doNotTrack`)',
    remedy: 'use a policy without it',
  },
  PreDnatNotSupported: {
    severity: 'degraded',
    meaning: 'the policy should apply before translation (`preDNAT`)',
    remedy: 'use a policy without it',
  },
  PortsNotSupported: {
    severity: 'degraded',
    meaning: 'the rule has ports of a protocol other than TCP, UDP and SCTP',
    remedy: 'leave the ports out',
  },
  LogNotSupported: {
    severity: 'degraded',
    meaning: 'packets are not logged; otherwise the rule is complete',
    remedy: 'leave rules with the action Log out',
  },
  OwnAddressNotSupported: {
    severity: 'degraded',
    meaning: "the rule matches the pod's own address, but the pod does not have exactly one IPv4 address",
    remedy: 'leave that match out',
  },
  IpSetUnknown: {
    severity: 'degraded',
    meaning: 'a rule names a set that Felix has not sent',
    remedy: 'nothing: it resolves when Felix sends it',
  },
  IpSetInvalid: {
    severity: 'degraded',
    meaning: 'a set has a member that cannot be read',
    remedy: 'compare your version of Calico with the supported ones',
  },
  RuleInvalid: {
    severity: 'degraded',
    meaning: 'a rule is not in the form of any known version of Felix',
    remedy: 'compare your version of Calico with the supported ones',
  },
  FieldUnknown: {
    severity: 'degraded',
    meaning: 'a rule has a field that may be a condition of a newer version of Felix',
    remedy: 'compare your version of Calico with the supported ones',
  },
  ActionUnknown: {
    severity: 'degraded',
    meaning: 'a rule or tier has an action that no known version of Felix has',
    remedy: 'compare your version of Calico with the supported ones',
  },
  SeveralEndpoints: {
    severity: 'degraded',
    meaning: 'a pod has several endpoints: nothing passes',
    remedy: 'give the pod one network',
  },
  WorkloadNotSupported: {
    severity: 'degraded',
    meaning: 'a workload that is not a pod: an empty policy `workload/…` says so',
    remedy: 'use pods',
  },
  HostEndpointsNotSupported: {
    severity: 'degraded',
    meaning: 'policies for the node itself: an empty policy `host-endpoint/…` says so',
    remedy: 'remove the HostEndpoint objects',
  },
} as const satisfies Readonly<Record<string, ConditionExplanation>>;

export type FelixReason = keyof typeof FELIX_REASONS;
