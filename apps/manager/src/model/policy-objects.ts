import type { IPv4Prefix } from '@infra-offload/net';
import type { PolicyAction, ResolvedSet } from '@infra-offload/policy-compiler';
import type { AgentCondition } from './agent-condition.js';

/** Addresses that policies name together. Everything is in ascending order, and nothing twice. */
export interface AddressSetObject extends ResolvedSet {
  readonly kind: 'set';
}

/** Rules that pods share; in force only for pods whose isolation names it. */
export interface PolicyObject {
  readonly kind: 'policy';
  readonly name: string;
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
  /** What the agent could not carry; it denies more for it. */
  readonly agentConditions: readonly AgentCondition[];
}

/** Matches if all of `peers`, any of `ports` (if there are any) and none of `notPorts` match. */
export interface PolicyRule {
  readonly action: PolicyAction;
  readonly peers: readonly PolicyPeer[];
  readonly ports: readonly PolicyPort[];
  readonly notPorts: readonly PolicyPort[];
}

/** Any of the ranges and sets; with neither, no address matches. */
export interface PolicyPeer {
  readonly negated: boolean;
  readonly cidrs: readonly IPv4Prefix[];
  /** Names of address sets. */
  readonly sets: readonly string[];
}

export type PolicyPort =
  | {
      readonly kind: 'range';
      /** undefined: every protocol. */
      readonly protocol: number | undefined;
      /** undefined: every port, also of protocols without ports. */
      readonly ports: { readonly first: number; readonly last: number } | undefined;
    }
  /** The destination's address, protocol and port are in the address set of this name. */
  | { readonly kind: 'set'; readonly set: string };

/** Which policies hold for one pod. A direction that is undefined is open. */
export interface IsolationObject {
  readonly kind: 'isolation';
  readonly namespace: string;
  readonly name: string;
  readonly ingress: readonly PolicyTier[] | undefined;
  readonly egress: readonly PolicyTier[] | undefined;
  readonly agentConditions: readonly AgentCondition[];
}

export interface PolicyTier {
  /** Names of policies, in order. */
  readonly policies: readonly string[];
  /** For what no rule of them matches. */
  readonly defaultAction: 'deny' | 'pass';
}
