import type { Config } from '../config.js';
import { fail } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PortProvider } from '../ports/provider.js';
import { TapPorts } from '../ports/tap.js';
import type { Dataplane } from './dataplane.js';
import { DpdkDataplane } from './dpdk/dataplane.js';
import { DpdkTapPorts } from './dpdk/tap-ports.js';
import { EngineDataplane } from './engine.js';

/** Ethernet header and one VLAN tag, which come on top of the MTU. */
const FRAME_OVERHEAD = 18;
/** Room that DPDK's own devices expect. */
const MIN_FRAME = 2048;

/** Makes the TAP ports and the data plane that the configuration asks for. */
export async function openSwitch(
  config: Config,
  logger: Logger,
): Promise<{ ports: PortProvider; dataplane: Dataplane }> {
  if (config.dataplane === 'engine') {
    const ports = await TapPorts.open({ ...config.taps, logger });
    return { ports, dataplane: new EngineDataplane(ports, { logger }) };
  }
  const { host, hugepages, memoryMb, ports: slots, library, cpu } = config.dpdk;
  if (config.taps.count > slots) {
    fail(
      'INVALID_ARGUMENT',
      `taps.count is ${config.taps.count}, but dpdk.ports ${slots}: there can be no more ports`,
    );
  }
  const args = [
    ...[
      '--ports',
      `${slots}`,
      '--memory',
      `${memoryMb}`,
      '--frame',
      `${Math.max(config.taps.mtu + FRAME_OVERHEAD, MIN_FRAME)}`,
    ],
    ...(hugepages ? ['--huge'] : []),
    ...(library === undefined ? [] : ['--library', library]),
    ...(cpu === undefined ? [] : ['--cpu', `${cpu}`]),
  ];
  const ports = await DpdkTapPorts.open({ ...config.taps, logger });
  return { ports, dataplane: new DpdkDataplane(ports, { binary: host, args, logger }) };
}
