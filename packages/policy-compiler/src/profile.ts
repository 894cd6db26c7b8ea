import type { IPv4, IPv4Prefix } from '@infra-offload/net';

export type Direction = 'ingress' | 'egress';
export type PolicyAction = 'allow' | 'deny' | 'pass';

/**
 * Everything that decides which new flows one pod may receive (ingress) or open (egress), with names resolved. Pods
 * with equal profiles share one.
 */
export interface PolicyProfile {
  readonly direction: Direction;
  /** In order; what the last one passes on is denied. */
  readonly tiers: readonly ProfileTier[];
  /** Peers that no rule can deny: the node itself, in ingress profiles. */
  readonly alwaysAllowed: readonly IPv4[];
}

export interface ProfileTier {
  /** In order: the first that matches decides. */
  readonly rules: readonly ProfileRule[];
  /** For what no rule matches. */
  readonly defaultAction: 'deny' | 'pass';
}

/** Matches if all of `peers`, any of `ports` (if there are any) and none of `notPorts` match. */
export interface ProfileRule {
  readonly action: PolicyAction;
  /** Name of the policy it is from, for messages. */
  readonly policy: string;
  readonly peers: readonly ProfilePeer[];
  /** Empty: every protocol and port. */
  readonly ports: readonly PortMatch[];
  readonly notPorts: readonly PortMatch[];
}

/** Any of the CIDRs and sets; with neither, no address matches. `negated`: matches what it otherwise would not. */
export interface ProfilePeer {
  readonly negated: boolean;
  readonly cidrs: readonly IPv4Prefix[];
  readonly sets: readonly ResolvedSet[];
}

/** An address set as it is now. A change of its members makes a new object, so that identity tells equality. */
export interface ResolvedSet {
  readonly name: string;
  /** Single addresses, ascending. */
  readonly addresses: readonly IPv4[];
  /** Longer ranges. */
  readonly cidrs: readonly IPv4Prefix[];
  readonly addressPorts: readonly AddressPort[];
}

export interface AddressPort {
  readonly address: IPv4;
  readonly protocol: number;
  readonly port: number;
}

export type PortMatch =
  /** `protocol` undefined: every protocol. `first` and `last` undefined: every port, also of protocols without ports. */
  | {
      readonly kind: 'range';
      readonly protocol: number | undefined;
      readonly ports: { readonly first: number; readonly last: number } | undefined;
    }
  /**
   * The destination's address, protocol and port are in the set. In ingress profiles the destination is the pod
   * itself: these have been replaced by ranges then.
   */
  | { readonly kind: 'set'; readonly set: ResolvedSet };
