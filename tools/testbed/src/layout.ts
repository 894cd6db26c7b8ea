import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatIPv4, POD_GATEWAY } from '@infra-offload/net';
import { filesOf, type IdentityFiles, LEAVES, type Role } from '@infra-offload/tls-certs';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** The built programs that the testbed runs. */
export const programs = {
  softswitch: join(repository, 'packages/softswitch/dist/cli.js'),
  swxHost: join(repository, 'tools/swx-host/build/swx-host'),
  manager: join(repository, 'apps/manager/dist/cli.js'),
  agent: join(repository, 'apps/agent/dist/cli.js'),
  cni: join(repository, 'apps/agent/dist/infra-cni.js'),
  infractl: join(repository, 'tools/infractl/dist/cli.js'),
  demo: join(repository, 'tools/demo/dist/main.js'),
  apiServer: join(repository, 'packages/k8s-watch/dist/fake-apiserver.js'),
  relay: join(repository, 'tools/testbed/dist/relay.js'),
  pod: join(repository, 'tools/testbed/dist/pod-main.js'),
} as const;

/** Addresses inside the node's namespace. They never meet those of the machine. */
export const ADDRESSES = {
  p4runtime: '127.0.0.1:9559',
  gnmi: '127.0.0.1:9339',
  manager: '127.0.0.1:50002',
  managerHttp: '127.0.0.1:50003',
  agentHttp: '127.0.0.1:50096',
  apiServer: '127.0.0.1:6443',
} as const;

export const POD_CIDR = '10.244.0.0/24';
export const SERVICE_CIDR = '10.96.0.0/16';
export const HOST_ADDRESS = '172.31.255.1';
export const TAP_PREFIX = 'P4TAP_';

/** Who answers ARP for the pods' gateway where the pipeline does not: a namespace of its own, as IPDK has it. */
export const ARP_PROXY = {
  interfaceName: `${TAP_PREFIX}1`,
  mac: '02:00:a9:fe:01:01',
  address: `${formatIPv4(POD_GATEWAY)}/16`,
} as const;

/** Folders and files of one testbed. */
export class Layout {
  readonly manifests: string;
  readonly logs: string;
  /** The tree of `tls-certs create`. */
  readonly certificates: string;
  readonly cniSocket: string;
  readonly kubeconfig: string;
  /** Where host-local keeps its leases. */
  readonly leases: string;
  /** Unix socket through which the manager is reached from outside the node's namespace. */
  readonly managerSocket: string;
  /** Where softswitch and data plane meet. */
  readonly runDirectory: string;

  constructor(readonly directory: string) {
    this.manifests = join(directory, 'manifests');
    this.logs = join(directory, 'logs');
    this.certificates = join(directory, 'certs');
    this.cniSocket = join(directory, 'cni.sock');
    this.kubeconfig = join(directory, 'kubeconfig');
    this.leases = join(directory, 'leases');
    this.managerSocket = join(directory, 'manager.sock');
    this.runDirectory = join(directory, 'run');
  }

  /** Files of the certificate of a role. */
  identity(role: Role): IdentityFiles {
    const leaf = LEAVES.find((candidate) => candidate.role === role);
    if (leaf === undefined) throw new Error(`there is no certificate for the role ${role}`);
    return filesOf(this.certificates, leaf);
  }

  log(name: string): string {
    return join(this.logs, `${name}.log`);
  }

  config(name: string): string {
    return join(this.directory, `${name}.yaml`);
  }

  state(name: string): string {
    return join(this.directory, `${name}-state`);
  }
}
