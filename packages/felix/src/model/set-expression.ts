import type { AddressSet } from '@infra-offload/infra-api';
import { type IpSet, type PortMember, portKey, wirePorts } from './ip-set.js';
import { hashOf, objectName } from './names.js';

/**
 * What an address set is made of. Most are one IP set as it is. A rule that wants several things of one port at once (a
 * protocol and a named port, a service and a range) has a set of its own: the members of all IP sets in `all` that any of
 * `any` matches.
 */
export interface SetExpression {
  /** Ids of IP sets, one at least. */
  readonly all: readonly string[];
  /** undefined: without any condition. */
  readonly any: readonly PortTerm[] | undefined;
}

/** Matches if everything that it has matches. */
export interface PortTerm {
  readonly protocol?: number;
  readonly ports?: { readonly first: number; readonly last: number };
  /** Id of an IP set that has the member, too. */
  readonly set?: string;
}

/** The name of the address set; equal for equal expressions. */
export function setName({ all, any }: SetExpression): string {
  const [first = ''] = all;
  if (any === undefined && all.length === 1) return objectName('ipset', first);
  return objectName('ipset', `${first}?${hashOf(JSON.stringify([all, any]), 16)}`);
}

/** Ids of the IP sets that an expression has. */
export function setsOf({ all, any }: SetExpression): string[] {
  return [...all, ...(any ?? []).flatMap(({ set }) => set ?? [])];
}

/** The address set as it is now. IP sets that are not known are empty; rules that need them are not carried. */
export function evaluateSet(
  expression: SetExpression,
  lookup: (id: string) => IpSet | undefined,
): AddressSet {
  const name = setName(expression);
  const [first, ...others] = expression.all.map(lookup);
  if (first === undefined) return { name, cidrs: [], addressPorts: [] };
  if (others.length === 0 && expression.any === undefined) {
    return { name, cidrs: first.ranges(), addressPorts: wirePorts(first.ports()) };
  }
  const keysOf = (set: IpSet | undefined) => new Set(set === undefined ? [] : [...set.ports()].map(portKey));
  const required = others.map(keysOf);
  const terms = expression.any?.map((term) => ({
    ...term,
    keys: term.set === undefined ? undefined : keysOf(lookup(term.set)),
  }));
  const matches = (member: PortMember) => {
    const key = portKey(member);
    if (!required.every((keys) => keys.has(key))) return false;
    return (
      terms?.some(
        ({ protocol, ports, keys }) =>
          (protocol === undefined || protocol === member.protocol) &&
          (ports === undefined || (member.port >= ports.first && member.port <= ports.last)) &&
          (keys?.has(key) ?? true),
      ) ?? true
    );
  };
  return { name, cidrs: [], addressPorts: wirePorts([...first.ports()].filter(matches)) };
}
