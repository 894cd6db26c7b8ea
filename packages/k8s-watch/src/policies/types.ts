import type { Protocol } from '../objects/types.js';

/**
 * What the NetworkPolicies of a cluster mean for the pods of one node: three kinds of results, of which each names those
 * before it. Address sets are what selectors select, policies are rules over sets and CIDRs, isolation says which policies
 * hold for a pod.
 */
export type PolicyResult = AddressSet | ResolvedPolicy | PodIsolation;

export type PolicyResultKind = PolicyResult['kind'];

/** What one pair of selectors selects, shared by all rules with the same pair. */
export interface AddressSet {
  readonly kind: 'AddressSet';
  /** Tells the selectors, so that equal ones have one set. At most 253 characters. */
  readonly name: string;
  /** Of the selected pods, both families, in the order of their text; empty in sets for a named port. */
  readonly addresses: readonly string[];
  /** Where the selected pods have a port of some name, in the order of address and port. */
  readonly addressPorts: readonly AddressPort[];
}

export interface AddressPort {
  readonly address: string;
  readonly protocol: Protocol;
  /** 1 to 65535. */
  readonly port: number;
}

/** The rules of one NetworkPolicy. They say nothing until the isolation of a pod names the policy. */
export interface ResolvedPolicy {
  readonly kind: 'NetworkPolicy';
  /** "namespace/name". */
  readonly name: string;
  readonly ingress: readonly AllowRule[];
  readonly egress: readonly AllowRule[];
}

/** Allows what all of `peers` and any of `ports` match. There are no rules that deny. */
export interface AllowRule {
  /** Of the source in ingress rules, of the destination in egress rules. Empty: any address. */
  readonly peers: readonly AddressMatch[];
  /** Of the destination. Empty: every protocol and port. */
  readonly ports: readonly PortMatch[];
}

/** Any of the CIDRs and sets, or none of them if it is negated. */
export interface AddressMatch {
  readonly negated: boolean;
  /** Without bits beyond the prefix length; of both families. */
  readonly cidrs: readonly string[];
  /** Names of address sets, of which `addresses` count. */
  readonly addressSets: readonly string[];
}

export type PortMatch =
  /** Without `first` and `last`: every port of the protocol. */
  | {
      readonly type: 'Range';
      readonly protocol: Protocol;
      readonly ports?: { readonly first: number; readonly last: number };
    }
  /** The destination's address, protocol and port are in the set's `addressPorts`. */
  | { readonly type: 'NamedPort'; readonly addressSet: string };

/** Which policies hold for one pod of this node. A direction that is absent is open. */
export interface PodIsolation {
  readonly kind: 'PodIsolation';
  /** "namespace/name". */
  readonly name: string;
  readonly ingress?: DirectionIsolation;
  readonly egress?: DirectionIsolation;
}

/** What no rule of any of the policies allows is denied. */
export interface DirectionIsolation {
  /** Names of policies, sorted. */
  readonly policies: readonly string[];
}
