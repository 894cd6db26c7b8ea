import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import type { AddressMatch, AllowRule, DirectionIsolation, PolicyResult, PortMatch } from './types.js';
import type { Connection } from './verdict.js';

/** What results say of a connection, evaluated as they are written. */
export class Results {
  readonly #results = new Map<string, PolicyResult>();

  constructor(results: Iterable<PolicyResult>) {
    for (const result of results) this.#results.set(`${result.kind} ${result.name}`, result);
  }

  /** @param pod "namespace/name" of the pod that is isolated. */
  allows(pod: string, direction: 'ingress' | 'egress', connection: Connection): boolean {
    const isolation = this.#of('PodIsolation', pod)?.[direction];
    return isolation === undefined || this.#anyAllows(isolation, direction, connection);
  }

  #anyAllows(
    { policies }: DirectionIsolation,
    direction: 'ingress' | 'egress',
    connection: Connection,
  ): boolean {
    return policies.some((name) => {
      const policy = this.#of('NetworkPolicy', name);
      if (policy === undefined) throw new Error(`no policy ${name}`);
      return policy[direction].some((rule) => this.#ruleAllows(rule, direction, connection));
    });
  }

  #ruleAllows({ peers, ports }: AllowRule, direction: 'ingress' | 'egress', connection: Connection): boolean {
    const remote = direction === 'ingress' ? connection.source : connection.destination;
    return (
      peers.every((peer) => this.#addressMatches(peer, remote)) &&
      (ports.length === 0 || ports.some((port) => this.#portMatches(port, connection)))
    );
  }

  #addressMatches({ negated, cidrs, addressSets }: AddressMatch, address: string): boolean {
    const isAny =
      cidrs.some((cidr) => contains(cidr, address)) ||
      addressSets.some((name) => this.#set(name).addresses.includes(address));
    return isAny !== negated;
  }

  #portMatches(match: PortMatch, { destination, protocol, port }: Connection): boolean {
    switch (match.type) {
      case 'Range':
        if (PROTOCOL_NUMBERS[match.protocol] !== protocol) return false;
        if (match.ports === undefined) return true;
        return port !== undefined && match.ports.first <= port && port <= match.ports.last;
      case 'NamedPort':
        return this.#set(match.addressSet).addressPorts.some(
          (member) =>
            member.address === destination &&
            PROTOCOL_NUMBERS[member.protocol] === protocol &&
            member.port === port,
        );
      default:
        return match satisfies never;
    }
  }

  #set(name: string) {
    const set = this.#of('AddressSet', name);
    if (set === undefined) throw new Error(`no set ${name}`);
    return set;
  }

  #of<Kind extends PolicyResult['kind']>(
    kind: Kind,
    name: string,
  ): Extract<PolicyResult, { kind: Kind }> | undefined {
    const result = this.#results.get(`${kind} ${name}`);
    return result !== undefined && isKind(result, kind) ? result : undefined;
  }
}

function isKind<Kind extends PolicyResult['kind']>(
  result: PolicyResult,
  kind: Kind,
): result is Extract<PolicyResult, { kind: Kind }> {
  return result.kind === kind;
}

function contains(cidr: string, address: string): boolean {
  const [prefix = '', length] = cidr.split('/');
  const block = new BlockList();
  block.addSubnet(prefix, Number(length), isIPv4(prefix) ? 'ipv4' : 'ipv6');
  return isIPv6(prefix) === isIPv6(address) && block.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
