import { ObjectKind, ObjectState } from '@infra-offload/infra-api';
import {
  addServers,
  eventually,
  SERVICE_CIDR,
  type ServiceOptions,
  scaleService,
  type Testbed,
  type TestPod,
} from '@infra-offload/testbed';

/** What the demo shows at its end. */
export interface Summary {
  readonly pods: readonly { readonly name: string; readonly ip: string; readonly addMs: number }[];
  readonly service: ServiceOptions;
  /** New connections by endpoint, one row a phase and protocol. */
  readonly spreads: readonly SpreadRow[];
  readonly tables: ReadonlyMap<string, { readonly entries: number; readonly size: number }>;
  readonly timings: readonly { readonly what: string; readonly ms: number }[];
  /** What did not go as it should; empty when all is well. */
  readonly failures: readonly string[];
}

export interface SpreadRow {
  readonly phase: string;
  readonly protocol: 'tcp' | 'udp';
  readonly servers: Readonly<Record<string, number>>;
  readonly failed: number;
}

const CONNECTIONS = 60;
const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: SERVICE_CIDR.replace('0.0/16', '0.10'),
  ports: [
    { name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 },
    { name: 'dns', protocol: 'UDP', port: 53, targetPort: 5353 },
  ],
};
const TCP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;
const UDP = { protocol: 'udp', address: WEB.clusterIp, port: 53 } as const;

/** Web pods take TCP from pods with the label role: client, and nothing else. */
const ALLOW_CLIENT_TCP = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace: 'default', name: 'web' },
  spec: {
    podSelector: { matchLabels: { role: 'web' } },
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { role: 'client' } } }],
        ports: [{ protocol: 'TCP', port: 8080 }],
      },
    ],
  },
};

/** The v1 Pod of a pod, for its labels. */
function podObject({ podNamespace, podName, ip }: TestPod): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: podNamespace, name: podName, labels: { role: podName.replace(/-.*/, '') } },
    spec: { containers: [] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}

/** Pods, a service, traffic, scaling down and up, a policy, a restart of the manager: with real packets. */
export async function runScenario(testbed: Testbed, say: (step: string) => void): Promise<Summary> {
  const failures: string[] = [];
  const timings: { what: string; ms: number }[] = [];
  const spreads: SpreadRow[] = [];
  const expect = (condition: boolean, what: string) => {
    if (!condition) failures.push(what);
  };

  const client = await testbed.addPod('client');
  const webs = await addServers(testbed, WEB, ['web-1', 'web-2', 'web-3']);
  const pods = [client, ...webs];
  say(`attached ${pods.map((pod) => `${pod.name} (${pod.ip})`).join(', ')} through CNI`);

  /** Applies the service with these endpoints and waits until the data plane has it. */
  const scale = async (endpoints: readonly TestPod[], what: string) => {
    const applied = performance.now();
    await scaleService(testbed, WEB, endpoints);
    timings.push({ what, ms: performance.now() - applied });
  };

  /** New connections over TCP and UDP; every one has to reach one of these pods. */
  const spread = async (phase: string, expected: readonly TestPod[]) => {
    for (const target of [TCP, UDP]) {
      const { servers, failures: failed, clientAddresses } = await client.process.spread(target, CONNECTIONS);
      const names = expected.map((pod) => pod.name);
      const count = Object.values(failed).reduce((sum, value) => sum + value, 0);
      spreads.push({ phase, protocol: target.protocol, servers, failed: count });
      expect(
        count === 0,
        `${phase}, ${target.protocol}: ${count} connections failed: ${Object.keys(failed).join(', ')}`,
      );
      expect(
        names.every((name) => (servers[name] ?? 0) > 0) &&
          Object.keys(servers).every((name) => names.includes(name)),
        `${phase}, ${target.protocol}: expected connections at ${names.join(', ')}, found ${JSON.stringify(servers)}`,
      );
      expect(
        clientAddresses.length === 1 && clientAddresses[0] === client.ip,
        `${phase}, ${target.protocol}: the servers saw ${clientAddresses.join(', ')} instead of the client's address`,
      );
    }
  };

  await scale(webs, 'manifest with 3 endpoints applied to programmed');
  say(`applied Service web (${WEB.clusterIp}) with 3 endpoints`);
  await spread('3 endpoints', webs);
  say(`made ${CONNECTIONS} TCP and ${CONNECTIONS} UDP connections`);

  const held = new Map<string, string>();
  for (let index = 0; held.size < webs.length && index < 200; index++) {
    const connection = `held-${index}`;
    const { server } = await client.process.open(connection, TCP);
    if (held.has(server)) await client.process.close(connection);
    else held.set(server, connection);
  }
  expect(held.size === webs.length, `held connections reach ${[...held.keys()].join(', ')} only`);
  const checkHeld = async (phase: string) => {
    for (const [server, connection] of held) {
      const answer = await client.process
        .ask(connection)
        .catch((error: Error) => ({ server: error.message }));
      expect(answer.server === server, `${phase}: the connection to ${server} answered ${answer.server}`);
    }
  };
  say('opened a TCP connection to each endpoint and kept it');

  await scale(webs.slice(0, 2), 'scale down to 2 endpoints');
  await spread('2 endpoints', webs.slice(0, 2));
  await checkHeld('scaled down');
  say('scaled down to 2: new connections follow, the established ones live');

  await scale(webs, 'scale up to 3 endpoints');
  await spread('3 again', webs);
  await checkHeld('scaled up');
  say('scaled up to 3: new connections follow, the established ones live');

  const policed = performance.now();
  testbed.apply('pods.yaml', pods.map(podObject));
  testbed.apply('policy.yaml', [ALLOW_CLIENT_TCP]);
  await eventually('the policy is in force', async () => {
    const { objects } = await testbed.client.status(true);
    const isolated = objects.filter(
      ({ object, state }) =>
        object?.kind === ObjectKind.OBJECT_KIND_POD_ISOLATION &&
        state === ObjectState.OBJECT_STATE_PROGRAMMED,
    );
    return isolated.length === webs.length || undefined;
  });
  timings.push({ what: 'NetworkPolicy applied to programmed', ms: performance.now() - policed });
  const [tcp, udp, other] = await Promise.all([
    client.process.spread(TCP, webs.length, 1_000),
    client.process.spread(UDP, webs.length, 1_000),
    webs[0]?.process.spread({ ...TCP, address: webs[1]?.ip ?? '', port: 8080 }, 1, 1_000),
  ]);
  expect(Object.keys(tcp.failures).length === 0, 'the policy allows TCP from the client, and it was denied');
  expect(Object.keys(udp.servers).length === 0, 'the policy denies UDP from the client, and it was answered');
  expect(Object.keys(other?.servers ?? {}).length === 0, 'the policy denies web-1, and web-2 answered it');
  await checkHeld('policy applied');
  say(
    'applied a NetworkPolicy: TCP from the client passes, UDP and other pods are dropped, established connections live',
  );

  const restarted = performance.now();
  await testbed.manager.stop();
  await testbed.startManager();
  await testbed.inSync();
  timings.push({ what: 'restart of infra-manager until in sync', ms: performance.now() - restarted });
  const { target } = await testbed.client.status();
  expect(
    target?.updatesWritten === 0n,
    `the restarted manager wrote ${target?.updatesWritten} entries; expected none`,
  );
  await checkHeld('manager restarted');
  say(`restarted infra-manager: ${target?.updatesWritten} entries written, the established connections live`);

  const { tables } = await testbed.client.status();
  return {
    pods: pods.map(({ name, ip, addMs }) => ({ name, ip, addMs })),
    service: WEB,
    spreads,
    tables: new Map(
      tables.map(({ name, entries, size }) => [name, { entries: Number(entries), size: Number(size) }]),
    ),
    timings,
    failures,
  };
}
