import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, run } from '@infra-offload/testbed';
import { isHealthy } from '../kube-proxy.js';
import { atRest } from './rest.js';
import { NAMESPACE, type Stage } from './stage.js';

const PRODUCT = 'infra-offload';
const PODS = 60;
const SERVICES = 1_000;
/** Label of those that are made many at a time. */
const CROWD = 'crowd';
const AWAY_MS = 60_000;
/** What a change needs to arrive everywhere, with room. */
const CALM_MS = 3_000;

/** Something that happens to a cluster, while requests go from a pod to a service. */
export interface Scenario {
  readonly name: string;
  /** How many nodes it takes at least. 1 if left out. */
  readonly nodes?: number;
  /** Whether only infra-offload has what it is about. */
  readonly own?: true;
  /** Whether no requests are sent meanwhile. */
  readonly isQuiet?: true;
  /** Ends when everything is as before. @returns what to tell beside the requests */
  readonly run: (stage: Stage) => Promise<string | undefined>;
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'a minute at rest', isQuiet: true, run: (stage) => atRest(stage, 60_000) },
  {
    name: 'rolling update, twice',
    run: async (stage) => {
      for (let round = 0; round < 2; round++) {
        await stage.inNamespace(['rollout', 'restart', 'deployment/web']);
        await stage.rolledOut('web');
      }
      return undefined;
    },
  },
  {
    name: 'scaled from 4 to 1 and to 8',
    run: async (stage) => {
      for (const replicas of [1, 8]) {
        await stage.scale(replicas);
        await stage.settled('web', replicas);
      }
      return undefined;
    },
  },
  {
    name: 'scaled to zero for 5 s, and back',
    run: async (stage) => {
      await stage.scale(0);
      await stage.settled('web', 0);
      await sleep(5_000);
      await stage.scale(4);
      return 'refused while there is none';
    },
  },
  {
    name: 'pods deleted by force, one after the other',
    run: async (stage) => {
      const pods = await stage.inNamespace(['get', 'pods', '--selector=app=web', '--output=name']);
      for (const pod of pods.split('\n').filter(Boolean)) {
        await stage.inNamespace(['delete', pod, '--force', '--grace-period=0']);
        await stage.rolledOut('web');
      }
      return undefined;
    },
  },
  {
    name: 'drain of a node, and back',
    nodes: 2,
    run: async (stage) => {
      const node = stage.cluster.nodes[1]?.name ?? '';
      await stage.kubectl(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--force']);
      await stage.rolledOut('web');
      await stage.kubectl(['uncordon', node]);
      await stage.inNamespace(['rollout', 'restart', 'deployment/web']);
      await stage.rolledOut('web');
      return undefined;
    },
  },
  {
    name: `${PODS} pods at once, three times`,
    run: async (stage) => {
      const seconds: string[] = [];
      for (let round = 0; round < 3; round++) {
        const started = performance.now();
        await stage.apply(stage.deployment('many', PODS));
        await stage.rolledOut('many');
        seconds.push(((performance.now() - started) / 1000).toFixed(0));
        await stage.inNamespace(['delete', 'deployment/many']);
        await stage.settled('many', 0);
      }
      return `ready after ${seconds.join(', ')} s`;
    },
  },
  {
    name: 'a namespace with pods, services and policies is deleted',
    run: async (stage) => {
      const namespace = 'short-lived';
      await stage.kubectl(['create', 'namespace', namespace]);
      const moved = (object: object) => ({ ...object, metadata: { name: 'many', namespace } });
      await stage.apply(moved(stage.deployment('many', 10)), moved(stage.service('many')), {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'deny', namespace },
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      });
      await stage.kubectl([
        '--namespace',
        namespace,
        'rollout',
        'status',
        'deployment/many',
        '--timeout=110s',
      ]);
      await stage.kubectl(['delete', 'namespace', namespace, '--wait']);
      return undefined;
    },
  },
  {
    name: 'kubelet restarts on all nodes',
    run: async ({ cluster }) => {
      for (const node of cluster.nodes) await node.restart('kubelet');
      await cluster.nodesAreReady();
      await sleep(CALM_MS);
      return undefined;
    },
  },
  {
    name: 'containerd restarts on all nodes',
    run: async ({ cluster }) => {
      for (const node of cluster.nodes) await node.restart('containerd');
      await cluster.nodesAreReady();
      await sleep(CALM_MS);
      return undefined;
    },
  },
  {
    name: 'kube-proxy, or infra-agent, restarts on all nodes',
    run: async (stage) => {
      const { network, cluster } = stage;
      if (network.kind === PRODUCT) return replaced(stage, 'infraagent');
      for (const node of cluster.nodes) {
        const proxy = network.proxies.get(node.name);
        await proxy?.stop('SIGKILL');
        await proxy?.start(() => isHealthy(node));
      }
      await sleep(CALM_MS);
      return undefined;
    },
  },
  { name: 'infra-manager restarts on all nodes', own: true, run: (stage) => replaced(stage, 'inframanager') },
  {
    name: 'the softswitch restarts on all nodes',
    own: true,
    run: (stage) => replaced(stage, 'infra-softswitch'),
  },
  {
    name: 'the data plane restarts on all nodes',
    own: true,
    run: (stage) => replaced(stage, 'infra-dataplane'),
  },
  {
    name: 'agent, manager and softswitch are upgraded',
    own: true,
    run: async (stage) => {
      const inProduct = ['--namespace', PRODUCT, 'rollout'];
      const sets = ['infraagent-ds', 'inframanager-ds', 'infra-softswitch'].map((set) => `daemonset/${set}`);
      await stage.kubectl([...inProduct, 'restart', ...sets]);
      for (const set of sets) await stage.kubectl([...inProduct, 'status', set, '--timeout=110s']);
      await sleep(CALM_MS);
      return undefined;
    },
  },
  {
    name: `the API server is away for ${AWAY_MS / 1000} s`,
    run: async (stage) => {
      await stage.cluster.controlPlane.withoutApiServer(() => sleep(AWAY_MS));
      const started = performance.now();
      await stage.scale(2);
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      return `a change is in force ${seconds} s after its return`;
    },
  },
  {
    name: 'etcd is restored to an older revision',
    run: async (stage) => {
      const restore = await stage.cluster.controlPlane.backUp();
      await stage.apply(stage.service('later', { app: 'web' }));
      await stage.scale(6);
      await restore();
      await stage.rolledOut('web');
      await stage.settled('web', 4);
      return undefined;
    },
  },
  {
    name: `${SERVICES} more services`,
    run: async (stage) => {
      const names = Array.from({ length: SERVICES }, (_, i) => `service-${i + 1}`);
      const started = performance.now();
      await stage.apply(...names.map((name) => stage.service(name, { app: 'web', labels: { [CROWD]: '' } })));
      const last = await stage.inNamespace([
        'get',
        'service',
        `${names.at(-1)}`,
        '--output=jsonpath={.spec.clusterIP}',
      ]);
      await eventually('the last of them is served', async () => {
        const url = `http://${last}/hostname`;
        const fetched = await run(
          ...stage.client.wrap('curl', ['--silent', '--fail', '--max-time', '1', url]),
        );
        return fetched.code === 0 || undefined;
      });
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      await stage.kubectl([
        'delete',
        '--raw',
        `/api/v1/namespaces/${NAMESPACE}/services?labelSelector=${CROWD}`,
      ]);
      return `all served ${seconds} s after they were applied`;
    },
  },
];

/** Has the pods of a DaemonSet replaced, one after the other. */
async function replaced(stage: Stage, set: string): Promise<undefined> {
  const inProduct = ['--namespace', PRODUCT];
  for (const { name } of stage.cluster.nodes) {
    const pods = [`--selector=app.kubernetes.io/name=${set}`, `--field-selector=spec.nodeName=${name}`];
    await stage.kubectl([...inProduct, 'delete', 'pod', ...pods, '--wait']);
    await eventually(`${set} is ready on ${name}`, async () => {
      const wait = ['wait', '--for=condition=Ready', '--timeout=5s', 'pod', ...pods];
      return (await stage.cluster.kubectl([...inProduct, ...wait])).code === 0 || undefined;
    });
    await sleep(CALM_MS);
  }
  return undefined;
}

/** The scenarios that apply to a cluster, of those whose names match. */
export function scenariosFor(stage: Stage, wanted: RegExp): readonly Scenario[] {
  return SCENARIOS.filter(
    ({ name, nodes = 1, own = false }) =>
      wanted.test(name) && nodes <= stage.cluster.nodes.length && (!own || stage.network.kind === PRODUCT),
  );
}
