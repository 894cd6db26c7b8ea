import { stringify } from 'yaml';
import {
  ADDRESSES,
  ARP_PROXY,
  HOST_ADDRESS,
  type Layout,
  POD_CIDR,
  programs,
  SERVICE_CIDR,
  TAP_PREFIX,
} from './layout.js';

/** Name of the CNI network. */
export const NETWORK_NAME = 'pods';

/** What runs the pipeline: the softswitch's own engine, or DPDK. */
export type Dataplane = 'engine' | 'dpdk';

export function softswitchConfig(layout: Layout, tapCount: number, dataplane: Dataplane): string {
  return toYaml({
    dataplane,
    ...(dataplane === 'dpdk' ? { dpdk: dpdkSettings() } : {}),
    p4runtime: ADDRESSES.p4runtime,
    gnmi: ADDRESSES.gnmi,
    taps: { prefix: TAP_PREFIX, count: tapCount },
    runDirectory: layout.runDirectory,
    tls: layout.identity('target'),
  });
}

/** With huge pages if there are so many MB of them for it, and interpreted if so asked: `make test` tells. */
function dpdkSettings(): object {
  const { DPDK_HUGEPAGES_MB, DPDK_INTERPRETED } = process.env;
  return {
    host: programs.swxHost,
    ...(DPDK_HUGEPAGES_MB ? { hugepages: true, memoryMb: Number(DPDK_HUGEPAGES_MB) } : {}),
    ...(DPDK_INTERPRETED ? { compile: false } : {}),
  };
}

/** The P4 program, and with it the driver of the manager. */
export type PipelineKind = 'dpdk' | 'es2k';

export interface ManagerSettings {
  readonly dataPlane?: Readonly<Record<string, unknown>> | undefined;
  readonly pipeline?: PipelineKind | undefined;
}

export function managerConfig(layout: Layout, { dataPlane, pipeline = 'dpdk' }: ManagerSettings): string {
  return toYaml({
    listen: ADDRESSES.manager,
    tls: layout.identity('manager'),
    target: {
      p4runtimeAddress: ADDRESSES.p4runtime,
      p4runtimeTls: layout.identity('controller'),
      gnmiAddress: ADDRESSES.gnmi,
      gnmiTls: layout.identity('controller'),
    },
    stateDirectory: layout.state('manager'),
    monitoring: { listen: ADDRESSES.managerHttp },
    pipeline: { kind: pipeline },
    dataPlane: {
      ...dataPlane,
      ...(pipeline === 'es2k'
        ? { arpProxyInterface: ARP_PROXY.interfaceName, gatewayMac: ARP_PROXY.mac }
        : {}),
    },
  });
}

/** Where the agent learns of services: files that it reads itself, or a Kubernetes API server. */
export type ServiceSource = 'manifests' | 'api';

/** @param settings go over these; undefined takes one away. */
export function agentConfig(layout: Layout, source: ServiceSource, settings: object = {}): string {
  return toYaml({
    nodeName: 'node-1',
    managerAddress: ADDRESSES.manager,
    tls: layout.identity('agent'),
    tapPrefix: TAP_PREFIX,
    cniSocket: layout.cniSocket,
    stateDirectory: layout.state('agent'),
    ...(source === 'api'
      ? { kubernetes: { kubeconfig: layout.kubeconfig } }
      : { manifestsDirectory: layout.manifests }),
    serviceCidrs: [SERVICE_CIDR],
    podCidrs: [POD_CIDR],
    hostInterface: { addresses: [HOST_ADDRESS] },
    monitoring: { listen: ADDRESSES.agentHttp },
    ...settings,
  });
}

/** YAML in which no string looks like a value of YAML 1.1, as `off` would. */
function toYaml(settings: object): string {
  return stringify(settings, { version: '1.1' });
}

/** What a container runtime hands to infra-cni. The host-local of Debian 12 knows CNI up to 1.0.0. */
export function cniConfig(layout: Layout, podCidr: string, ip?: string): object {
  return {
    cniVersion: '1.0.0',
    name: NETWORK_NAME,
    type: 'infra-cni',
    socket: layout.cniSocket,
    ipam: { type: 'host-local', dataDir: layout.leases, ranges: [[{ subnet: podCidr }]] },
    ...(ip === undefined ? {} : { args: { cni: { ips: [ip] } } }),
  };
}
