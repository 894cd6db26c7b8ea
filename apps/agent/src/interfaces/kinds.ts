import type { AgentConfig } from '../config/schema.js';
import type { PodInterfaces } from './pod-interfaces.js';
import { PooledInterfaces } from './pooled-interfaces.js';
import { TapPool } from './tap.js';

/** The pod interfaces that `interfaceType` and `interface` of the configuration name. */
export function createPodInterfaces({ tapPrefix }: AgentConfig): PodInterfaces {
  return new PooledInterfaces(new TapPool(tapPrefix));
}
