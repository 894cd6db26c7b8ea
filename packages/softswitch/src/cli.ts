#!/usr/bin/env node
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { boundGarbage, endOnUncaught, stopOnSignals } from '@infra-offload/guard';
import { Command } from 'commander';
import { pino } from 'pino';
import { type ConfigFlags, LOG_LEVELS, readConfig, securityOf } from './config.js';
import { greetingOf, stopLeft } from './dataplane/host/host-processes.js';
import { softwareOf } from './dataplane/host/protocol.js';
import { openSwitch } from './dataplane/open.js';
import { SoftswitchError } from './errors.js';
import { Softswitch } from './softswitch.js';

const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;

async function run(flags: ConfigFlags & { config?: string }): Promise<void> {
  const config = orExit(() => readConfig(flags.config, flags));
  const logger = pino(
    { name: 'softswitch', level: config.logLevel, base: {}, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  endOnUncaught((err, message) => logger.fatal({ err }, message));
  boundGarbage();
  // grpc-js reports failures of its own, besides those it throws.
  setLogVerbosity(logVerbosity.NONE);
  const security = orExit(() => securityOf(config.tls, logger));
  const { ports, dataplane } = await openSwitch(config, logger);
  const softswitch = await Softswitch.start({
    p4runtimeAddress: config.p4runtime,
    gnmiAddress: config.gnmi,
    deviceId: config.deviceId,
    ports,
    dataplane,
    security,
    logger,
  });

  // Whoever starts it again, for an upgrade, finds the data plane running; Ctrl-C is for good.
  stopOnSignals((signal) => softswitch.stop({ keepDataplane: signal === 'SIGTERM' }), logger);

  const names = ports.list().map((port) => port.name);
  const range = names.length > 1 ? `${names[0]}..${names.at(-1)}` : (names[0] ?? 'none');
  console.log(
    `softswitch ready: p4runtime ${softswitch.p4runtimeAddress}, gnmi ${softswitch.gnmiAddress}, ` +
      `device ${config.deviceId}, ports ${range}`,
  );
}

/** Ends what a softswitch that was stopped has left running. */
async function stop(flags: ConfigFlags & { config?: string }): Promise<void> {
  const { runDirectory } = orExit(() => readConfig(flags.config, flags));
  const ended = await stopLeft(runDirectory);
  console.log(
    ended ? 'the data plane has ended, and its ports are gone' : `no data plane runs in ${runDirectory}`,
  );
}

/** Tells what runs packets, whether a softswitch is there or not. */
async function status(flags: ConfigFlags & { config?: string }): Promise<void> {
  const { runDirectory } = orExit(() => readConfig(flags.config, flags));
  const greeting = await greetingOf(runDirectory);
  console.log(
    greeting === undefined
      ? `no data plane runs in ${runDirectory}`
      : `${greeting.kind}: ${softwareOf(greeting)}; pid ${greeting.pid}, ${greeting.slots} ports, ` +
          (greeting.started ? 'packets run' : 'it is being made ready'),
  );
}

/** A wrong configuration, certificates among it, has an exit status of its own, as those of agent and manager have. */
function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return fatal(error, EXIT_CONFIG);
  }
}

function fatal(error: unknown, status = EXIT_FAILED): never {
  console.error(`softswitch: ${messageOf(error)}`);
  if (!SoftswitchError.is(error) && error instanceof Error) console.error(error.stack);
  process.exit(status);
}

const command = new Command('softswitch')
  .description('A P4Runtime and gNMI target that runs SWX pipelines over TAP ports')
  // Flags are configuration, too.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_CONFIG))
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'softswitch:')) })
  .option('-c, --config <file>', 'YAML configuration; flags go over it')
  .option('--p4runtime <host:port>', 'address of the P4Runtime service (127.0.0.1:9559)')
  .option('--gnmi <host:port>', 'address of the gNMI service (127.0.0.1:9339)')
  .option('--device-id <number>', 'P4Runtime device id (1)')
  .option('--taps <count>', 'TAP ports to make at the start (16)')
  .option('--tap-prefix <text>', 'names of the TAP ports, before the number (P4TAP_)')
  .option('--mtu <bytes>', 'MTU of the TAP ports (1500)')
  .option('--dataplane <kind>', 'engine (swx-engine), or dpdk (swx-host) (engine)')
  .option('--run-directory <path>', 'where the data plane is, which runs on without this (/run/softswitch)')
  .option('--swx-host <file>', 'the program swx-host, for dpdk (swx-host)')
  .option(
    '--swx-library <file>',
    'the pipeline as swx-host has compiled it, for dpdk (compiled when it starts)',
  )
  .option('--tls-mode <mode>', 'mtls: clients need a certificate, too; tls; insecure, plain text (mtls)')
  .option('--tls-cert <file>', 'certificate of both services, PEM (/usr/share/stratum/certs/stratum.crt)')
  .option('--tls-key <file>', 'key of the certificate, PEM (/usr/share/stratum/certs/stratum.key)')
  .option('--tls-ca <file>', 'authority of clients, PEM (/usr/share/stratum/certs/ca.crt)')
  .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (info); logs go to standard error`)
  .action((flags: ConfigFlags & { config?: string }) => run(flags).catch((error: unknown) => fatal(error)));

command
  .command('stop')
  .description('Ends the data plane that goes on without a softswitch, and its ports with it')
  .action(() => stop(command.opts()).catch((error: unknown) => fatal(error)));

command
  .command('status')
  .description('Tells what runs packets: engine or DPDK, and whether the program is compiled')
  .action(() => status(command.opts()).catch((error: unknown) => fatal(error)));

await command.parseAsync();
