// By itself, so that it can be loaded late and bundlers leave out what it does not use.
export { KubeConfig } from '@kubernetes/client-node';
