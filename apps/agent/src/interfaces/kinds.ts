import { ServiceError } from '@infra-offload/service';
import type { Logger } from 'pino';
import type { AgentConfig } from '../config/schema.js';
import { CdqPool } from './cdq.js';
import { IpvlanInterfaces } from './ipvlan.js';
import type { PodInterfaces } from './pod-interfaces.js';
import { PooledInterfaces } from './pooled-interfaces.js';
import { SriovPool } from './sriov.js';
import { TapPool } from './tap.js';

/**
 * The pod interfaces that `interfaceType` and `interface` of the configuration name.
 *
 * @throws ServiceError CONFIG if the kind needs `interface` and there is none.
 */
export function createPodInterfaces(config: AgentConfig, logger: Logger): PodInterfaces {
  switch (config.interfaceType) {
    case 'tap':
      return new PooledInterfaces(new TapPool(config.tapPrefix, config.uplink?.interface));
    case 'ipvlan':
      return new IpvlanInterfaces(interfaceOf(config, 'the master'));
    case 'sriov':
      return new PooledInterfaces(new SriovPool(interfaceOf(config, 'the physical function'), logger));
    case 'cdq':
      return new PooledInterfaces(new CdqPool(interfaceOf(config, 'the physical function'), logger));
    default:
      return config.interfaceType satisfies never;
  }
}

function interfaceOf({ interfaceType, interface: name }: AgentConfig, role: string): string {
  if (name !== undefined) return name;
  throw new ServiceError('CONFIG', `interfaceType ${interfaceType} needs interface: the name of ${role}`);
}
