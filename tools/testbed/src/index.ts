export { type CniCall, type CniResult, cniError, cniResult, referencePlugins } from './cni.js';
export type { ServiceSource } from './configs.js';
export {
  type ContainerMount,
  type ContainerProgram,
  type ContainerRights,
  containerCommand,
} from './container.js';
export { type AuditEvent, ControlPlane, type ControlPlaneOptions } from './control-plane.js';
export { infractl } from './infractl.js';
export { ADDRESSES, HOST_ADDRESS, Layout, POD_CIDR, programs, SERVICE_CIDR, TAP_PREFIX } from './layout.js';
export { ManagerClient } from './manager-client.js';
export {
  type EndpointOptions,
  endpointSlice,
  type ServiceOptions,
  type ServicePort,
  service,
  toYaml,
} from './manifests.js';
export { NetworkNamespace, type Place } from './netns.js';
export type { Answer, Probe, Protocol, Spread, Target, Transfer } from './pod/protocol.js';
export { PodProcess } from './pod-process.js';
export { type Program, ServiceProcess } from './service-process.js';
export { addServers, applyService, scaleService, serviceBalanced } from './services.js';
export { type CommandOptions, type CommandResult, eventually, must, run } from './shell.js';
export { Testbed } from './testbed.js';
export type { AddPodOptions, TestbedOptions, TestbedPrograms, TestPod } from './testbed-options.js';
export { Wire } from './wire.js';
