import {
  type AddressMatch,
  type AddressSet,
  type NetworkPolicy,
  type PodIsolation,
  PolicyAction,
  type PolicyRule,
  type PortMatch,
  type WantedObject,
} from '@infra-offload/infra-api';
import type { FelixChange } from '../model/wire-object.js';
import type { Packet } from './packet.js';

/** Whoever receives the wanted objects, and does with them what the contract says. */
export class WireSemantics {
  readonly sets = new Map<string, AddressSet>();
  readonly policies = new Map<string, NetworkPolicy>();
  readonly isolations = new Map<string, PodIsolation>();

  apply(change: FelixChange): void {
    if (change.type === 'upsert') this.upsert(change.object);
    else {
      const { kind, name } = change.reference;
      const removed = [undefined, undefined, undefined, undefined, this.sets, this.policies, this.isolations][
        kind
      ];
      if (removed?.delete(name) !== true) throw new Error(`${kind} ${name} is removed, but was never sent`);
    }
  }

  upsert({ object }: WantedObject): void {
    switch (object?.$case) {
      case 'addressSet':
        this.sets.set(object.value.name, object.value);
        break;
      case 'networkPolicy':
        this.policies.set(object.value.name, object.value);
        break;
      case 'podIsolation':
        this.isolations.set(`${object.value.namespace}/${object.value.name}`, object.value);
        break;
      default:
        throw new Error(`unexpected ${object?.$case}`);
    }
  }

  /** Everything, in an order of its own, to compare. */
  contents(): object {
    return [this.sets, this.policies, this.isolations].map((map) =>
      [...map].sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  /** Whether a packet passes; undefined if the pod has no isolation. */
  allows(pod: string, direction: 'ingress' | 'egress', packet: Packet): boolean | undefined {
    const isolation = this.isolations.get(pod)?.[direction];
    if (isolation === undefined) return undefined;
    for (const { policies, defaultAction } of isolation.tiers) {
      const action = this.#evaluate(policies, direction, packet) ?? defaultAction;
      if (action === PolicyAction.POLICY_ACTION_ALLOW) return true;
      if (action !== PolicyAction.POLICY_ACTION_PASS) return false;
    }
    return false;
  }

  #evaluate(
    names: readonly string[],
    direction: 'ingress' | 'egress',
    packet: Packet,
  ): PolicyAction | undefined {
    const peer = direction === 'ingress' ? packet.source : packet.destination;
    for (const name of names) {
      const policy = this.policies.get(name);
      if (policy === undefined) return PolicyAction.POLICY_ACTION_DENY;
      const rule = policy[direction].find((rule) => this.#matches(rule, peer, packet));
      if (rule !== undefined) return rule.action;
    }
    return undefined;
  }

  #matches({ peers, ports, notPorts }: PolicyRule, peer: number, packet: Packet): boolean {
    return (
      peers.every((match) => this.#isPeer(match, peer)) &&
      (ports.length === 0 || ports.some((match) => this.#isPort(match, packet))) &&
      !notPorts.some((match) => this.#isPort(match, packet))
    );
  }

  #isPeer({ negated, cidrs, addressSets }: AddressMatch, peer: number): boolean {
    const all = [...cidrs, ...addressSets.flatMap((name) => this.sets.get(name)?.cidrs ?? [])];
    return all.some((cidr) => isIn(peer, cidr)) !== negated;
  }

  #isPort({ match }: PortMatch, { protocol, ports, destination }: Packet): boolean {
    if (match?.$case === 'range') {
      const { protocol: wanted, first, last } = match.value;
      if (wanted !== undefined && wanted !== protocol) return false;
      if (first === undefined || last === undefined) return true;
      return ports !== undefined && ports.destination >= first && ports.destination <= last;
    }
    const members = this.sets.get(match?.value ?? '')?.addressPorts ?? [];
    return members.some(
      (member) =>
        isIn(destination, member.address) &&
        member.protocol === protocol &&
        member.port === ports?.destination,
    );
  }
}

function isIn(address: number, cidr: string): boolean {
  const [host = '', length = '32'] = cidr.split('/');
  const first = host.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(length));
  return address >= first && address < first + size;
}
