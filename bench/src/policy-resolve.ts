/**
 * NetworkPolicies at scale, without API server and wire: `PolicyTracker` over 1,000 policies and 5,000 pods. Prints what the first
 * resolution costs, and what one change of a pod, a namespace or a policy costs until the subscriber has been told, on a
 * node with 110 pods, and on one that has all of them.
 *
 *   node --import tsx --conditions @infra-offload/source --expose-gc bench/src/policy-resolve.ts [policies] [pods]
 */
import {
  type Namespace,
  type NetworkPolicy,
  ObjectStore,
  type Pod,
  PolicyTracker,
  parseObject,
  type WatchedObject,
} from '@infra-offload/k8s-watch';

const POLICIES = Number(process.argv[2] ?? 1_000);
const PODS = Number(process.argv[3] ?? 5_000);
const NAMESPACES = 100;
const APPS = 10;
const LOCAL_PODS = 110;
const CHANGES = 2_000;
const WARM_UP = 200;

const networkPolicies = new ObjectStore<NetworkPolicy>();
const pods = new ObjectStore<Pod>();
const namespaces = new ObjectStore<Namespace>();
const source = { networkPolicies, pods, namespaces };

function read(fields: object): WatchedObject {
  const parsed = parseObject(fields);
  if (parsed.result !== 'object') throw new Error(JSON.stringify(parsed));
  return parsed.object;
}

function set(object: WatchedObject): void {
  if (object.kind === 'Pod') pods.set(object);
  else if (object.kind === 'Namespace') namespaces.set(object);
  else if (object.kind === 'NetworkPolicy') networkPolicies.set(object);
}

const namespaceName = (i: number) => `team-${i % NAMESPACES}`;

/** Pods of one application are spread over nodes, as schedulers do. */
function pod(i: number, labels: object, node = `node-${i % Math.ceil(PODS / LOCAL_PODS)}`): WatchedObject {
  const app = `app-${Math.floor(i / NAMESPACES) % APPS}`;
  return read({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: namespaceName(i),
      name: `${app}-${i}`,
      labels: {
        app,
        tier: `tier-${i % 3}`,
        'app.kubernetes.io/part-of': namespaceName(i),
        'pod-template-hash': `hash-${i % 500}`,
        ...labels,
      },
    },
    spec: {
      nodeName: node,
      containers: [{ ports: [{ name: 'http', containerPort: 8000 + (i % 7) }, { containerPort: 9090 }] }],
    },
    status: { phase: 'Running', podIPs: [{ ip: `10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}` }] },
  });
}

/** A mix of what people write: neighbours, other teams, blocks with exceptions, named ports, defaults that deny. */
function policy(i: number): WatchedObject {
  const app = { matchLabels: { app: `app-${Math.floor(i / NAMESPACES) % APPS}` } };
  const neighbour = {
    podSelector: { matchLabels: { app: `app-${(Math.floor(i / NAMESPACES) + 1) % APPS}` } },
  };
  const otherTeams = {
    namespaceSelector: { matchExpressions: [{ key: 'group', operator: 'In', values: [`g${i % 5}`] }] },
    podSelector: { matchLabels: { tier: `tier-${i % 3}` } },
  };
  const block = {
    ipBlock: { cidr: `172.${16 + (i % 16)}.0.0/16`, except: [`172.${16 + (i % 16)}.${i % 256}.0/24`] },
  };
  const everybody = { namespaceSelector: {} };
  const specs = [
    { podSelector: {}, policyTypes: ['Ingress'] },
    { podSelector: app, ingress: [{ from: [neighbour, otherTeams], ports: [{ port: 'http' }] }] },
    { podSelector: app, ingress: [{ from: [block], ports: [{ port: 8000, endPort: 8100 }] }] },
    { podSelector: app, egress: [{ to: [neighbour], ports: [{ port: 'http' }] }, { to: [block] }] },
    { podSelector: app, ingress: [{ from: [everybody], ports: [{ port: 9090 }] }] },
  ];
  return read({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: namespaceName(i), name: `policy-${i}` },
    spec: specs[i % specs.length],
  });
}

function namespace(i: number, group: number): WatchedObject {
  const metadata = { name: namespaceName(i), labels: { group: `g${group}` } };
  return read({ apiVersion: 'v1', kind: 'Namespace', metadata });
}

function fill(node?: string): void {
  for (let i = 0; i < NAMESPACES; i++) set(namespace(i, i % 5));
  for (let i = 0; i < PODS; i++) set(pod(i, {}, node));
  for (let i = 0; i < POLICIES; i++) set(policy(i));
}

function heapMegabytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** Times from a change in a store until the subscriber has been told; `next` makes it ready. */
function time(tracker: PolicyTracker, count: number, next: (round: number) => () => void): string {
  let told = 0;
  const unsubscribe = tracker.subscribe((changes) => {
    told += changes.length;
  });
  const times: number[] = [];
  for (let round = 0; round < WARM_UP + count; round++) {
    const change = next(round);
    const began = performance.now();
    change();
    tracker.flush();
    if (round >= WARM_UP) times.push((performance.now() - began) * 1_000);
  }
  unsubscribe();
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  const each = (told / (WARM_UP + count)).toFixed(1);
  return `p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, ${each} results told`;
}

function measure(title: string, node: string | undefined): void {
  fill(node);
  const before = heapMegabytes();
  const began = performance.now();
  const tracker = new PolicyTracker({ source, nodeName: 'node-0', isComplete: true });
  const took = performance.now() - began;
  const after = heapMegabytes();
  const counts = { AddressSet: 0, NetworkPolicy: 0, PodIsolation: 0 };
  let members = 0;
  for (const result of tracker.results()) {
    counts[result.kind] += 1;
    if (result.kind === 'AddressSet') members += result.addresses.length + result.addressPorts.length;
  }
  const { AddressSet: sets, NetworkPolicy: policies, PodIsolation: isolated } = counts;
  console.log(`\n${title}`);
  console.log(`  first resolution        ${took.toFixed(0)} ms, ${(after - before).toFixed(0)} MB of heap`);
  console.log(
    `  results                 ${isolated} pods isolated by ${policies} policies over ${sets} sets with ${members} members`,
  );
  const report = (what: string, count: number, next: (round: number) => () => void) =>
    console.log(`  ${what.padEnd(23)} ${time(tracker, count, next)}`);
  report("a pod's labels", CHANGES, (round) => {
    const changed = pod(
      (round * 37) % PODS,
      { tier: `tier-${(round + Math.floor(round / PODS)) % 3}` },
      node,
    );
    return () => set(changed);
  });
  report('a label nobody asks for', CHANGES, (round) => {
    const changed = pod(round % PODS, { note: String(round) }, node);
    return () => set(changed);
  });
  report("a namespace's labels", CHANGES / 5, (round) => {
    const changed = namespace(round, (round + Math.floor(round / NAMESPACES)) % 5);
    return () => set(changed);
  });
  report('a policy goes or comes', CHANGES / 5, (round) => {
    const i = Math.floor(round / 2) % POLICIES;
    if (round % 2 === 0) return () => networkPolicies.delete(namespaceName(i), `policy-${i}`);
    const changed = policy(i);
    return () => set(changed);
  });
  tracker.close();
}

console.log(`${POLICIES} policies, ${PODS} pods, ${NAMESPACES} namespaces`);
measure(`a node with ${Math.min(LOCAL_PODS, PODS)} of the pods`, undefined);
measure('a node with all pods', 'node-0');
