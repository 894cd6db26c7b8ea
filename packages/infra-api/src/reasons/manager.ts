import type { ConditionExplanation } from './reason.js';

/** Reasons that infra-manager gives for the status of an object. */
export const MANAGER_REASONS = {
  TargetUnavailable: {
    severity: 'pending',
    meaning: 'there is no target, or this manager is not its primary',
    remedy: 'nothing: it is programmed as soon as the target is back',
  },
  InterfaceUnknown: {
    severity: 'pending',
    meaning: 'the target has not reported the port of the interface yet',
    remedy: 'nothing: the target is asked again',
  },
  NoEndpoints: {
    severity: 'note',
    meaning: 'the service has no endpoints: connections are refused (reject counter 4); ES2K drops them',
    remedy: 'check that the service selects running pods, and that they are ready',
  },
  NoLocalEndpoints: {
    severity: 'note',
    meaning:
      'the traffic policy is Local, and the endpoints are on other nodes: packets are dropped (drop counter 12)',
    remedy: 'start an endpoint on this node, or use the traffic policy Cluster',
  },
  AffinityTimeoutChanged: {
    severity: 'note',
    meaning:
      'the timeouts of the pipeline are fixed: the shortest that is long enough is used, or else the longest',
    remedy: 'nothing, unless clients depend on the exact time',
  },
  ObjectInvalid: {
    severity: 'degraded',
    meaning: 'the object is invalid; the message names the field. The previous version stays in force',
    remedy: 'agent and manager do not understand each other: compare their versions',
  },
  FrontendConflict: {
    severity: 'degraded',
    meaning: 'another service owns the frontend; the other frontends are served',
    remedy: 'give one of the two another address or port; it resolves when the other service goes away',
  },
  AddressConflict: {
    severity: 'degraded',
    meaning: 'another object has the address',
    remedy: 'look for an address assigned twice; it resolves when the other object goes away',
  },
  InterfaceConflict: {
    severity: 'degraded',
    meaning: 'another object has the interface or its port',
    remedy: 'nothing while a pod is being replaced: it resolves when the other object goes away',
  },
  NodeConflict: {
    severity: 'degraded',
    meaning: 'the target already has a node',
    remedy: 'run one agent per manager; it resolves when the other node goes away',
  },
  TooManyEndpoints: {
    severity: 'degraded',
    meaning: '255 endpoints are served (ES2K: 64)',
    remedy: 'split the service',
  },
  EndpointsNotLocal: {
    severity: 'degraded',
    meaning: 'ES2K: these endpoints are not pods of this node; the others are served',
    remedy: 'start an endpoint on each node that has clients',
  },
  EndpointConflict: {
    severity: 'degraded',
    meaning: 'ES2K: another service port has these endpoints; the others are served',
    remedy: 'give each service port pods or ports of its own; it resolves when the other one releases them',
  },
  OneFrontend: {
    severity: 'degraded',
    meaning: 'ES2K: replies carry a single address of a service, so only the first frontend is served',
    remedy: 'make a service for each address',
  },
  WeightTooSmall: {
    severity: 'degraded',
    meaning: 'ES2K: the share of these endpoints is smaller than one of 64 buckets',
    remedy: 'use fewer endpoints, or more equal weights',
  },
  AffinityNotSupported: {
    severity: 'degraded',
    meaning: 'ES2K: there is no session affinity; connections are balanced one by one',
    remedy: 'use `sessionAffinity: None`',
  },
  RouteNotSupported: {
    severity: 'degraded',
    meaning: 'ES2K: there are no routes; only pods of this node are reached',
    remedy: "leave `uplink` out of the agent's configuration",
  },
  ServicesNotInPackage: {
    severity: 'degraded',
    meaning: 'ES2K: the package on the target has no service tables',
    remedy: 'use a package that has them, or kube-proxy',
  },
  PolicyNotInPackage: {
    severity: 'degraded',
    meaning: 'ES2K: the package on the target has no policy tables; policies are not in force',
    remedy: 'use a package that has them',
  },
  PortOutOfRange: {
    severity: 'degraded',
    meaning: "the interface's port does not fit into the fields of the program",
    remedy: 'use an interface with a lower port',
  },
  ProtocolNotSupported: {
    severity: 'degraded',
    meaning: 'ES2K: SCTP is not balanced',
    remedy: 'use TCP or UDP, or connect to pods',
  },
  SctpPortChanged: {
    severity: 'degraded',
    meaning:
      'the pipeline cannot change the ports of SCTP: frontends whose port is not that of the endpoints are not served',
    remedy: 'use the same number for `port` and `targetPort`',
  },
  AddressFamilyNotSupported: {
    severity: 'degraded',
    meaning: 'IPv6 addresses are left out; IPv4 is served',
    remedy: 'nothing, unless clients use IPv6',
  },
  InterfaceNotFound: {
    severity: 'degraded',
    meaning: 'the target has no such interface; asked again every 5 s',
    remedy: 'compare `interfaceType` and the interface prefix in agent, manager and target',
  },
  HostPortMismatch: {
    severity: 'degraded',
    meaning: 'the host interface is not port 0 of the target',
    remedy: 'have the target number its interfaces from 0',
  },
  IdsExhausted: {
    severity: 'degraded',
    meaning: 'all 65535 service ids are in use',
    remedy: 'remove services',
  },
  PolicyUnknown: {
    severity: 'degraded',
    meaning: 'an isolation refers to a policy that has not been sent: whatever it would decide is denied',
    remedy: "nothing: it resolves when the agent sends the policy; if it does not, see the agent's log",
  },
  TooManyRuleClasses: {
    severity: 'degraded',
    meaning:
      "a profile has more combinations of ports than the pipeline's masks hold (64; ES2K: 8 ranges each for TCP and UDP): whatever does not fit is denied",
    remedy: 'use fewer different ports in the policies named in the message',
  },
  ProtocolsNotTold: {
    severity: 'degraded',
    meaning: 'ES2K: rules for individual protocols other than TCP and UDP are denied',
    remedy: 'allow all protocols together',
  },
  StatelessPolicy: {
    severity: 'note',
    meaning: 'ES2K judges replies like any other packet, except those of services',
    remedy: 'allow both directions of a connection',
  },
  PortZeroDenied: {
    severity: 'note',
    meaning: 'port 0 and packets without ports cannot be told apart; both are denied',
    remedy: 'let no rule begin or end at port 0',
  },
  EverythingDenied: {
    severity: 'degraded',
    meaning:
      "the target refused to change or remove entries of a profile and may therefore allow too much: everything is denied to the profile's pods",
    remedy: 'find out why the target refuses; it is retried until that is repaired',
  },
  PodCutOff: {
    severity: 'degraded',
    meaning: 'the target refused to isolate a pod, which therefore has no network',
    remedy: 'find out why the target refuses; it is retried until the target accepts',
  },
  TableFull: {
    severity: 'degraded',
    meaning: "the target's table is full",
    remedy: 'remove objects, or use a pipeline with larger tables; it is retried when an entry is removed',
  },
  WriteFailed: {
    severity: 'degraded',
    meaning: 'the target refused an entry; the message names table, key and cause',
    remedy: 'see the cause; it is retried',
  },
  WriteTimeout: {
    severity: 'degraded',
    meaning: 'the target did not answer a write; the message names table and key',
    remedy: 'see whether the target is overloaded; it is retried',
  },
  DependencyFailed: {
    severity: 'degraded',
    meaning: 'the target refused an entry that this one needs',
    remedy: 'see the cause in the message; it is retried',
  },
  EntryConflict: {
    severity: 'degraded',
    meaning: 'another object already has the same entry with different content',
    remedy: 'change one of the two; this one gets the entry when the other releases it',
  },
} as const satisfies Readonly<Record<string, ConditionExplanation>>;

export type ManagerReason = keyof typeof MANAGER_REASONS;
