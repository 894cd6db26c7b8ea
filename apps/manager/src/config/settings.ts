import { parseInteger, type SettingOption } from '@infra-offload/service';

/** Settings that a flag or an environment variable may have, too. */
export const SETTINGS: readonly SettingOption[] = [
  {
    path: 'listen',
    flags: '--listen <host:port>',
    env: 'INFRA_MANAGER_LISTEN',
    description: 'address for agents and operators',
  },
  {
    path: 'target.p4runtimeAddress',
    flags: '--p4runtime <host:port>',
    env: 'INFRA_MANAGER_P4RUNTIME',
    description: 'P4Runtime address of the target',
  },
  {
    path: 'target.gnmiAddress',
    flags: '--gnmi <host:port>',
    env: 'INFRA_MANAGER_GNMI',
    description: 'gNMI address of the target',
  },
  {
    path: 'target.deviceId',
    flags: '--device-id <number>',
    env: 'INFRA_MANAGER_DEVICE_ID',
    description: 'P4Runtime device id',
    parse: parseInteger,
  },
  {
    path: 'tls.mode',
    flags: '--tls-mode <mode>',
    env: 'INFRA_MANAGER_TLS_MODE',
    description: 'TLS for agents and operators: mtls, tls or insecure',
  },
  {
    path: 'tls.cert',
    flags: '--tls-cert <file>',
    env: 'INFRA_MANAGER_TLS_CERT',
    description: 'certificate for agents and operators, PEM',
  },
  {
    path: 'tls.key',
    flags: '--tls-key <file>',
    env: 'INFRA_MANAGER_TLS_KEY',
    description: 'its private key, PEM',
  },
  {
    path: 'tls.ca',
    flags: '--tls-ca <file>',
    env: 'INFRA_MANAGER_TLS_CA',
    description: 'authorities that sign agents and operators, PEM',
  },
  {
    path: 'target.p4runtimeTls.mode',
    flags: '--p4runtime-tls-mode <mode>',
    env: 'INFRA_MANAGER_P4RUNTIME_TLS_MODE',
    description: 'TLS to P4Runtime: mtls, tls or insecure',
  },
  {
    path: 'target.gnmiTls.mode',
    flags: '--gnmi-tls-mode <mode>',
    env: 'INFRA_MANAGER_GNMI_TLS_MODE',
    description: 'TLS to gNMI: mtls, tls or insecure',
  },
  {
    path: 'interfaceType',
    flags: '--interface-type <type>',
    env: 'INFRA_MANAGER_INTERFACE_TYPE',
    description: 'kind of pod interfaces: tap, ipvlan, sriov or cdq',
  },
  {
    path: 'stateDirectory',
    flags: '--state-directory <path>',
    env: 'INFRA_MANAGER_STATE_DIRECTORY',
    description: 'directory where the wanted state is stored',
  },
  {
    path: 'monitoring.listen',
    flags: '--monitoring-listen <host:port>',
    env: 'INFRA_MANAGER_MONITORING_LISTEN',
    description: 'address of /metrics, /healthz and /readyz, or off',
  },
  {
    path: 'log.level',
    flags: '--log-level <level>',
    env: 'INFRA_MANAGER_LOG_LEVEL',
    description: 'level for all modules: fatal, error, warn, info, debug, trace or silent',
  },
];
