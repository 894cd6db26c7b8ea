/**
 * The contract between infra-agent and infra-manager: wire messages and service definitions, generated from `proto/`.
 * The messages of `infra_offload.v1` are here by name; those of IPDK and Felix are namespaces.
 *
 * @packageDocumentation
 */

export * as felix from './gen/felix/felixbackend.js';
export * as infra from './gen/infra/infra.js';
export * from './gen/infra_offload/v1/offload.js';
export { type InterfaceType, type PortId, portIdOf } from './port-id.js';
