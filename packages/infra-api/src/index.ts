/**
 * The contract between infra-agent and infra-manager: wire messages and service definitions, generated from `proto/`.
 * The messages of `infra_offload.v1` are here by name; those of IPDK and Felix are namespaces.
 *
 * @packageDocumentation
 */

export * as felix from './gen/felix/felixbackend.js';
export * as infra from './gen/infra/infra.js';
export * from './gen/infra_offload/v1/offload.js';
export { OBJECT_KINDS } from './object-kinds.js';
export { type InterfaceType, type PortId, portIdOf } from './port-id.js';
export { FELIX_REASONS, type FelixReason, SERVICE_REASONS, type ServiceReason } from './reasons/agent.js';
export { MANAGER_REASONS, type ManagerReason } from './reasons/manager.js';
export { READINESS_REASONS, type ReadinessReason } from './reasons/readiness.js';
export type { ConditionExplanation, Explanation, Severity } from './reasons/reason.js';
export { WARNING_REASONS, type WarningReason } from './reasons/warnings.js';
