import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { defaultConfigPath } from './load.js';

/** What commander makes of `flagOptions`. */
export interface Flags {
  readonly config?: string;
  readonly kubeconfig?: string;
  readonly kubeContext?: string;
  readonly inCluster?: boolean;
  readonly hostAddresses?: readonly string[];
  readonly calico?: boolean | string;
  /** The others are settings by their own names, or by those that IPDK has for them. */
  readonly [setting: string]: unknown;
}

type Parser = (text: string) => unknown;

const list: Parser = (text) => text.split(',').filter((item) => item !== '');
const integer: Parser = (text) => {
  if (!/^[0-9]+$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
};
const boolean: Parser = (text) => {
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw new InvalidArgumentError('neither true nor false');
};

/** Flags, environment variables, what they are, and how they are read. A second name is that of IPDK's agent. */
const table: readonly (readonly [
  flags: string,
  env: string | undefined,
  description: string,
  parse?: Parser,
])[] = [
  ['-c, --config <file>', 'INFRA_AGENT_CONFIG', `YAML file; default ${defaultConfigPath} if it exists`],
  ['--node-name <name>', 'NODE_NAME', 'name of the node; default the host name'],
  ['--manager-address <host:port>', 'INFRA_AGENT_MANAGER_ADDRESS', 'infra-manager'],
  ['--managerAddr <host>', undefined, 'host of infra-manager'],
  ['--managerPort <port>', undefined, 'port of infra-manager', integer],
  ['--insecure [boolean]', 'INFRA_AGENT_INSECURE', 'no TLS to infra-manager', boolean],
  [
    '--mtls [boolean]',
    'INFRA_AGENT_MTLS',
    'mutual TLS to infra-manager, which is the default; false: the agent shows no certificate',
    boolean,
  ],
  ['--clientCert <file>', undefined, 'certificate for infra-manager, PEM'],
  ['--clientKey <file>', undefined, 'its private key, PEM'],
  [
    '--caCert <file>',
    undefined,
    "authorities of infra-manager's certificate, PEM; all three are in /etc/pki/infraagent/client",
  ],
  [
    '--interfaceType, --interface-type <type>',
    'INFRA_AGENT_INTERFACE_TYPE',
    'kind of pod interfaces: tap, ipvlan, sriov or cdq',
  ],
  ['--interface <name>', 'INFRA_AGENT_INTERFACE', 'master of ipvlan, physical function of sriov and cdq'],
  [
    '--tapPrefix, --tap-prefix <prefix>',
    'INFRA_AGENT_TAP_PREFIX',
    "how the target's TAP interfaces are named",
  ],
  ['--hostIfaceMTU, --mtu <bytes>', 'INFRA_AGENT_MTU', 'MTU of pods and of the host interface', integer],
  ['--cni-socket <path>', 'INFRA_AGENT_CNI_SOCKET', 'unix socket for infra-cni'],
  ['--state-directory <path>', 'INFRA_AGENT_STATE_DIRECTORY', 'where attachments are kept'],
  [
    '--calico [address]',
    'INFRA_AGENT_CALICO',
    'serve Calico; default unix:///var/run/calico/cni-server.sock',
  ],
  ['--services [boolean]', 'INFRA_AGENT_SERVICES', 'services from the Kubernetes API', boolean],
  [
    '--network-policy <source>',
    'INFRA_AGENT_NETWORK_POLICY',
    'where network policies come from: kubernetes, felix or off',
  ],
  ['--policy [boolean]', 'INFRA_AGENT_POLICY', 'network policies from Felix, or none', boolean],
  ['--manifests-directory <path>', 'INFRA_AGENT_MANIFESTS_DIRECTORY', 'services from manifests'],
  ['--kubeconfig <file>', 'INFRA_AGENT_KUBECONFIG', 'access to the Kubernetes API'],
  ['--kube-context <name>', 'INFRA_AGENT_KUBE_CONTEXT', "instead of the kubeconfig's own choice"],
  ['--in-cluster [boolean]', 'INFRA_AGENT_IN_CLUSTER', 'access by the service account of the pod', boolean],
  ['--service-cidrs <cidr,...>', 'INFRA_AGENT_SERVICE_CIDRS', 'ranges of service addresses', list],
  ['--pod-cidrs <cidr,...>', 'INFRA_AGENT_POD_CIDRS', "ranges of the node's pods", list],
  ['--host-addresses <ip,...>', 'INFRA_AGENT_HOST_ADDRESSES', 'addresses of the host interface', list],
  [
    '--monitoring-address <host:port>',
    'INFRA_AGENT_MONITORING_ADDRESS',
    '/metrics, /healthz, /readyz, /check',
  ],
  [
    '--healthz-address <host:port>',
    'INFRA_AGENT_HEALTHZ_ADDRESS',
    '/healthz for load balancers, e.g. 0.0.0.0:10256',
  ],
  [
    '--logLevel, --log-level <level>',
    'INFRA_AGENT_LOG_LEVEL',
    'for all modules: fatal error warn info debug trace silent',
  ],
];

/** The options of the command line. */
export function flagOptions(): Option[] {
  return table.map(([flags, env, description, parse]) => {
    const option = new Option(flags, description);
    if (env !== undefined) option.env(env);
    if (parse !== undefined) option.argParser(parse);
    // Given without a value.
    return parse === boolean ? option.preset('true') : option;
  });
}

/** What flags and environment say, as settings for `loadConfig`. */
export function settingsOf(flags: Flags): Readonly<Record<string, unknown>> {
  const {
    config: _,
    hostAddresses,
    kubeconfig,
    kubeContext: context,
    inCluster,
    calico,
    ...settings
  } = flags;
  const usesApi = inCluster === true || kubeconfig !== undefined || context !== undefined;
  return {
    ...settings,
    kubernetes: usesApi
      ? { ...(kubeconfig && { kubeconfig: resolve(kubeconfig) }), ...(context && { context }) }
      : undefined,
    calico: typeof calico === 'string' ? { listen: calico } : calico && {},
    hostInterface: hostAddresses && { addresses: hostAddresses },
  };
}
