import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PolicyCluster } from './policies/cluster.js';
import { recipes } from './policies/recipes.js';

const NAMESPACES = ['x', 'y', 'z'];
const PODS = NAMESPACES.flatMap((namespace) => ['a', 'b', 'c'].map((name) => `${namespace}/${name}`));
const POLICIES = 'policies.yaml';

let cluster: PolicyCluster;

beforeAll(async () => {
  cluster = await PolicyCluster.start(PODS.length + 1);
  for (const namespace of NAMESPACES) cluster.setNamespace(namespace, { ns: namespace });
  for (const pod of PODS) {
    const [namespace = '', name = ''] = pod.split('/');
    const { process } = await cluster.addPod(namespace, name, { pod: name });
    await process.serve('tcp', 80);
    await process.serve('udp', 53);
  }
});

afterAll(() => cluster?.stop());

/** Addresses are given out in the order in which pods are made. */
function addressOf(pod: string): string {
  return `10.244.0.${2 + PODS.indexOf(pod)}`;
}

describe('every pod of three namespaces asks every other on TCP, UDP, SCTP and ICMP', () => {
  it('from the addresses that the recipes take them to have', () => {
    expect(PODS.map((pod) => cluster.pod(pod).ip)).toEqual(PODS.map(addressOf));
  });

  it.each(recipes(addressOf))('$title', async ({ policies, podLabels = {}, namespaceLabels = {} }) => {
    if (policies !== undefined) cluster.apply(POLICIES, policies);
    for (const [name, labels] of Object.entries(namespaceLabels)) cluster.setNamespace(name, labels);
    for (const [name, labels] of Object.entries(podLabels)) cluster.setPodLabels(name, labels);
    await cluster.agrees();
    await connectionsAnswer();
  });
});

/** What may be opened is answered, whatever holds in the other direction. */
async function connectionsAnswer(): Promise<void> {
  const failures: string[] = [];
  await Promise.all(
    PODS.map(async (source) => {
      const from = cluster.pod(source);
      for (const destination of PODS) {
        const to = cluster.pod(destination);
        if (from === to) continue;
        for (const [protocol, number, port] of [
          ['tcp', 6, 80],
          ['udp', 17, 53],
        ] as const) {
          if (!cluster.allows(from.ip, to.ip, number, port)) continue;
          const { servers } = await from.process.spread({ protocol, address: to.ip, port }, 1);
          if (servers[to.name] !== 1) failures.push(`${source} → ${destination} ${protocol}/${port}`);
        }
      }
    }),
  );
  expect(failures).toEqual([]);
}
