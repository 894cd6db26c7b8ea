import type { Config } from '../config.js';
import { engineProgram } from '../engine-program.js';
import { fail } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PortProvider } from '../ports/provider.js';
import { TapPorts } from '../ports/tap.js';
import type { Dataplane } from './dataplane.js';
import { HostDataplane } from './host/host-dataplane.js';
import { HostProcesses } from './host/host-processes.js';
import type { HostProgram } from './host/host-program.js';

/** Ethernet header and one VLAN tag, which come on top of the MTU. */
const FRAME_OVERHEAD = 18;
/** Room that DPDK's own devices expect. */
const MIN_FRAME = 2048;
/** Port numbers that the engine takes; they cost it nothing. */
const ENGINE_PORTS = 65_536;

/**
 * Takes the run directory with the data plane and the TAP ports that are left there, and makes the ports that the
 * configuration asks for beside them.
 */
export async function openSwitch(
  config: Config,
  logger: Logger,
): Promise<{ ports: PortProvider; dataplane: Dataplane }> {
  const hosts = await HostProcesses.open(hostProgram(config), {
    directory: config.runDirectory,
    kept: config.keptDataplane,
    logger,
  });
  try {
    const ports = await TapPorts.open({ ...config.taps, left: hosts.takePorts(), logger });
    return { ports, dataplane: new HostDataplane(ports, hosts, { logger }) };
  } catch (error) {
    hosts.left?.leave();
    await hosts.close();
    throw error;
  }
}

/** What processes packets. */
export function hostProgram(config: Config): HostProgram {
  return config.dataplane === 'engine' ? engineProgram(ENGINE_PORTS) : dpdkProgram(config);
}

function dpdkProgram({ dpdk, taps }: Config): HostProgram {
  const { host, hugepages, memoryMb, ports: slots, compile, cache, library, cpu } = dpdk;
  if (taps.count > slots) {
    fail(
      'INVALID_ARGUMENT',
      `taps.count is ${taps.count}, but dpdk.ports ${slots}: there can be no more ports`,
    );
  }
  const args = [
    ...['--ports', `${slots}`],
    ...['--memory', `${memoryMb}`],
    ...['--frame', `${Math.max(taps.mtu + FRAME_OVERHEAD, MIN_FRAME)}`],
    ...(hugepages ? ['--huge'] : []),
    ...(library === undefined ? (compile ? ['--cache', cache] : []) : ['--library', library]),
    ...(cpu === undefined ? [] : ['--cpu', `${cpu}`]),
  ];
  return { kind: 'dpdk', name: 'swx-host', command: host, args };
}
