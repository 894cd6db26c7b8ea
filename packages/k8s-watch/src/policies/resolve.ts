import { formatPrefix, parseIPv4Prefix } from '@infra-offload/net';
import {
  type NetworkPolicy,
  objectName,
  type PolicyPeer,
  type PolicyPort,
  type PolicyRule,
} from '../objects/types.js';
import { ALL_PODS, peersOf, type Selection, shortName, subjectsOf } from './selection.js';
import type { SetDefinition } from './set-book.js';
import type { AddressMatch, AllowRule, PortMatch, ResolvedPolicy } from './types.js';

export interface PolicyResolution {
  readonly policy: ResolvedPolicy;
  /** Every set that the rules name, once. */
  readonly sets: readonly SetDefinition[];
}

type IPBlock = Extract<PolicyPeer, { type: 'IPBlock' }>;
type NamedPort = PolicyPort & { readonly port: string };

/** The rules of a policy over sets and CIDRs. What they allow is exactly what those of the API allow. */
export function resolvePolicy(policy: NetworkPolicy): PolicyResolution {
  const resolver = new Resolver(policy);
  const ingress = policy.ingress.flatMap((rule) => resolver.ingressRules(rule));
  const egress = policy.egress.flatMap((rule) => resolver.egressRules(rule));
  return {
    policy: { kind: 'NetworkPolicy', name: objectName(policy), ingress, egress },
    sets: [...resolver.sets.values()],
  };
}

class Resolver {
  readonly sets = new Map<string, SetDefinition>();
  readonly #policy: NetworkPolicy;

  constructor(policy: NetworkPolicy) {
    this.#policy = policy;
  }

  /** The destination is a pod that the policy selects, so this is where named ports are looked up. */
  ingressRules({ peers, ports }: PolicyRule): AllowRule[] {
    const matches = [...ranges(ports), ...this.#namedPorts(ports, [subjectsOf(this.#policy)])];
    if (peers.length === 0) return [{ peers: [], ports: matches }];
    const { selections, whole, parts } = this.#split(peers);
    return [...this.#anyOf(selections, whole), ...parts].map((peers) => ({ peers, ports: matches }));
  }

  /** The destination is the peer: each has its own numbers for named ports, and a block of addresses has none. */
  egressRules({ peers, ports }: PolicyRule): AllowRule[] {
    const plain = ranges(ports);
    if (peers.length === 0) {
      return [{ peers: [], ports: [...plain, ...this.#namedPorts(ports, [ALL_PODS])] }];
    }
    const { selections, whole, parts } = this.#split(peers);
    const named = this.#namedPorts(ports, selections);
    if (named.length === 0 && !ports.some(isNamed)) {
      return [...this.#anyOf(selections, whole), ...parts].map((peers) => ({ peers, ports: plain }));
    }
    const toPods = this.#anyOf(selections, []).map((peers) => ({ peers, ports: [...plain, ...named] }));
    // Without other ports, nothing of the rule is left for blocks.
    if (plain.length === 0) return toPods;
    const toBlocks = [...this.#anyOf([], whole), ...parts].map((peers) => ({ peers, ports: plain }));
    return [...toPods, ...toBlocks];
  }

  /** Peers by kind; selectors as selections, each once. */
  #split(peers: readonly PolicyPeer[]) {
    const selections = new Map<string, Selection>();
    const whole = new Set<string>();
    const parts: AddressMatch[][] = [];
    for (const peer of peers) {
      if (peer.type === 'Pods') {
        const selection = peersOf(peer, this.#policy.namespace);
        selections.set(selection.text, selection);
      } else if (peer.except.length === 0) whole.add(withoutHostBits(peer.cidr));
      else parts.push(partOf(peer));
    }
    return { selections: [...selections.values()], whole: [...whole], parts };
  }

  /** One match for all of them; none at all if there is nothing to match. */
  #anyOf(selections: readonly Selection[], cidrs: readonly string[]): (readonly AddressMatch[])[] {
    if (selections.length === 0 && cidrs.length === 0) return [];
    const addressSets = selections.map((selection) =>
      this.#set({ name: shortName(selection.text), selection }),
    );
    return [[{ negated: false, cidrs, addressSets }]];
  }

  #namedPorts(ports: readonly PolicyPort[], selections: readonly Selection[]): PortMatch[] {
    return selections.flatMap((selection) =>
      ports.filter(isNamed).map(({ port: name, protocol }): PortMatch => {
        const setName = shortName(`${selection.text}:${name}/${protocol}`);
        const addressSet = this.#set({ name: setName, selection, port: { name, protocol } });
        return { type: 'NamedPort', addressSet };
      }),
    );
  }

  #set(definition: SetDefinition): string {
    this.sets.set(definition.name, definition);
    return definition.name;
  }
}

function isNamed(port: PolicyPort): port is NamedPort {
  return typeof port.port === 'string';
}

function ranges(ports: readonly PolicyPort[]): PortMatch[] {
  return ports.flatMap(({ protocol, port, endPort }): PortMatch[] => {
    if (typeof port === 'string') return [];
    if (port === undefined) return [{ type: 'Range', protocol }];
    return [{ type: 'Range', protocol, ports: { first: port, last: endPort ?? port } }];
  });
}

function partOf({ cidr, except }: IPBlock): AddressMatch[] {
  return [
    { negated: false, cidrs: [withoutHostBits(cidr)], addressSets: [] },
    { negated: true, cidrs: [...new Set(except.map(withoutHostBits))], addressSets: [] },
  ];
}

/** `10.1.2.3/8` is `10.0.0.0/8`. CIDRs of IPv6 stay as they are. */
function withoutHostBits(cidr: string): string {
  const prefix = parseIPv4Prefix(cidr);
  return prefix === undefined ? cidr : formatPrefix(prefix);
}
