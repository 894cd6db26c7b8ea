import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { boundGarbage, endOnUncaught, stopOnSignals } from '@infra-offload/guard';
import { Command } from 'commander';
import type { Logger } from 'pino';
import { ServiceError } from './error.js';

/** Exit statuses of all programs: 0 after a stop in order, 1 for a failure, 2 for a wrong configuration. */
const EXIT_FAILED = 1;
const EXIT_CONFIG = 2;

/** The command line of a program: a wrong one is a wrong configuration. */
export function programCommand(name: string, description: string, version: string): Command {
  return new Command(name)
    .description(description)
    .version(version)
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_CONFIG))
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, `${name}:`)) });
}

/** Does what the command line says. What it fails with is told on standard error, in one line, before the process ends. */
export async function runProgram(command: Command): Promise<void> {
  try {
    await command.parseAsync();
  } catch (error) {
    process.stderr.write(`${command.name()}: ${messageOf(error)}\n`);
    // Whatever was begun and is still open does not keep it.
    process.exit(ServiceError.is(error) ? EXIT_CONFIG : EXIT_FAILED);
  }
}

/**
 * Runs a service until a signal ends it. Faults that nobody caught end the process, after a line in the log. Once this has
 * resolved, signals stop the service in order: only then should others be told that it is ready.
 *
 * @param stop what a signal has done: SIGTERM or SIGINT
 */
export async function runService<Service>(
  logger: Logger,
  start: () => Promise<Service>,
  stop: (service: Service, signal: NodeJS.Signals) => Promise<unknown>,
): Promise<Service> {
  boundGarbage();
  // grpc-js writes of its own what it also throws.
  setLogVerbosity(logVerbosity.NONE);
  endOnUncaught((err, message) => logger.fatal({ err }, message));
  const service = await start();
  stopOnSignals((signal) => stop(service, signal), logger);
  return service;
}
