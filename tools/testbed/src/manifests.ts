import { stringify } from 'yaml';

export interface ServicePort {
  readonly name?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  /** The port that the endpoints listen at; `port` if left out. */
  readonly targetPort?: number;
  readonly nodePort?: number;
}

export interface ServiceOptions {
  readonly namespace?: string;
  readonly name: string;
  readonly clusterIp: string;
  readonly ports: readonly ServicePort[];
  /** Session affinity by client address, with its timeout in seconds. */
  readonly affinitySeconds?: number;
  /** Over the rest of `spec`. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** A v1 Service. */
export function service({
  namespace = 'default',
  name,
  clusterIp,
  ports,
  affinitySeconds,
  spec,
}: ServiceOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: ['IPv4'],
      ports: ports.map(({ targetPort, ...port }) => ({
        protocol: 'TCP',
        ...port,
        targetPort: targetPort ?? port.port,
      })),
      ...(affinitySeconds === undefined
        ? {}
        : {
            sessionAffinity: 'ClientIP',
            sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } },
          }),
      ...spec,
    },
  };
}

export interface EndpointOptions {
  readonly ip: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly nodeName?: string;
}

/** The discovery.k8s.io/v1 EndpointSlice of a service. */
export function endpointSlice(
  { namespace = 'default', name, ports }: Pick<ServiceOptions, 'namespace' | 'name' | 'ports'>,
  endpoints: readonly EndpointOptions[],
): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: ports.map((port) => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.targetPort ?? port.port,
    })),
    endpoints: endpoints.map(({ ip, ready = true, serving = ready, terminating = false, nodeName }) => ({
      addresses: [ip],
      ...(nodeName === undefined ? {} : { nodeName }),
      conditions: { ready, serving, terminating },
    })),
  };
}

/** Objects as one multi-document YAML text. */
export function toYaml(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { version: '1.1' })).join('---\n');
}
