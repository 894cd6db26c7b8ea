/** The P4 program `k8s_dp` for DPDK: its artifacts, its typed program, and the constants it shares with its drivers. */
import { typedProgram } from '@infra-offload/p4rt';
import { k8sDpDescriptor } from './gen/k8s-dp.js';

export { k8sDpArtifacts, k8sDpDeviceConfig, k8sDpP4Info } from './artifacts.js';
export * from './constants.js';
export { k8sDpDescriptor };

/** Typed builders and readers for every table, action profile and counter of `k8s_dp`. */
export const k8sDp = typedProgram(k8sDpDescriptor);
