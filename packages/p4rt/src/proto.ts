/** Wire messages and service definitions of P4Runtime and gNMI, generated from `proto/`. */
export * as gnmi from './gen/gnmi/gnmi.js';
export * as gnmiExt from './gen/gnmi_ext/gnmi_ext.js';
export { Status } from './gen/google/rpc/status.js';
export * from './gen/p4/v1/p4runtime.js';
