#!/usr/bin/env node
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addSettings, commandLayer, programCommand, runProgram, runService } from '@infra-offload/service';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Agent } from './agent.js';
import { type Check, calicoConfigCheck, managerCheck, parseDuration, waitFor } from './checks.js';
import { DEFAULT_CONFIG_PATH, loadConfig } from './config/load.js';
import type { AgentConfig } from './config/schema.js';
import { SETTINGS } from './config/settings.js';
import { removeNetworkFiles } from './install/network-files.js';
import { installPlugin, type PluginPlaces, removePlugin } from './install/plugin-files.js';
import { releaseHostInterface } from './install/release-interfaces.js';
import { createPodInterfaces } from './interfaces/kinds.js';
import { releaseKernel } from './kernel/node-kernel.js';
import { createLoggers } from './log.js';
import { version } from './version.js';

const program = programCommand(
  'infra-agent',
  'Attaches pods to the P4 data plane of their node, and tells infra-manager what the node needs.',
  version,
)
  .addOption(
    new Option('-c, --config <file>', `YAML file (default: ${DEFAULT_CONFIG_PATH} if it exists)`).env(
      'INFRA_AGENT_CONFIG',
    ),
  )
  .action(run);
addSettings(program, SETTINGS);

const duration = (text: string) => {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('not a duration such as 30s or 1m30s');
  return ms;
};
const timeout = [
  '--timeout <duration>',
  'how long to wait, such as 30s; 0s waits forever',
  duration,
  0,
] as const;

program
  .command('checkManager')
  .description('waits until infra-manager answers')
  .option(...timeout)
  .action((options: { timeout: number }) => check(managerCheck, options.timeout));

program
  .command('checkCalicoConfig')
  .description("waits until a CNI configuration sends Calico's plugin to an agent")
  .option(...timeout)
  .option('--cni-config-directory <path>', 'directory of CNI configurations', '/etc/cni/net.d')
  .action(({ timeout, cniConfigDirectory }: { timeout: number; cniConfigDirectory: string }) =>
    check((config) => calicoConfigCheck(cniConfigDirectory, config), timeout),
  );

const ROOT_OPTION = [
  '--root <path>',
  "where the node's files are, such as /host in a container",
  '/',
] as const;
const places = (command: Command) =>
  command
    .option(...ROOT_OPTION)
    .option('--bin-directory <path>', 'directory of CNI plugins on the node', '/opt/cni/bin')
    .option(
      '--node-directory <path>',
      'directory on the node for the Node.js that runs the plugin',
      '/opt/infra/bin',
    );
/** Where calico-node looks for drivers of Felix, which run in its container. */
const FELIX_PLUGINS = '/var/lib/calico/felix-plugins';

places(
  program
    .command('install-cni')
    .description('installs the CNI plugin infra-cni on the node, with the Node.js that runs it'),
).action((options: PluginPlaces) => install('infra-cni.js', options));

program
  .command('install-felix-proxy')
  .description(
    `installs Felix's driver felix-api-proxy in ${FELIX_PLUGINS} on the node, with the Node.js that runs it`,
  )
  .option(...ROOT_OPTION)
  .action(({ root }: Pick<PluginPlaces, 'root'>) =>
    install('felix-api-proxy.js', { root, binDirectory: FELIX_PLUGINS, nodeDirectory: FELIX_PLUGINS }),
  );

places(
  program
    .command('uninstall')
    .description(
      "removes what was installed, the agent's network configuration with its pods' addresses, its state, and its changes to the node's kernel and interface",
    ),
).action(async (options: PluginPlaces) => {
  const { root } = options;
  const config = configOf();
  const { cniConfiguration, stateDirectory } = config;
  // The configuration first: without it the runtime does not look for the plugin.
  if (cniConfiguration !== undefined) {
    await rm(join(root, cniConfiguration), { force: true });
    await removeNetworkFiles(root);
  }
  await removePlugin('infra-cni', options);
  await removePlugin('felix-api-proxy', { root, binDirectory: FELIX_PLUGINS, nodeDirectory: FELIX_PLUGINS });
  await rm(join(root, stateDirectory), { recursive: true, force: true });
  const logger = createLoggers(config.log).interfaces;
  const hostInterface = await createPodInterfaces(config, logger).hostInterface();
  await releaseKernel();
  if (hostInterface !== undefined) await releaseHostInterface(hostInterface);
});

async function install(program: string, places: PluginPlaces): Promise<void> {
  const source = fileURLToPath(new URL(program, import.meta.url));
  for (const file of await installPlugin(source, places)) process.stdout.write(`${file}\n`);
}

function configOf(): AgentConfig {
  return loadConfig(program.opts<{ config?: string }>().config, commandLayer(program, SETTINGS));
}

async function check(make: (config: AgentConfig) => Check, timeoutMs: number): Promise<void> {
  const problem = await waitFor(make(configOf()), timeoutMs);
  if (problem !== undefined) throw new Error(problem);
}

async function run(): Promise<void> {
  const config = configOf();
  const loggers = createLoggers(config.log);
  await runService(
    loggers.agent,
    () => Agent.start(config, loggers),
    (agent) => agent.stop(),
  );
}

await runProgram(program);
