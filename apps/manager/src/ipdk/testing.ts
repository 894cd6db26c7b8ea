import { credentials, type ServiceError } from '@grpc/grpc-js';
import { infra } from '@infra-offload/infra-api';

type Done<Reply> = (error: ServiceError | null, reply: Reply) => void;

/** Plays an IPDK agent over gRPC. Calls fail only when the manager answers with a gRPC error. */
export class TestIpdkAgent {
  readonly client: infra.InfraAgentClient;

  constructor(address: string) {
    this.client = new infra.InfraAgentClient(address, credentials.createInsecure());
  }

  createNetwork(request: infra.CreateNetworkRequest) {
    return unary((done: Done<AddReply>) => this.client.createNetwork(request, done));
  }

  deleteNetwork(request: Partial<infra.DeleteNetworkRequest>) {
    const full = { delRequest: undefined, hostIfName: '', macAddr: '', ipv4Addr: '', ...request };
    return unary((done: Done<infra.Reply>) => this.client.deleteNetwork(full, done));
  }

  setupHostInterface(more: Partial<infra.SetupHostInterfaceRequest> = {}) {
    const request = { ifName: 'mem0', ipv4Addr: '200.1.1.2/32', macAddr: '02:00:00:00:00:01', ...more };
    return unary((done: Done<infra.Reply>) => this.client.setupHostInterface(request, done));
  }

  addTranslation(request: infra.NatTranslation) {
    return unary((done: Done<infra.Reply>) => this.client.natTranslationAdd(request, done));
  }

  deleteTranslation(request: infra.NatTranslation) {
    return unary((done: Done<infra.Reply>) => this.client.natTranslationDelete(request, done));
  }

  close(): void {
    this.client.close();
  }
}

type AddReply = ReturnType<infra.InfraAgentService['createNetwork']['responseDeserialize']>;

/** Waits for the answer to a call. */
export function unary<Reply>(call: (done: Done<Reply>) => unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    call((error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

export const DONE = { successful: true, errorMessage: '' };

/** What CNI asked of the agent for pod number `i`, as the agent passes it on. */
export function addRequest(i: number): NonNullable<infra.CreateNetworkRequest['addRequest']> {
  return {
    interfaceName: 'eth0',
    netns: `/var/run/netns/cni-${i}`,
    desiredHostInterfaceName: `mem${i}`,
    settings: { allowIpForwarding: false, mtu: 1500 },
    containerIps: [{ address: `10.244.1.${i}/32`, gateway: '' }],
    containerRoutes: ['0.0.0.0/0'],
    workload: {
      name: '',
      namespace: 'default',
      labels: { app: 'web' },
      annotations: {},
      endpoint: 'eth0',
      node: 'node-1',
      orchestrator: 'k8s',
      pod: `pod-${i}`,
      ports: [],
    },
  };
}

/** CreateNetwork for pod number `i`: interface `mem<i>`, address 10.244.1.`i`. */
export function network(
  i: number,
  more: Partial<infra.CreateNetworkRequest> = {},
): infra.CreateNetworkRequest {
  return {
    addRequest: addRequest(i),
    hostIfName: `mem${i}`,
    macAddr: `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`,
    ...more,
  };
}

/** DeleteNetwork for pod number `i`, as an IPDK agent sends it. */
export function release(i: number): infra.DeleteNetworkRequest {
  const { hostIfName, macAddr } = network(i);
  const delRequest = { interfaceName: 'eth0', netns: `/var/run/netns/cni-${i}` };
  return { delRequest, hostIfName, macAddr, ipv4Addr: `10.244.1.${i}/32` };
}

/** `10.96.0.10:80` to endpoints of the same form. */
export function translation(
  frontend: string,
  endpoints: readonly string[],
  more: Partial<infra.NatTranslation> = {},
): infra.NatTranslation {
  return {
    endpoint: natEndpoint(frontend),
    proto: 'TCP',
    isRealIp: false,
    backends: endpoints.map((text) => ({ dstEp: natEndpoint(text), srcEp: undefined })),
    ...more,
  };
}

function natEndpoint(text: string): infra.NatEndpoint {
  const [ipv4Addr = '', port = ''] = text.split(':');
  return { ipv4Addr, port: Number(port) };
}
