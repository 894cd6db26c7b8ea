/** The contract between infra-agent and infra-manager: wire messages and service definitions. */

export * as felix from './gen/felix/felixbackend.js';
export * as infra from './gen/infra/infra.js';
export * from './gen/infra_offload/v1/offload.js';
