export type { Unsubscribe } from '@infra-offload/base';
export { ManifestsSource, type ManifestsSourceOptions } from './manifests/manifests-source.js';
export type { ManifestProblem, ManifestProblemCode, ManifestReport } from './manifests/problem.js';
export type { ObjectKind, ObjectKinds, WatchedObject } from './objects/kinds.js';
export { matchesLabels } from './objects/labels.js';
export { type ObjectIssue, type ParsedObject, parseObject } from './objects/parse.js';
export type {
  EndpointPort,
  EndpointSlice,
  LabelRequirement,
  LabelSelector,
  LoadBalancerIngress,
  Namespace,
  NamespacedObject,
  NetworkPolicy,
  Node,
  Pod,
  PodPort,
  PolicyPeer,
  PolicyPort,
  PolicyRule,
  Protocol,
  Service,
  ServiceCIDR,
  ServicePort,
  SliceEndpoint,
  TrafficPolicy,
} from './objects/types.js';
export type { AttachedPod } from './policies/pod-book.js';
export { type PolicyChange, PolicyTracker, type PolicyTrackerOptions } from './policies/tracker.js';
export type {
  AddressMatch,
  AddressPort,
  AddressSet,
  AllowRule,
  DirectionIsolation,
  PodIsolation,
  PolicyResult,
  PolicyResultKind,
  PortMatch,
  ResolvedPolicy,
} from './policies/types.js';
export {
  type Connection,
  type DirectionVerdict,
  type NetworkPolicyVerdict,
  networkPolicyVerdict,
  type PolicyWorld,
} from './policies/verdict.js';
export { NAMESPACE_NAME_LABEL } from './policies/well-known.js';
export { isLoadBalanced, resolveService, serviceOfSlice } from './services/resolve.js';
export { type ServiceChange, ServiceTracker, type ServiceTrackerOptions } from './services/tracker.js';
export type {
  EmptyReason,
  ExternalTraffic,
  Frontend,
  LoadBalancedEndpoint,
  LoadBalancedService,
  NodeIdentity,
  ServiceCondition,
} from './services/types.js';
export type { ObjectSource, ObjectStores } from './source.js';
export { ObjectStore, type ReadableStore, type StoreEvent } from './store.js';
export { StoreIndex } from './store-index.js';
