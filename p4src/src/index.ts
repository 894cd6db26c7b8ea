/** The P4 programs for DPDK and ES2K: artifacts, typed programs, and the constants they share with their drivers. */
import { typedProgram } from '@infra-offload/p4rt';
import { es2kDpDescriptor } from './gen/es2k-dp.js';
import { k8sDpDescriptor } from './gen/k8s-dp.js';

export {
  type Artifacts,
  es2kDpArtifacts,
  es2kDpDeviceConfig,
  es2kDpP4Info,
  k8sDpArtifacts,
  k8sDpDeviceConfig,
  k8sDpP4Info,
} from './artifacts.js';
export * from './constants.js';
export * from './es2k-constants.js';
export { es2kDpDescriptor, k8sDpDescriptor };

/** Typed builders and readers for every table, action profile and counter of `dpdk/`. */
export const k8sDp = typedProgram(k8sDpDescriptor);

/** Typed builders and readers for every table and counter of `es2k/`. */
export const es2kDp = typedProgram(es2kDpDescriptor);
