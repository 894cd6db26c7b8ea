import { k8sDp } from '@infra-offload/p4src';
import type { Config } from '../../config/config.js';
import type { DeviceSetting } from '../driver.js';

const { new_flows: newFlows } = k8sDp.meters;

/** How many flows a pod may begin; each counts as one token of its meter. */
export type PodShare = Omit<Config['dataPlane']['podShare'], 'flows'>;

/** Seconds' worth of flows that a pod may begin at once, after it has begun none for as long. */
const BURST_SECONDS = 32;

/**
 * What keeps a pod from taking the room of others in `conntrack`: see "Shares" in p4src/dpdk/README.md. All pods have the
 * same.
 */
export function podShares({ newFlowsPerSecond, unansweredFlowsPerSecond }: PodShare): DeviceSetting {
  const committed = Math.min(unansweredFlowsPerSecond, newFlowsPerSecond);
  const config =
    newFlowsPerSecond === 0
      ? undefined
      : {
          cir: BigInt(committed),
          cburst: BigInt(Math.min(committed * BURST_SECONDS, newFlowsPerSecond)),
          pir: BigInt(newFlowsPerSecond),
          pburst: BigInt(newFlowsPerSecond),
          eburst: 0n,
        };
  return {
    read: newFlows.cell(0),
    isSet(entity) {
      const found = newFlows.decode(entity).config;
      if (found === undefined || config === undefined) return found === config;
      const { cir, cburst, pir, pburst } = found;
      return cir === config.cir && cburst === config.cburst && pir === config.pir && pburst === config.pburst;
    },
    entity: newFlows.all(config),
    isRequired: config !== undefined,
    without: 'no shares of flows: one pod can fill the flow table for all',
  };
}
