import type { ServiceProcess } from '@infra-offload/testbed';
import { eventually, type Place } from '@infra-offload/testbed';
import type { Cluster } from '../cluster.js';
import type { ClusterNode } from '../node.js';
import { Load } from './load.js';

export const NAMESPACE = 'scenarios';
const ADDRESS = '10.96.77.80';
const REPLICAS = 4;
/** New connections a second. */
const RATE = 200;

/** The cluster's network: infra-offload, or what clusters have without it. */
export type Network =
  | { readonly kind: 'infra-offload' }
  | { readonly kind: 'kube-proxy'; readonly proxies: ReadonlyMap<string, ServiceProcess> };

interface ServiceChoices {
  readonly clusterIP?: string;
  readonly app?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A cluster with a service that pods of a Deployment serve, and a pod from which requests go to it. */
export class Stage {
  #client: Pick<Place, 'wrap'> | undefined;

  constructor(
    readonly cluster: Cluster,
    readonly network: Network,
    /** Name of the image `agnhost`. */
    readonly image: string,
  ) {}

  async setUp(): Promise<void> {
    const { first } = this.cluster;
    await this.kubectl(['create', 'namespace', NAMESPACE]);
    await this.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'client', namespace: NAMESPACE },
      spec: {
        // No drain makes it go.
        tolerations: [{ operator: 'Exists' }],
        nodeName: first.name,
        containers: [{ name: 'main', image: this.image, args: ['pause'] }],
        terminationGracePeriodSeconds: 0,
      },
    });
    await this.apply(this.deployment('web', REPLICAS), this.service('web', { clusterIP: ADDRESS }));
    await this.rolledOut('web');
    await this.inNamespace(['wait', '--for=condition=Ready', 'pod/client', '--timeout=110s']);
    this.#client = await podPlace(first, 'client');
  }

  /** Requests from the pod to the service. */
  load(): Load {
    return Load.start(this.client, ADDRESS, 80, RATE);
  }

  /** The network of the pod that asks. */
  get client(): Pick<Place, 'wrap'> {
    if (this.#client === undefined) throw new Error('the stage is not set up');
    return this.#client;
  }

  /** A Deployment whose pods end as well-behaved ones do: they serve on while they are drained. */
  deployment(name: string, replicas: number): object {
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: NAMESPACE },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            terminationGracePeriodSeconds: 10,
            topologySpreadConstraints: [
              {
                maxSkew: 1,
                topologyKey: 'kubernetes.io/hostname',
                whenUnsatisfiable: 'ScheduleAnyway',
                labelSelector: { matchLabels: { app: name } },
              },
            ],
            containers: [
              {
                name: 'main',
                image: this.image,
                args: ['netexec', '--delay-shutdown=5'],
                readinessProbe: { httpGet: { path: '/hostname', port: 8080 }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    };
  }

  /** @param app whose pods serve it: those of its name if left out */
  service(name: string, { clusterIP, app = name, labels = {} }: ServiceChoices = {}): object {
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: NAMESPACE, labels },
      spec: { ...(clusterIP && { clusterIP }), selector: { app }, ports: [{ port: 80, targetPort: 8080 }] },
    };
  }

  async rolledOut(deployment: string): Promise<void> {
    await this.inNamespace(['rollout', 'status', `deployment/${deployment}`, '--timeout=110s']);
  }

  async scale(replicas: number): Promise<void> {
    await this.inNamespace(['scale', 'deployment/web', `--replicas=${replicas}`]);
    await this.rolledOut('web');
  }

  /** Waits until no pod of a Deployment is there that is not wanted. */
  async settled(app: string, replicas: number): Promise<void> {
    await eventually(`${app} has ${replicas} pods`, async () => {
      const names = await this.inNamespace(['get', 'pods', '--selector', `app=${app}`, '--output=name']);
      return names.split('\n').filter(Boolean).length === replicas || undefined;
    });
  }

  kubectl(args: readonly string[]): Promise<string> {
    return this.cluster.must(args);
  }

  inNamespace(args: readonly string[]): Promise<string> {
    return this.kubectl(['--namespace', NAMESPACE, ...args]);
  }

  apply(...objects: readonly object[]): Promise<void> {
    return this.cluster.controlPlane.apply(objects);
  }

  /** As it was set up. */
  async inOrder(): Promise<void> {
    await this.cluster.nodesAreReady();
    await this.scale(REPLICAS);
    await this.settled('web', REPLICAS);
  }
}

/** The network of a pod, entered from this machine. */
async function podPlace(node: ClusterNode, pod: string): Promise<Pick<Place, 'wrap'>> {
  const [pid] = (await node.containers('io.kubernetes.pod.name', pod)).values();
  if (pid === undefined) throw new Error(`no process of pod ${pod} on ${node.name}`);
  return { wrap: (command, args) => ['nsenter', [`--net=/proc/${pid}/ns/net`, '--', command, ...args]] };
}
