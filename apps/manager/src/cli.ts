#!/usr/bin/env node
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { boundGarbage, endOnUncaught, stopOnSignals } from '@infra-offload/guard';
import { Command } from 'commander';
import { loadConfig, OVERRIDES } from './config/load.js';
import { ManagerError } from './errors.js';
import { createLoggers } from './log.js';
import { Manager } from './manager.js';

const command = new Command('infra-manager')
  .description('Keeps a P4 target equal to what infra-agent wants')
  .option('--config <file>', 'YAML file; defaults without one (env INFRA_MANAGER_CONFIG)')
  .addHelpText('after', '\nFlags win over environment variables, which win over the file.')
  .version('0.1.0')
  // Flags are configuration, too.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, 'infra-manager:')) })
  .allowExcessArguments(false);
for (const { flag, path, env } of OVERRIDES) command.option(`--${flag} <value>`, `${path} (env ${env})`);

async function main(): Promise<void> {
  boundGarbage();
  // grpc-js writes of its own what it also throws.
  setLogVerbosity(logVerbosity.NONE);
  const { config: file, ...camel } = command.parse().opts<Record<string, string | undefined>>();
  const flags = Object.fromEntries(
    OVERRIDES.map(({ flag }) => [
      flag,
      camel[flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())],
    ]),
  );
  const notices: string[] = [];
  const config = loadConfig({
    file: file ?? process.env.INFRA_MANAGER_CONFIG,
    flags,
    env: process.env,
    notice: (text) => notices.push(text),
  });
  const loggers = createLoggers(config.log);
  endOnUncaught((err, message) => loggers.manager.fatal({ err }, message));
  for (const notice of notices) loggers.manager.warn(notice);
  const manager = await Manager.start(config, loggers);
  stopOnSignals(() => manager.stop(), loggers.manager);
}

main().catch((error: unknown) => {
  process.stderr.write(`infra-manager: ${ManagerError.is(error) ? messageOf(error) : String(error)}\n`);
  process.exit(ManagerError.is(error, 'CONFIG') ? 2 : 1);
});
