/**
 * Network policy at scale: a softswitch process, a manager process, and this process as the agent of a node with 110 of
 * 5,000 pods and 1,000 policies. Prints how long it takes until all pods are isolated, how long one pod's change of
 * labels takes from the Sync message to the device, and what a restart of the manager costs.
 *
 *   node --import tsx --conditions @infra-offload/source bench/src/policy-scale.ts
 *
 * 50 namespaces of 100 pods and 20 policies, each of which lets the pods of one of ten applications of its namespace in
 * on a port of its own. In five namespaces one policy lets all 5,000 pods in.
 */
import { PolicyAction, type WantedObject } from '@infra-offload/infra-api';
import {
  Agent,
  cpuSeconds,
  memoryMb,
  ms,
  startManager,
  startSoftswitch,
  stop,
  stopAll,
  upsert,
} from './manager.lib.js';

const NAMESPACES = 50;
const PODS = 100;
const POLICIES = 20;
const APPS = 10;
const LOCAL_PODS = 110;
const OPEN_NAMESPACES = 5;
const CHANGES = 200;

const address = (namespace: number, pod: number) => `10.${64 + namespace}.0.${1 + pod}`;

function set(name: string, cidrs: readonly string[]): WantedObject {
  return { object: { $case: 'addressSet', value: { name, cidrs: [...cidrs], addressPorts: [] } } };
}

/** The pods of one application; `without` has another label now. */
function appSet(namespace: number, app: number, without = -1, also = -1): WantedObject {
  const pods = Array.from({ length: PODS }, (_, pod) => pod).filter(
    (pod) => (pod % APPS === app && pod !== without) || pod === also,
  );
  return set(
    `ns-${namespace}/app-${app}`,
    pods.map((pod) => address(namespace, pod)),
  );
}

function everyone(without = -1): WantedObject {
  const members: string[] = [];
  for (let namespace = 0; namespace < NAMESPACES; namespace++) {
    for (let pod = 0; pod < PODS; pod++)
      if (namespace * PODS + pod !== without) members.push(address(namespace, pod));
  }
  return set('everyone', members);
}

function policy(namespace: number, i: number): WantedObject {
  const isOpen = namespace < OPEN_NAMESPACES && i === 0;
  const port = 8000 + i;
  return {
    object: {
      $case: 'networkPolicy',
      value: {
        name: `ns-${namespace}/policy-${i}`,
        ingress: [
          {
            action: PolicyAction.POLICY_ACTION_ALLOW,
            peers: [
              {
                negated: false,
                cidrs: [],
                addressSets: [isOpen ? 'everyone' : `ns-${namespace}/app-${i % APPS}`],
              },
            ],
            ports: [{ match: { $case: 'range', value: { protocol: 6, first: port, last: port } } }],
            notPorts: [],
          },
        ],
        egress: [],
        conditions: [],
      },
    },
  };
}

/** Local pod `i` is pod `i / 50` of namespace `i % 50`, under all policies of its namespace. */
function localPod(i: number): WantedObject[] {
  const namespace = i % NAMESPACES;
  const pod = Math.floor(i / NAMESPACES);
  const names = { namespace: `ns-${namespace}`, name: `pod-${pod}` };
  const policies = Array.from({ length: POLICIES }, (_, k) => `ns-${namespace}/policy-${k}`);
  const tiers = [{ policies, defaultAction: PolicyAction.POLICY_ACTION_DENY }];
  return [
    {
      object: {
        $case: 'podIsolation',
        value: { ...names, ingress: { tiers }, egress: undefined, conditions: [] },
      },
    },
    {
      object: {
        $case: 'pod',
        value: {
          ...names,
          attachmentId: `c${i}/eth0`,
          interfaceName: `vf${i}`,
          mac: `00:${(1 + i).toString(16).padStart(2, '0')}:00:00:03:18`,
          addresses: [address(namespace, pod)],
        },
      },
    },
  ];
}

async function timed(times: number, change: (i: number) => Promise<void>): Promise<string> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    await change(i);
    taken.push(performance.now() - began);
  }
  taken.sort((a, b) => a - b);
  const at = (part: number) => taken[Math.floor(taken.length * part)] ?? 0;
  return `p50 ${ms(at(0.5))}, p99 ${ms(at(0.99))}`;
}

async function updates(agent: Agent): Promise<number> {
  return Number((await agent.status()).target?.updatesWritten ?? 0n);
}

async function main(): Promise<void> {
  const { target, child: softswitch } = await startSoftswitch();
  const options = ['--interface-type', 'sriov'];
  let manager = await startManager(target.p4runtime, target.gnmi, options);
  let agent = new Agent(manager.listen);

  const namespaces = Array.from({ length: NAMESPACES }, (_, i) => i);
  const objects = [
    everyone(),
    ...namespaces.flatMap((namespace) => Array.from({ length: APPS }, (_, app) => appSet(namespace, app))),
    ...namespaces.flatMap((namespace) => Array.from({ length: POLICIES }, (_, i) => policy(namespace, i))),
    ...Array.from({ length: LOCAL_PODS }, (_, i) => localPod(i)).flat(),
  ];
  await agent.snapshot([]);
  const before = await updates(agent);
  const cpuOf = () => ({
    manager: cpuSeconds(manager.child.pid),
    softswitch: cpuSeconds(softswitch.pid),
  });
  const idle = cpuOf();
  const began = performance.now();
  await agent.snapshot(objects);
  const cold = performance.now() - began;
  const after = await agent.status();
  console.log(
    `${NAMESPACES * POLICIES} policies, ${NAMESPACES * PODS} pods, ${LOCAL_PODS} of them local, ${after.degraded} objects degraded:`,
  );
  for (const { name, entries } of after.tables)
    if (name.startsWith('policy_')) console.log(`  ${name}: ${entries} entries`);
  console.log(`  snapshot to all programmed: ${ms(cold)} (${(await updates(agent)) - before} entities)`);
  const used = cpuOf();
  console.log(
    `  CPU: manager ${(used.manager - idle.manager).toFixed(2)} s, softswitch ${(used.softswitch - idle.softswitch).toFixed(2)} s`,
  );
  console.log(`  manager: ${Math.round(memoryMb(manager.child.pid, 'VmRSS'))} MB resident`);

  let start = await updates(agent);
  const label = await timed(CHANGES, (i) => {
    const namespace = i % NAMESPACES;
    const back = Math.floor(i / NAMESPACES) % 2 === 1;
    const pod = 17;
    return agent.apply([
      upsert(appSet(namespace, pod % APPS, back ? -1 : pod)),
      upsert(appSet(namespace, 3, -1, back ? -1 : pod)),
    ]);
  });
  console.log(`one pod's label changed, two sets (${CHANGES} times):`);
  console.log(`  ${label}, ${(((await updates(agent)) - start) / CHANGES).toFixed(1)} entities each`);

  start = await updates(agent);
  const big = await timed(CHANGES, (i) => agent.apply([upsert(everyone(i % 2 === 0 ? 777 : -1))]));
  console.log(`one member of a set of 5,000 in ${OPEN_NAMESPACES} profiles (${CHANGES} times):`);
  console.log(`  ${big}, ${(((await updates(agent)) - start) / CHANGES).toFixed(1)} entities each`);

  await agent.snapshot(objects);
  agent.close();
  await stop(manager.child);
  manager = await startManager(target.p4runtime, target.gnmi, options);
  agent = new Agent(manager.listen);
  await agent.snapshot(objects);
  console.log(`restart: ready after ${ms(manager.readyMs)}, ${await updates(agent)} entities written`);
  agent.close();
}

await main();
await stopAll();
