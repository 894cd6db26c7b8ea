import { type IPv4, type IPv4Prefix, prefixContains } from '@infra-offload/net';
import type { IpSet } from './ip-set.js';

/** What a rule says of the address of the pod that it applies to. All of it must be so. */
export interface OwnMatch {
  /** One of these, if there are any. */
  readonly nets: readonly IPv4Prefix[];
  /** None of these. */
  readonly notNets: readonly IPv4Prefix[];
  /** Ids of IP sets: all of these. */
  readonly sets: readonly string[];
  /** None of these. */
  readonly notSets: readonly string[];
}

/** `unknown` if that cannot be said. */
export type OwnResult = 'match' | 'no-match' | 'unknown';

/** @param address of the pod; undefined if it is not one address. */
export function evaluateOwn(
  own: OwnMatch,
  address: IPv4 | undefined,
  lookup: (id: string) => IpSet | undefined,
): OwnResult {
  if (address === undefined) return 'unknown';
  let isCertain = true;
  const isIn = (id: string): boolean | undefined => {
    const set = lookup(id);
    return set === undefined || set.problem !== undefined ? undefined : set.has(address);
  };
  const require = (result: boolean | undefined, expected: boolean): boolean => {
    if (result === undefined) isCertain = false;
    return result === undefined || result === expected;
  };
  const matches =
    (own.nets.length === 0 || own.nets.some((net) => prefixContains(net, address))) &&
    !own.notNets.some((net) => prefixContains(net, address)) &&
    own.sets.every((id) => require(isIn(id), true)) &&
    own.notSets.every((id) => require(isIn(id), false));
  if (!matches) return 'no-match';
  return isCertain ? 'match' : 'unknown';
}
