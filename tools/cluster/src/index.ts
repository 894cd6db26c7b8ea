export { Cluster, type ClusterOptions, kubernetesPrograms, POD_RANGE } from './cluster.js';
export { installDns } from './dns/deployment.js';
export { type E2eResult, runE2e } from './e2e.js';
export { buildImages, testImages } from './images.js';
export { deploy, install, prepare, uninstall } from './install.js';
export { ClusterNetwork } from './network.js';
export { ClusterNode, type ClusterNodeOptions } from './node.js';
export type { TargetKind } from './node-config.js';
