#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { messageOf } from '@infra-offload/base';
import { endOnUncaught, Guard } from '@infra-offload/guard';
import { Command, InvalidArgumentError } from 'commander';
import { pino } from 'pino';
import { EngineHost } from './dataplane/host/engine/engine-host.js';
import { ControlServer } from './dataplane/host/engine/server.js';
import { loadSockets } from './dataplane/host/sockets.js';
import { SoftswitchError } from './errors.js';
import { loadLibc } from './ports/libc.js';

const EXIT_FAILED = 1;
/** The program cannot be run, and nothing else is wrong. */
const EXIT_REFUSED = 2;
const MAX_PORTS = 65_536;

interface Flags {
  readonly spec: string;
  readonly socket: string;
  readonly ports: number;
  readonly dieWithParent?: boolean;
}

async function run({ spec, socket, ports, dieWithParent = false }: Flags): Promise<void> {
  const destination = pino.destination({ dest: 2, sync: true });
  // Nobody may read the log any more.
  destination.on('error', () => undefined);
  const logger = pino(
    { name: 'swx-engine', base: {}, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  endOnUncaught((err, message) => logger.fatal({ err }, message));
  const [libc, sockets] = [await loadLibc(), await loadSockets()];
  if (dieWithParent) libc.dieWithParent();
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    const end = async (): Promise<void> => {
      await server.stop();
      await engine.stop();
      process.exit(0);
    };
    // The answer to STOP goes out first.
    setImmediate(new Guard(fatal).handler(end));
  };
  const engine = new EngineHost(readFileSync(spec, 'utf8'), spec, {
    slots: ports,
    software: softwareVersion(),
    logger,
    onPortLost: (port) => server.portLost(port),
    onStop: stop,
  });
  const server = new ControlServer(libc, sockets, socket, engine, logger);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, new Guard(fatal).handler(stop));
  process.stdout.on('error', () => undefined);
  console.log(`swx-engine ready: ${socket}`);
}

function softwareVersion(): string {
  const { version }: { version: string } = createRequire(import.meta.url)('../package.json');
  return `swx-engine ${version}`;
}

function fatal(error: unknown): never {
  console.error(`swx-engine: ${messageOf(error)}`);
  process.exit(SoftswitchError.is(error) && error.code === 'INVALID_ARGUMENT' ? EXIT_REFUSED : EXIT_FAILED);
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_PORTS)
    throw new InvalidArgumentError(`it is not in 1..${MAX_PORTS}`);
  return value;
}

await new Command('swx-engine')
  .description('Runs an SWX pipeline; tables and ports are controlled through the socket, as with swx-host')
  .requiredOption('--spec <file>', 'the program, as p4c-dpdk writes it')
  .requiredOption('--socket <path>', 'unix socket to listen on, accessible only to this user')
  .option('--ports <count>', 'slots for ports', count, MAX_PORTS)
  .option('--die-with-parent', 'exit with the process that started this one')
  .action((flags: Flags) => run(flags).catch(fatal))
  .parseAsync();
