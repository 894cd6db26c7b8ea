#!/usr/bin/env node
import { addSettings, commandLayer, programCommand, runProgram, runService } from '@infra-offload/service';
import { Option } from 'commander';
import { loadConfig } from './config/load.js';
import { SETTINGS } from './config/settings.js';
import { createLoggers } from './log.js';
import { Manager } from './manager.js';

const command = programCommand(
  'infra-manager',
  'Keeps a P4 target in the state that infra-agent wants. Flags override environment variables, which override the file.',
  '0.1.0',
)
  .addOption(new Option('-c, --config <file>', 'YAML file').env('INFRA_MANAGER_CONFIG'))
  .action(async ({ config: file }: { readonly config?: string }) => {
    const notices: string[] = [];
    const config = loadConfig(file, commandLayer(command, SETTINGS), (notice) => notices.push(notice));
    const loggers = createLoggers(config.log);
    for (const notice of notices) loggers.manager.warn(notice);
    await runService(
      loggers.manager,
      () => Manager.start(config, loggers),
      (manager) => manager.stop(),
    );
  });
addSettings(command, SETTINGS);

await runProgram(command);
