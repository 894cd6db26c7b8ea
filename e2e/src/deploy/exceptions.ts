/**
 * All that pods of deploy/ may do beyond nothing. docs/security.md explains each line; what is not here fails the tests.
 */
const installer = (name: string, ...writes: readonly string[]) => [
  `${name}: root`,
  ...writes.map((path) => `${name}: writes ${path}`),
];

const AGENT = [
  'pod: hostNetwork',
  'infraagent: root',
  'infraagent: token',
  'infraagent: probed at 127.0.0.1',
  'infraagent: capability NET_ADMIN',
  'infraagent: capability SYS_ADMIN',
  'infraagent: seccomp infra-offload/infraagent.json',
  'infraagent: reads /var/lib/cni/results',
  'infraagent: reads /var/run/netns',
  'infraagent: writes /var/lib/cni/infraagent',
  'infraagent: writes /var/run/infra-offload',
  ...installer('install-cni', '/opt/cni/bin', '/opt/infra/bin'),
  ...installer('install-seccomp-profile', '/var/lib/kubelet/seccomp/infra-offload'),
];
const WRITES_CNI_CONFIGURATION = 'infraagent: writes /etc/cni/net.d';

const MANAGER = [
  'pod: hostNetwork',
  'inframanager: probed at 127.0.0.1',
  'inframanager: writes /var/lib/infra-offload/manager',
  ...installer('own-state', '/var/lib/infra-offload/manager'),
  'own-state: capability CHOWN',
];

const TARGET = {
  'infra-softswitch': [
    'pod: hostNetwork',
    'softswitch: root',
    'softswitch: capability NET_ADMIN',
    'softswitch: probed at 127.0.0.1',
    'softswitch: writes /dev/net/tun',
    'softswitch: writes /var/run/infra-softswitch',
  ],
  'infra-dataplane': ['pod: hostNetwork', 'dataplane: root', 'dataplane: writes /var/run/infra-softswitch'],
};

const CLEANUP = [
  'pod: hostNetwork',
  'agent: capability NET_ADMIN',
  ...installer('agent', '/opt', '/etc/cni/net.d', '/var/lib'),
  'directories: capability DAC_OVERRIDE',
  ...installer('directories', '/var/lib', '/var/run'),
];

/** By folder of deploy/ and name of the DaemonSet. */
export const EXCEPTIONS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'overlays/standalone': {
    'infraagent-ds': [...AGENT, WRITES_CNI_CONFIGURATION],
    'inframanager-ds': MANAGER,
    ...TARGET,
  },
  'overlays/host': { 'infraagent-ds': AGENT, 'inframanager-ds': MANAGER, ...TARGET },
  'overlays/calico': {
    'infraagent-ds': [
      ...AGENT,
      'infraagent: writes /var/run/calico',
      ...installer('install-felix-proxy', '/var/lib/calico/felix-plugins'),
    ],
    'inframanager-ds': MANAGER,
    ...TARGET,
  },
  'overlays/split': { 'infraagent-ds': [...AGENT, WRITES_CNI_CONFIGURATION] },
  cleanup: { 'infra-offload-cleanup': CLEANUP },
};

/** What the API server finds against the level `restricted`, by name of the DaemonSet. */
export const AGAINST_RESTRICTED: Readonly<Record<string, readonly string[]>> = {
  'infraagent-ds': [
    ...['host namespaces', 'probe or lifecycle host', 'restricted volume types'],
    ...['runAsNonRoot != true', 'runAsUser=0', 'unrestricted capabilities'],
  ],
  // Two of them for the init container that gives the manager its directory.
  'inframanager-ds': [
    ...['host namespaces', 'probe or lifecycle host', 'restricted volume types'],
    ...['runAsNonRoot != true', 'runAsUser=0', 'unrestricted capabilities'],
  ],
  'infra-softswitch': [
    ...['host namespaces', 'probe or lifecycle host', 'restricted volume types'],
    ...['runAsNonRoot != true', 'runAsUser=0', 'unrestricted capabilities'],
  ],
  'infra-dataplane': [
    ...['host namespaces', 'restricted volume types', 'runAsNonRoot != true', 'runAsUser=0'],
  ],
  'infra-offload-cleanup': [
    ...['host namespaces', 'restricted volume types'],
    ...['runAsNonRoot != true', 'runAsUser=0', 'unrestricted capabilities'],
  ],
};

/** What each ServiceAccount may ask of the API server: verb, resource, and the namespace if it is only there. */
export const API_RIGHTS: Readonly<Record<string, readonly string[]>> = {
  'infraagent-sa': [
    'get configmaps/kubeadm-config in kube-system',
    ...[
      'endpointslices.discovery.k8s.io',
      'namespaces',
      'networkpolicies.networking.k8s.io',
      'nodes',
    ].flatMap((resource) => [`list ${resource}`, `watch ${resource}`]),
    ...['pods', 'servicecidrs.networking.k8s.io', 'services'].flatMap((resource) => [
      `list ${resource}`,
      `watch ${resource}`,
    ]),
  ],
  'inframanager-sa': [],
  'infra-softswitch-sa': [],
};
