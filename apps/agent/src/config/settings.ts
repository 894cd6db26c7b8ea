import { resolve } from 'node:path';
import {
  type Parser,
  parseBoolean,
  parseInteger,
  parseList,
  type SettingOption,
} from '@infra-offload/service';

/** `--calico` takes the default address. */
const parseCalico: Parser = (text) => (text === 'true' ? {} : { listen: text });
const parseInCluster: Parser = (text) => (parseBoolean(text) === true ? {} : undefined);

const OURS: readonly SettingOption[] = [
  {
    path: 'nodeName',
    flags: '--node-name <name>',
    env: 'NODE_NAME',
    description: 'name of the node (default: the host name)',
  },
  {
    path: 'managerAddress',
    flags: '--manager-address <host:port>',
    env: 'INFRA_AGENT_MANAGER_ADDRESS',
    description: 'address of infra-manager',
  },
  {
    path: 'tls.mode',
    flags: '--tls-mode <mode>',
    env: 'INFRA_AGENT_TLS_MODE',
    description: 'TLS to infra-manager: mtls, tls (without a certificate of the agent) or insecure',
  },
  {
    path: 'tls.cert',
    flags: '--tls-cert <file>',
    env: 'INFRA_AGENT_TLS_CERT',
    description: 'certificate for infra-manager, PEM',
  },
  {
    path: 'tls.key',
    flags: '--tls-key <file>',
    env: 'INFRA_AGENT_TLS_KEY',
    description: 'its private key, PEM',
  },
  {
    path: 'tls.ca',
    flags: '--tls-ca <file>',
    env: 'INFRA_AGENT_TLS_CA',
    description:
      "authorities of infra-manager's certificate, PEM; all three are in /etc/pki/infraagent/client",
  },
  {
    path: 'interfaceType',
    flags: '--interfaceType, --interface-type <type>',
    env: 'INFRA_AGENT_INTERFACE_TYPE',
    description: 'kind of pod interfaces: tap, ipvlan, sriov or cdq',
  },
  {
    path: 'interface',
    flags: '--interface <name>',
    env: 'INFRA_AGENT_INTERFACE',
    description: 'master of ipvlan, physical function of sriov and cdq',
  },
  {
    path: 'tapPrefix',
    flags: '--tapPrefix, --tap-prefix <prefix>',
    env: 'INFRA_AGENT_TAP_PREFIX',
    description: "prefix of the names of the target's TAP interfaces",
  },
  {
    path: 'mtu',
    flags: '--hostIfaceMTU, --mtu <bytes>',
    env: 'INFRA_AGENT_MTU',
    description: 'MTU of pods and of the host interface',
    parse: parseInteger,
  },
  {
    path: 'cniSocket',
    flags: '--cni-socket <path>',
    env: 'INFRA_AGENT_CNI_SOCKET',
    description: 'unix socket for infra-cni',
  },
  {
    path: 'stateDirectory',
    flags: '--state-directory <path>',
    env: 'INFRA_AGENT_STATE_DIRECTORY',
    description: 'directory where attachments are stored',
  },
  {
    path: 'calico',
    flags: '--calico [address]',
    env: 'INFRA_AGENT_CALICO',
    description: 'serve Calico (default address: unix:///var/run/calico/cni-server.sock)',
    parse: parseCalico,
  },
  {
    path: 'services',
    flags: '--services [boolean]',
    env: 'INFRA_AGENT_SERVICES',
    description: 'take services from the Kubernetes API',
    parse: parseBoolean,
  },
  {
    path: 'networkPolicy',
    flags: '--network-policy <source>',
    env: 'INFRA_AGENT_NETWORK_POLICY',
    description: 'where network policies come from: kubernetes, felix or off',
  },
  {
    path: 'manifestsDirectory',
    flags: '--manifests-directory <path>',
    env: 'INFRA_AGENT_MANIFESTS_DIRECTORY',
    description: 'take services from the manifests in this directory',
  },
  {
    path: 'kubernetes.kubeconfig',
    flags: '--kubeconfig <file>',
    env: 'INFRA_AGENT_KUBECONFIG',
    description: 'kubeconfig for the Kubernetes API',
    parse: (file) => resolve(file),
  },
  {
    path: 'kubernetes.context',
    flags: '--kube-context <name>',
    env: 'INFRA_AGENT_KUBE_CONTEXT',
    description: 'context of the kubeconfig, instead of its current one',
  },
  {
    path: 'kubernetes',
    flags: '--in-cluster [boolean]',
    env: 'INFRA_AGENT_IN_CLUSTER',
    description: "use the pod's service account for the Kubernetes API",
    parse: parseInCluster,
  },
  {
    path: 'serviceCidrs',
    flags: '--service-cidrs <cidr,...>',
    env: 'INFRA_AGENT_SERVICE_CIDRS',
    description: 'ranges of service addresses',
    parse: parseList,
  },
  {
    path: 'podCidrs',
    flags: '--pod-cidrs <cidr,...>',
    env: 'INFRA_AGENT_POD_CIDRS',
    description: "ranges of the addresses of the node's pods",
    parse: parseList,
  },
  {
    path: 'hostInterface.addresses',
    flags: '--host-addresses <ip,...>',
    env: 'INFRA_AGENT_HOST_ADDRESSES',
    description: 'addresses of the host interface',
    parse: parseList,
  },
  {
    path: 'monitoring.listen',
    flags: '--monitoring-listen <host:port>',
    env: 'INFRA_AGENT_MONITORING_LISTEN',
    description: 'address of /metrics, /healthz, /readyz and /check, or off',
  },
  {
    path: 'healthzAddress',
    flags: '--healthz-address <host:port>',
    env: 'INFRA_AGENT_HEALTHZ_ADDRESS',
    description: 'address of /healthz for load balancers, e.g. 0.0.0.0:10256',
  },
];

/** Those of IPDK's agent, by its names: see `translateIpdkNames`. */
const IPDK: readonly SettingOption[] = [
  {
    path: 'managerAddr',
    flags: '--managerAddr <host>',
    description: 'host of infra-manager',
  },
  {
    path: 'managerPort',
    flags: '--managerPort <port>',
    description: 'port of infra-manager',
    parse: parseInteger,
  },
  {
    path: 'insecure',
    flags: '--insecure [boolean]',
    env: 'INFRA_AGENT_INSECURE',
    description: 'connect to infra-manager without TLS',
    parse: parseBoolean,
  },
  {
    path: 'mtls',
    flags: '--mtls [boolean]',
    env: 'INFRA_AGENT_MTLS',
    description: 'mutual TLS to infra-manager; if false, without a certificate of the agent',
    parse: parseBoolean,
  },
  {
    path: 'clientCert',
    flags: '--clientCert <file>',
    description: 'certificate for infra-manager, PEM',
  },
  {
    path: 'clientKey',
    flags: '--clientKey <file>',
    description: 'its private key, PEM',
  },
  {
    path: 'caCert',
    flags: '--caCert <file>',
    description: "authorities of infra-manager's certificate, PEM",
  },
  {
    path: 'policy',
    flags: '--policy [boolean]',
    env: 'INFRA_AGENT_POLICY',
    description: 'whether network policies come from Felix; if false, there are none',
    parse: parseBoolean,
  },
  {
    path: 'logLevel',
    flags: '--logLevel, --log-level <level>',
    env: 'INFRA_AGENT_LOG_LEVEL',
    description: 'level for all modules: fatal, error, warn, info, debug, trace or silent',
  },
];

/** Settings that a flag or an environment variable may have, too. */
export const SETTINGS: readonly SettingOption[] = [...OURS, ...IPDK];
