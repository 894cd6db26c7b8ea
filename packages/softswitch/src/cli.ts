#!/usr/bin/env node
import {
  addSettings,
  commandLayer,
  createLoggers,
  type Logger,
  programCommand,
  runProgram,
  runService,
} from '@infra-offload/service';
import { Option } from 'commander';
import { type Config, LOG_MODULES, readConfig, SETTINGS, securityOf } from './config.js';
import { greetingOf, stopLeft } from './dataplane/host/host-processes.js';
import { HostKeeper } from './dataplane/host/keeper.js';
import { softwareOf } from './dataplane/host/protocol.js';
import { hostProgram, openSwitch } from './dataplane/open.js';
import { Softswitch } from './softswitch.js';

async function start(config: Config, logger: Logger): Promise<Softswitch> {
  const security = securityOf(config.tls, logger);
  const { ports, dataplane } = await openSwitch(config, logger);
  return Softswitch.start({
    p4runtimeAddress: config.p4runtime,
    gnmiAddress: config.gnmi,
    deviceId: config.deviceId,
    ports,
    dataplane,
    security,
    logger,
  });
}

function readyLine({ p4runtimeAddress, gnmiAddress, ports }: Softswitch, { deviceId }: Config): string {
  const names = ports.list().map((port) => port.name);
  const range = names.length > 1 ? `${names[0]}..${names.at(-1)}` : (names[0] ?? 'none');
  return `softswitch ready: p4runtime ${p4runtimeAddress}, gnmi ${gnmiAddress}, device ${deviceId}, ports ${range}`;
}

const command = programCommand(
  'softswitch',
  'A P4Runtime and gNMI target that runs SWX pipelines on TAP ports. Flags override environment variables, which override the file.',
  '0.1.0',
).addOption(new Option('-c, --config <file>', 'YAML configuration').env('SOFTSWITCH_CONFIG'));
addSettings(command, SETTINGS);

function configOf(): Config {
  return readConfig(command.opts<{ config?: string }>().config, commandLayer(command, SETTINGS));
}

command.action(async () => {
  const config = configOf();
  const { softswitch: logger } = createLoggers('softswitch', LOG_MODULES, config.log);
  const softswitch = await runService(
    logger,
    () => start(config, logger),
    // Whoever starts it again, for an upgrade, finds the data plane running; Ctrl-C is for good.
    (running, signal) => running.stop({ keepDataplane: signal === 'SIGTERM' }),
  );
  // Whoever has read this may send a signal.
  console.log(readyLine(softswitch, config));
});

command
  .command('dataplane')
  .description(
    'runs data planes for a softswitch in another container, with keptDataplane and the same settings',
  )
  .action(async () => {
    const config = configOf();
    const { softswitch: logger } = createLoggers('dataplane', LOG_MODULES, config.log);
    await runService(
      logger,
      () => HostKeeper.open(hostProgram(config), config.runDirectory, logger),
      (keeper) => keeper.stop(),
    );
    console.log(`dataplane ready: ${config.runDirectory}`);
  });

command
  .command('stop')
  .description('ends a data plane that runs without a softswitch, and its ports with it')
  .action(async () => {
    const { runDirectory } = configOf();
    const ended = await stopLeft(runDirectory);
    console.log(
      ended ? 'the data plane has ended, and its ports are gone' : `no data plane runs in ${runDirectory}`,
    );
  });

command
  .command('status')
  .description('shows what processes packets, engine or DPDK, and whether the program is compiled')
  .action(async () => {
    const { runDirectory } = configOf();
    const greeting = await greetingOf(runDirectory);
    console.log(
      greeting === undefined
        ? `no data plane runs in ${runDirectory}`
        : `${greeting.kind}: ${softwareOf(greeting)}; pid ${greeting.pid}, ${greeting.slots} ports, ` +
            (greeting.started ? 'processing packets' : 'being prepared'),
    );
  });

await runProgram(command);
