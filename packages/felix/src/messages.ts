import type { felix } from '@infra-offload/infra-api';

/**
 * What Felix says to its dataplane, as far as it matters for policy, in one form for all versions of Calico. Rules are
 * those of the wire.
 */
export type FelixMessage =
  /** Felix has said everything that it knows; changes follow. */
  | { readonly type: 'inSync' }
  | { readonly type: 'config'; readonly config: Readonly<Record<string, string>> }
  | {
      readonly type: 'ipSetUpdate';
      readonly id: string;
      readonly kind: IpSetKind;
      readonly members: readonly string[];
    }
  | {
      readonly type: 'ipSetDelta';
      readonly id: string;
      readonly added: readonly string[];
      readonly removed: readonly string[];
    }
  | { readonly type: 'ipSetRemove'; readonly id: string }
  | { readonly type: 'policyUpdate'; readonly id: PolicyId; readonly policy: Policy }
  | { readonly type: 'policyRemove'; readonly id: PolicyId }
  | { readonly type: 'profileUpdate'; readonly name: string; readonly policy: Policy }
  | { readonly type: 'profileRemove'; readonly name: string }
  | {
      readonly type: 'workloadEndpointUpdate';
      readonly id: WorkloadEndpointId;
      readonly endpoint: WorkloadEndpoint;
    }
  | { readonly type: 'workloadEndpointRemove'; readonly id: WorkloadEndpointId }
  | {
      readonly type: 'hostEndpointUpdate';
      readonly id: string;
      /** Of the interface; may be empty. */
      readonly name: string;
      /** Whether any policy or profile applies to it. */
      readonly hasPolicy: boolean;
    }
  | { readonly type: 'hostEndpointRemove'; readonly id: string }
  | { readonly type: 'hostMetadataUpdate'; readonly hostname: string; readonly ipv4Address: string }
  | { readonly type: 'hostMetadataRemove'; readonly hostname: string }
  /** Known, and nothing that policies depend on: routes, IPAM pools, tunnels, … `name` is the field of the envelope. */
  | { readonly type: 'unused'; readonly name: string }
  /** Not known: of a newer Felix. 0 if there is no payload. */
  | { readonly type: 'unknown'; readonly field: number };

export type IpSetKind = 'ip' | 'ipPort' | 'net' | 'unknown';

/** Up to Calico 3.31 `tier` and `name`; from 3.32 on `kind`, `namespace` and `name`. What is not used is empty. */
export interface PolicyId {
  readonly tier: string;
  readonly name: string;
  readonly namespace: string;
  readonly kind: string;
}

export interface Policy {
  /** Of packets to the pod. */
  readonly inbound: readonly ReceivedRule[];
  /** Of packets from the pod. */
  readonly outbound: readonly ReceivedRule[];
  readonly untracked: boolean;
  readonly preDnat: boolean;
}

export interface ReceivedRule {
  readonly rule: felix.Rule;
  /** Fields of a newer Felix: each may be a condition that this package does not know. */
  readonly unknownFields: readonly number[];
}

export interface WorkloadEndpointId {
  /** `k8s` for pods. */
  readonly orchestrator: string;
  /** `namespace/name` for pods. */
  readonly workload: string;
  /** Of several of one workload: the interface, `eth0`. */
  readonly endpoint: string;
}

export interface WorkloadEndpoint {
  /** `active`; everything else means that nothing may pass. */
  readonly state: string;
  readonly profiles: readonly string[];
  /** CIDRs; a pod's are /32. */
  readonly ipv4Nets: readonly string[];
  readonly tiers: readonly Tier[];
}

/** The policies of one tier that apply to an endpoint, in order. */
export interface Tier {
  readonly name: string;
  readonly ingress: readonly PolicyId[];
  readonly egress: readonly PolicyId[];
  /** What becomes of packets that no policy decides on: `Deny`, also if empty, or `Pass`. */
  readonly defaultAction: string;
}
