#!/usr/bin/env node
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Agent } from './agent.js';
import { defaultConfigPath, loadConfig } from './config/load.js';
import { logLevels } from './config/schema.js';
import { messageOf } from './errors.js';
import { createLoggers } from './log.js';
import { version } from './version.js';

interface Flags {
  readonly config?: string;
  readonly nodeName?: string;
  readonly managerAddress?: string;
  readonly interfaceType?: string;
  readonly interface?: string;
  readonly tapPrefix?: string;
  readonly mtu?: number;
  readonly cniSocket?: string;
  readonly stateDirectory?: string;
  readonly manifestsDirectory?: string;
  readonly kubeconfig?: string;
  readonly kubeContext?: string;
  readonly inCluster?: boolean;
  readonly serviceCidrs?: string[];
  readonly podCidrs?: string[];
  readonly hostAddresses?: string[];
  readonly monitoringAddress?: string;
  readonly logLevel?: string;
}

function option(flags: string, description: string, env: string): Option {
  return new Option(flags, description).env(env);
}

const list = (text: string) => text.split(',').filter((item) => item !== '');
const integer = (text: string) => {
  if (!/^[0-9]+$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
};

const program = new Command('infra-agent')
  .description(
    'Attaches pods to the P4 data plane of their node, and tells infra-manager what the node needs.',
  )
  .version(version)
  .addOption(
    option(
      '-c, --config <file>',
      `YAML file; default ${defaultConfigPath} if it exists`,
      'INFRA_AGENT_CONFIG',
    ),
  )
  .addOption(option('--node-name <name>', 'name of the node; default the host name', 'NODE_NAME'))
  .addOption(option('--manager-address <host:port>', 'infra-manager', 'INFRA_AGENT_MANAGER_ADDRESS'))
  .addOption(
    option(
      '--interface-type <type>',
      'kind of pod interfaces: tap, ipvlan, sriov or cdq',
      'INFRA_AGENT_INTERFACE_TYPE',
    ),
  )
  .addOption(
    option(
      '--interface <name>',
      'master of ipvlan, physical function of sriov and cdq',
      'INFRA_AGENT_INTERFACE',
    ),
  )
  .addOption(
    option('--tap-prefix <prefix>', "how the target's TAP interfaces are named", 'INFRA_AGENT_TAP_PREFIX'),
  )
  .addOption(
    option('--mtu <bytes>', 'MTU of pods and of the host interface', 'INFRA_AGENT_MTU').argParser(integer),
  )
  .addOption(option('--cni-socket <path>', 'unix socket for infra-cni', 'INFRA_AGENT_CNI_SOCKET'))
  .addOption(option('--state-directory <path>', 'where attachments are kept', 'INFRA_AGENT_STATE_DIRECTORY'))
  .addOption(
    option('--manifests-directory <path>', 'Services and EndpointSlices', 'INFRA_AGENT_MANIFESTS_DIRECTORY'),
  )
  .addOption(option('--kubeconfig <file>', 'access to the Kubernetes API', 'INFRA_AGENT_KUBECONFIG'))
  .addOption(
    option('--kube-context <name>', "instead of the kubeconfig's own choice", 'INFRA_AGENT_KUBE_CONTEXT'),
  )
  .addOption(
    option(
      '--in-cluster',
      'access to the Kubernetes API by the service account of the pod',
      'INFRA_AGENT_IN_CLUSTER',
    ),
  )
  .addOption(
    option(
      '--service-cidrs <cidr,...>',
      'ranges of service addresses',
      'INFRA_AGENT_SERVICE_CIDRS',
    ).argParser(list),
  )
  .addOption(
    option('--pod-cidrs <cidr,...>', 'ranges of pod addresses', 'INFRA_AGENT_POD_CIDRS').argParser(list),
  )
  .addOption(
    option(
      '--host-addresses <ip,...>',
      'addresses of the host interface',
      'INFRA_AGENT_HOST_ADDRESSES',
    ).argParser(list),
  )
  .addOption(
    option(
      '--monitoring-address <host:port>',
      '/metrics, /healthz, /readyz',
      'INFRA_AGENT_MONITORING_ADDRESS',
    ),
  )
  .addOption(
    option('--log-level <level>', 'for all modules', 'INFRA_AGENT_LOG_LEVEL').choices([...logLevels]),
  )
  .action(run);

async function run(flags: Flags): Promise<void> {
  const {
    config: path,
    hostAddresses,
    logLevel,
    kubeconfig,
    kubeContext: context,
    inCluster,
    ...settings
  } = flags;
  const config = loadConfig(path, {
    ...settings,
    kubernetes: (inCluster || kubeconfig || context) && {
      ...(kubeconfig && { kubeconfig: resolve(kubeconfig) }),
      ...(context && { context }),
    },
    hostInterface: hostAddresses && { addresses: hostAddresses },
    log: logLevel && { level: logLevel },
  });
  const loggers = createLoggers(config.log);
  const logger = loggers.of('agent');
  const agent = await Agent.start(config, loggers);
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, 'stopping');
    agent.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ reason: messageOf(error) }, 'stopped with an error');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`infra-agent: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
