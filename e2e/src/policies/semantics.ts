import { WantedObject } from '@infra-offload/infra-api';
import {
  type Namespace,
  type NetworkPolicy,
  networkPolicyVerdict,
  type ObjectKinds,
  ObjectStore,
  type Pod,
  type PolicyChange,
  PolicyTracker,
  parseObject,
} from '@infra-offload/k8s-watch';
import { ipv4, mac } from '@infra-offload/net';
import { referenceOfResult, toWanted } from '../../../apps/agent/src/policies/wanted-policies.js';
import { compilePolicy } from '../../../apps/manager/src/drivers/dpdk/policy.js';
import { toEntity } from '../../../apps/manager/src/drivers/dpdk/rows.js';
import { keyOfReference, type PodObject } from '../../../apps/manager/src/model/objects.js';
import { PolicyBook } from '../../../apps/manager/src/policy/book.js';
import { portsOf, resolveTiers } from '../../../apps/manager/src/policy/resolve.js';
import { readObject } from '../../../apps/manager/src/state/validate.js';
import { PolicyTables } from '../../../apps/manager/src/testing/policy-tables.js';
import { type Change, NODE, OUTSIDERS, type RandomCluster } from './random-cluster.js';

const ID = 1;
const PROTOCOLS = [6, 17, 132, 1, 50];
const PORTED = [6, 17, 132];
const PORTS = [undefined, 1, 53, 79, 80, 81, 82, 443, 1023, 1024, 8080, 9090, 32_767, 65_535];
const DIRECTIONS = ['ingress', 'egress'] as const;

/** A connection that the tables treat otherwise than the API defines it. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

/**
 * The whole way of a NetworkPolicy, in one process: objects, what they mean for a node, the messages to the manager, its
 * policies for a pod, the entries of the device. `check` compares entries with objects.
 */
export class PolicyPath {
  readonly networkPolicies = new ObjectStore<NetworkPolicy>();
  readonly pods = new ObjectStore<Pod>();
  readonly namespaces = new ObjectStore<Namespace>();
  readonly #tracker = new PolicyTracker({ source: this, nodeName: NODE.name, isComplete: true });
  readonly #book = new PolicyBook<never>();
  #attached: ReadonlySet<string> = new Set();
  #tables = new Map<string, PolicyTables>();

  constructor() {
    this.#book.putNodeAddresses([ipv4(NODE.address)]);
    for (const result of this.#tracker.results()) this.#tell({ type: 'upsert', result });
    this.#tracker.subscribe((changes) => {
      for (const change of changes) this.#tell(change);
    });
  }

  close(): void {
    this.#tracker.close();
  }

  apply(change: Change): void {
    if (change.type === 'delete') {
      this.#store(change.kind).delete(change.namespace, change.name);
      return;
    }
    const read = parseObject(change.object);
    if (read.result !== 'object') throw new Error(`refused: ${JSON.stringify(read)}`);
    const { object } = read;
    switch (object.kind) {
      case 'NetworkPolicy':
        this.networkPolicies.set(object);
        break;
      case 'Pod':
        this.pods.set(object);
        break;
      case 'Namespace':
        this.namespaces.set(object);
        break;
      default:
        throw new Error(`${object.kind} has no say in policies`);
    }
  }

  /** Compares `count` random connections of each pod of this node. @throws Mismatch */
  check(random: RandomCluster, count: number): number {
    this.#tracker.flush();
    this.#putPods();
    this.#book.takeDirty();
    this.#tables = new Map();
    const world = {
      policies: [...this.networkPolicies.values()],
      pods: [...this.pods.values()],
      namespaces: [...this.namespaces.values()],
      nodes: [NODE_OBJECT],
    };
    const peers = [...OUTSIDERS, NODE.address, ...world.pods.flatMap((pod) => pod.ips)];
    for (const { cidr } of blocksOf(world.policies)) peers.push(...edgesOf(cidr));
    let cases = 0;
    for (const pod of world.pods) {
      const own = pod.ips[0];
      if (pod.nodeName !== NODE.name || pod.hostNetwork || pod.finished || own === undefined) continue;
      for (let i = 0; i < count; i++) {
        const peer = random.pick(peers);
        const protocol = random.pick(PROTOCOLS);
        const port = PORTED.includes(protocol) ? random.pick(PORTS) : undefined;
        if (peer === own) continue;
        for (const direction of DIRECTIONS) {
          cases++;
          const [source, destination] = direction === 'ingress' ? [peer, own] : [own, peer];
          const connection = { source, destination, protocol, ...(port === undefined ? {} : { port }) };
          const expected = networkPolicyVerdict(world, connection)[direction].allowed;
          const tables = this.#tablesFor(pod, direction);
          const found = tables?.allows({ peer: ipv4(peer), protocol, port }) ?? true;
          if (found === expected) continue;
          throw new Mismatch(
            `${direction} of ${pod.namespace}/${pod.name}, ${source} to ${destination}, ` +
              `protocol ${protocol} port ${port}: tables ${found}, objects ${expected}\n` +
              JSON.stringify(world, undefined, 1),
          );
        }
      }
    }
    return cases;
  }

  /** As the manager takes it from the wire. */
  #tell(change: PolicyChange): void {
    if (change.type === 'remove') {
      const key = keyOfReference(referenceOfResult(change.kind, change.name)) ?? '';
      if (change.kind === 'AddressSet') this.#book.putSet(change.name, undefined, false);
      else if (change.kind === 'NetworkPolicy') this.#book.putPolicy(change.name, undefined);
      else if (key.startsWith('isolation/'))
        this.#book.putIsolation(`isolation/${change.name}`, undefined, false);
      return;
    }
    const object = readObject(WantedObject.decode(WantedObject.encode(toWanted(change.result)).finish()));
    switch (object.kind) {
      case 'set':
        this.#book.putSet(object.name, object, false);
        break;
      case 'policy':
        this.#book.putPolicy(object.name, object);
        break;
      case 'isolation':
        this.#book.putIsolation(`isolation/${object.namespace}/${object.name}`, object, false);
        break;
      default:
        throw new Error(`a ${object.kind} is no policy`);
    }
  }

  /** Pods as they are attached. */
  #putPods(): void {
    const attached = new Map<PodObject['attachmentId'], PodObject>();
    for (const { namespace, name, ips, nodeName, hostNetwork, finished } of this.pods.values()) {
      const [ip] = ips;
      if (nodeName !== NODE.name || hostNetwork || finished || ip === undefined) continue;
      const attachmentId = `${namespace}-${name}/eth0`;
      attached.set(attachmentId, {
        kind: 'pod',
        attachmentId,
        namespace,
        name,
        interfaceName: name,
        mac: mac(2),
        ip: ipv4(ip),
      });
    }
    for (const id of this.#attached) if (!attached.has(id)) this.#book.putPod(`pod/${id}`, undefined);
    for (const [id, pod] of attached) this.#book.putPod(`pod/${id}`, pod);
    this.#attached = new Set(attached.keys());
  }

  /** Undefined: the pod is not isolated. */
  #tablesFor(pod: Pod, direction: 'ingress' | 'egress'): PolicyTables | undefined {
    const subject = this.#book.subject(`pod/${pod.namespace}-${pod.name}/eth0`);
    const stack = subject?.[direction]?.stack;
    if (subject === undefined || stack === undefined) return undefined;
    const key = `${stack.key} ${this.#book.variantKey(stack, subject)}`;
    let tables = this.#tables.get(key);
    if (tables === undefined) {
      const ownPorts = new Map(
        stack.dependencies.ownPortSets.map((name) => [name, portsOf(this.#book.set(name), subject.pod.ip)]),
      );
      const { rows } = compilePolicy({
        direction,
        tiers: resolveTiers(direction, stack.tiers, ownPorts, this.#book),
        alwaysAllowed: direction === 'ingress' ? this.#book.nodeAddresses : [],
      });
      tables = new PolicyTables(rows(ID).map(toEntity), ID);
      this.#tables.set(key, tables);
    }
    return tables;
  }

  #store(kind: 'NetworkPolicy' | 'Pod' | 'Namespace'): Pick<ObjectStore<Pod>, 'delete'> {
    if (kind === 'Pod') return this.pods;
    return kind === 'Namespace' ? this.namespaces : this.networkPolicies;
  }
}

const NODE_OBJECT: ObjectKinds['Node'] = {
  kind: 'Node',
  namespace: '',
  name: NODE.name,
  labels: {},
  internalIPs: [NODE.address],
  podCIDRs: [],
  terminating: false,
  toBeDeleted: false,
};

function blocksOf(policies: readonly NetworkPolicy[]): readonly { readonly cidr: string }[] {
  return policies
    .flatMap(({ ingress, egress }) => [...ingress, ...egress])
    .flatMap(({ peers }) => peers)
    .flatMap((peer) => {
      return peer.type === 'IPBlock' ? [peer.cidr, ...peer.except].map((cidr) => ({ cidr })) : [];
    });
}

/** The first and last address of a CIDR, and those before and after. */
function edgesOf(cidr: string): string[] {
  const [prefix = '', length] = cidr.split('/');
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(ipv4(prefix) / size) * size;
  return [first - 1, first, first + size - 1, first + size]
    .filter((address) => address >= 0 && address < 2 ** 32)
    .map((address) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.'));
}
