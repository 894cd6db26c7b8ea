import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Namespace, type NetworkPolicy, objectName, type Pod } from '../objects/types.js';
import { ObjectStore } from '../store.js';
import { Results } from './test-evaluate.js';
import { namespace, pod, policy } from './test-policies.js';
import { PolicyTracker } from './tracker.js';
import type { PolicyResult } from './types.js';
import { type Connection, networkPolicyVerdict } from './verdict.js';

const NODE = 'here';
const namespaceName = fc.constantFrom('x', 'y', 'z');
const name = fc.constantFrom('a', 'b', 'c');
const key = fc.constantFrom('app', 'tier');
const value = fc.constantFrom('1', '2', '');
const labels = fc.dictionary(key, value, { minKeys: 1, maxKeys: 2 });
const noneOrSome = fc.oneof(fc.constant({}), labels);
/** Few, so that pods come to have those of others. */
const address = fc.integer({ min: 1, max: 6 }).map((n) => `10.0.0.${n}`);
const address6 = fc.integer({ min: 1, max: 3 }).map((n) => `fd00::${n}`);
const protocol = fc.constantFrom('TCP', 'UDP', 'SCTP');
const portNumber = fc.constantFrom(80, 81, 82, 443);
const portName = fc.constantFrom('http', 'dns');

const requirement = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.array(value, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector = fc.oneof(
  fc.constant({}),
  fc.record({ matchLabels: labels }),
  fc.record({ matchExpressions: fc.array(requirement, { minLength: 1, maxLength: 2 }) }),
  fc.record({ matchLabels: labels, matchExpressions: fc.tuple(requirement) }),
);
const namespaceSelector = fc.oneof(
  selector,
  namespaceName.map((name) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } })),
);
const ipBlock = fc.oneof(
  fc.record({
    cidr: fc.constantFrom('10.0.0.0/24', '10.0.0.5/29', '0.0.0.0/0'),
    except: fc.subarray(['10.0.0.2/32', '10.0.0.4/31'], { maxLength: 2 }),
  }),
  fc.constant({ cidr: 'fd00::/64', except: ['fd00::2/128'] }),
);
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector }),
  fc.record({ podSelector: selector, namespaceSelector }),
  fc.record({ ipBlock }),
);
const policyPort = fc.oneof(
  fc.record({ protocol }),
  fc.record({ protocol, port: portNumber }),
  fc.record({ port: portName }),
  fc.record({ protocol, port: portName }),
  fc.constant({ port: 80, endPort: 82 }),
);
const peers = fc.option(fc.array(peer, { maxLength: 3 }));
const ports = fc.option(fc.array(policyPort, { maxLength: 3 }));
const spec = fc.record(
  {
    podSelector: selector,
    policyTypes: fc.subarray(['Ingress', 'Egress']),
    ingress: fc.array(fc.record({ from: peers, ports }), { maxLength: 2 }),
    egress: fc.array(fc.record({ to: peers, ports }), { maxLength: 2 }),
  },
  { requiredKeys: ['podSelector'] },
);
const somePod = fc.record({
  namespace: namespaceName,
  name,
  fields: fc.record({
    labels: noneOrSome,
    node: fc.constantFrom(NODE, NODE, 'there', undefined),
    ips: fc.oneof(fc.array(address, { maxLength: 1 }), fc.tuple(address, address6)),
    ports: fc.dictionary(
      portName,
      fc.tuple(protocol, portNumber).map((both) => both.join('/')),
      { maxKeys: 2 },
    ),
    phase: fc.constantFrom('Running', 'Running', 'Running', 'Failed'),
    hostNetwork: fc.constantFrom(false, false, false, true),
    terminating: fc.constantFrom(false, false, false, true),
  }),
});
const attachment = fc.record({
  id: fc.constantFrom('1', '2'),
  namespace: fc.oneof(namespaceName, fc.constant('')),
  name,
  address,
});
const setPod = fc.record({ type: fc.constant('pod'), pod: somePod });
const setPolicy = fc.record({ type: fc.constant('policy'), namespace: namespaceName, name, spec });
const setNamespace = fc.record({ type: fc.constant('namespace'), name: namespaceName, labels: noneOrSome });
const flush = fc.record({ type: fc.constant('flush') });
const action = fc.oneof(
  { weight: 4, arbitrary: setPod },
  { weight: 2, arbitrary: setPolicy },
  { weight: 2, arbitrary: setNamespace },
  fc.record({ type: fc.constant('deletePod'), namespace: namespaceName, name }),
  fc.record({ type: fc.constant('deletePolicy'), namespace: namespaceName, name }),
  fc.record({ type: fc.constant('deleteNamespace'), name: namespaceName }),
  fc.record({ type: fc.constant('attach'), attachment }),
  fc.record({ type: fc.constant('detach'), id: fc.constantFrom('1', '2') }),
  { weight: 4, arbitrary: flush },
);
/** Much at first, so that the changes after it change something. */
const history = fc
  .tuple(
    fc.array(setPod, { minLength: 5, maxLength: 12 }),
    fc.array(setPolicy, { minLength: 2, maxLength: 6 }),
    fc.array(setNamespace, { maxLength: 3 }),
    fc.tuple(flush),
    fc.array(action, { maxLength: 20 }),
  )
  .map((parts) => parts.flat());
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
type Attachment = typeof attachment extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly networkPolicies = new ObjectStore<NetworkPolicy>();
  readonly pods = new ObjectStore<Pod>();
  readonly namespaces = new ObjectStore<Namespace>();
  readonly attachments = new Map<string, Attachment>();

  apply(step: Action, tracker: PolicyTracker): void {
    switch (step.type) {
      case 'pod':
        this.pods.set(pod(step.pod.name, { namespace: step.pod.namespace, ...step.pod.fields }));
        break;
      case 'deletePod':
        this.pods.delete(step.namespace, step.name);
        break;
      case 'policy':
        this.networkPolicies.set(policy(step.name, step.spec, step.namespace));
        break;
      case 'deletePolicy':
        this.networkPolicies.delete(step.namespace, step.name);
        break;
      case 'namespace':
        this.namespaces.set(namespace(step.name, step.labels));
        break;
      case 'deleteNamespace':
        this.namespaces.delete('', step.name);
        break;
      case 'attach':
        this.attachments.set(step.attachment.id, step.attachment);
        attach(tracker, step.attachment);
        break;
      case 'detach':
        this.attachments.delete(step.id);
        tracker.detach(step.id);
        break;
      case 'flush':
        tracker.flush();
        break;
      default:
        step satisfies never;
    }
  }

  tracker(): PolicyTracker {
    return new PolicyTracker({ source: this, nodeName: NODE, isComplete: false });
  }

  /** The pods as they would be if their statuses had what is attached here, and what follows from that for others. */
  truth(): Pod[] {
    const attachments = [...this.attachments.values()].filter(({ namespace }) => namespace !== '');
    const taken = new Set<string>();
    const truth = new Map([...this.pods.values()].map((pod) => [objectName(pod), pod]));
    for (const attachment of attachments) {
      const key = objectName(attachment);
      const object = truth.get(key) ?? pod(attachment.name, { namespace: attachment.namespace });
      const { finished, ips } = object;
      truth.set(key, {
        ...object,
        hostNetwork: false,
        nodeName: NODE,
        ips: ips.filter((ip) => ip.includes(':')),
        finished,
      });
      taken.add(attachment.address);
    }
    for (const [key, object] of truth) {
      const own = attachments.filter((other) => objectName(other) === key).map(({ address }) => address);
      const ips = [...object.ips.filter((ip) => !taken.has(ip)), ...own];
      // Whoever is attached with an address has it, being deleted or not.
      truth.set(key, { ...object, ips, terminating: object.terminating && own.length === 0 });
    }
    return [...truth.values()];
  }
}

function attach(tracker: PolicyTracker, { id, namespace, name, address }: Attachment): void {
  tracker.attach(id, { namespace, name, addresses: [address] });
}

function connections(): Connection[] {
  const all = [1, 2, 3, 4, 5, 6, 7].map((n) => `10.0.0.${n}`);
  const all6 = [1, 2, 3].map((n) => `fd00::${n}`);
  const ports = [
    { protocol: 6, port: 80 },
    { protocol: 6, port: 443 },
    { protocol: 17, port: 81 },
    { protocol: 132, port: 80 },
    { protocol: 1 },
  ];
  return [all, all6].flatMap((all) =>
    all.flatMap((source) =>
      all.flatMap((destination) => ports.map((port) => ({ source, destination, ...port }))),
    ),
  );
}

const CONNECTIONS = connections();

/** Of every connection from or to a pod of this node, in the direction that this node decides. */
function verdicts(
  results: Iterable<PolicyResult>,
  pods: readonly Pod[],
  policies: readonly NetworkPolicy[],
  namespaces: readonly Namespace[],
) {
  const evaluated = new Results(results);
  const disagreements: object[] = [];
  for (const connection of CONNECTIONS) {
    const expected = networkPolicyVerdict({ pods, policies, namespaces }, connection);
    const local = (address: string) => holders(pods, address);
    const sources = local(connection.source);
    const destinations = local(connection.destination);
    // A pod that talks to itself.
    if (sources.some((pod) => destinations.includes(pod))) continue;
    for (const [direction, subjects] of [
      ['egress', sources],
      ['ingress', destinations],
    ] as const) {
      const here = subjects.filter(({ nodeName }) => nodeName === NODE);
      if (here.length < subjects.length) continue;
      const allowed = here.every((pod) => evaluated.allows(objectName(pod), direction, connection));
      if (allowed !== expected[direction].allowed)
        disagreements.push({ connection, direction, expected, allowed });
    }
  }
  return disagreements;
}

function holders(pods: readonly Pod[], address: string): Pod[] {
  const all = pods.filter(
    ({ hostNetwork, finished, ips }) => !hostNetwork && !finished && ips.includes(address),
  );
  const staying = all.filter(({ terminating }) => !terminating);
  return staying.length > 0 ? staying : all;
}

const sorted = (results: Iterable<PolicyResult>) =>
  [...results].sort((a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1));

describe('PolicyTracker, over random events', () => {
  it('says what the API says, whatever came before, and its changes add up to that', () => {
    fc.assert(
      fc.property(history, (actions) => {
        const world = new World();
        const tracker = world.tracker();
        const told = new Map<string, PolicyResult>();
        tracker.subscribe((changes) => {
          for (const change of changes) {
            if (change.type === 'remove') expect(told.delete(`${change.kind} ${change.name}`)).toBe(true);
            else {
              const key = `${change.result.kind} ${change.result.name}`;
              expect(told.get(key)).not.toEqual(change.result);
              told.set(key, change.result);
            }
          }
        });
        for (const step of actions) world.apply(step, tracker);
        tracker.flush();

        const fresh = world.tracker();
        for (const attachment of world.attachments.values()) attach(fresh, attachment);
        fresh.flush();
        expect(sorted(tracker.results())).toEqual(sorted(fresh.results()));
        expect(sorted(told.values())).toEqual(sorted(tracker.results()));
        const policies = [...world.networkPolicies.values()];
        expect(verdicts(tracker.results(), world.truth(), policies, [...world.namespaces.values()])).toEqual(
          [],
        );
      }),
      { numRuns: 1_000 },
    );
  });
});
