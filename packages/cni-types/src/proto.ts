/** Messages and service of Calico's gRPC CNI dataplane, generated from `proto/`. */
export * from './gen/cni/cnibackend.js';
