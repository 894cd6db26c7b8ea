export type { BackoffOptions } from '@infra-offload/base';
export { ApiSource, type ApiSourceOptions, type ResourceStatus } from './api-source.js';
export type { ClusterAccess } from './cluster-access.js';
export type { ClusterNetworking } from './cluster-networking.js';
export { KubernetesApiError, type KubernetesApiErrorCode, type KubernetesApiErrorDetails } from './error.js';
export type { ApiProblem, ApiProblemCode, ApiReport } from './problem.js';
export type { ReflectorCounts, ReflectorState } from './reflector.js';
export { loadBalancingResources, type ResourceSelection, type ResourceSelector } from './resources.js';
export type { ApiTiming } from './timing.js';
