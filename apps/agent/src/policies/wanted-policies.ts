import { isIPv4 } from 'node:net';
import {
  type AddressSet,
  type Isolation,
  type NetworkPolicy,
  ObjectKind,
  type ObjectReference,
  type PodIsolation,
  PolicyAction,
  type PolicyRule,
  type WantedObject,
} from '@infra-offload/infra-api';
import type {
  AddressMatch,
  AllowRule,
  DirectionIsolation,
  PolicyResult,
  PolicyResultKind,
  PortMatch,
  PodIsolation as ResolvedIsolation,
  ResolvedPolicy,
  AddressSet as ResolvedSet,
} from '@infra-offload/k8s-watch';
import { PROTOCOL_NUMBERS, parseIPv4Prefix } from '@infra-offload/net';

/** How the manager is told of a result: there is no IPv6 in the data plane, so nothing of it. */
export function toWanted(result: PolicyResult): WantedObject {
  switch (result.kind) {
    case 'AddressSet':
      return { object: { $case: 'addressSet', value: toAddressSet(result) } };
    case 'NetworkPolicy':
      return { object: { $case: 'networkPolicy', value: toNetworkPolicy(result) } };
    case 'PodIsolation':
      return { object: { $case: 'podIsolation', value: toPodIsolation(result) } };
    default:
      return result satisfies never;
  }
}

/** How the contract names a result. */
export function referenceOfResult(kind: PolicyResultKind, name: string): ObjectReference {
  switch (kind) {
    case 'AddressSet':
      return { kind: ObjectKind.OBJECT_KIND_ADDRESS_SET, name };
    case 'NetworkPolicy':
      return { kind: ObjectKind.OBJECT_KIND_NETWORK_POLICY, name };
    case 'PodIsolation':
      return { kind: ObjectKind.OBJECT_KIND_POD_ISOLATION, name };
    default:
      return kind satisfies never;
  }
}

function toAddressSet({ name, addresses, addressPorts }: ResolvedSet): AddressSet {
  return {
    name,
    cidrs: addresses.filter(isIPv4),
    addressPorts: addressPorts
      .filter(({ address }) => isIPv4(address))
      .map(({ address, protocol, port }) => ({ address, protocol: PROTOCOL_NUMBERS[protocol], port })),
  };
}

function toNetworkPolicy({ name, ingress, egress }: ResolvedPolicy): NetworkPolicy {
  return { name, ingress: ingress.map(toRule), egress: egress.map(toRule), conditions: [] };
}

function toRule({ peers, ports }: AllowRule): PolicyRule {
  return {
    action: PolicyAction.POLICY_ACTION_ALLOW,
    peers: peers.map(({ negated, cidrs, addressSets }: AddressMatch) => ({
      negated,
      cidrs: cidrs.filter((cidr) => parseIPv4Prefix(cidr) !== undefined),
      addressSets: [...addressSets],
    })),
    ports: ports.map(toPortMatch),
    notPorts: [],
  };
}

function toPortMatch(match: PortMatch): PolicyRule['ports'][number] {
  switch (match.type) {
    case 'Range': {
      const { protocol, ports } = match;
      return {
        match: {
          $case: 'range',
          value: { protocol: PROTOCOL_NUMBERS[protocol], first: ports?.first, last: ports?.last },
        },
      };
    }
    case 'NamedPort':
      return { match: { $case: 'addressPortSet', value: match.addressSet } };
    default:
      return match satisfies never;
  }
}

function toPodIsolation({ name, ingress, egress }: ResolvedIsolation): PodIsolation {
  const slash = name.indexOf('/');
  return {
    namespace: name.slice(0, slash),
    name: name.slice(slash + 1),
    ingress: ingress && toIsolation(ingress),
    egress: egress && toIsolation(egress),
    conditions: [],
  };
}

/** Kubernetes has no order of policies: one tier, and what none of them allows is denied. */
function toIsolation({ policies }: DirectionIsolation): Isolation {
  return { tiers: [{ policies: [...policies], defaultAction: PolicyAction.POLICY_ACTION_DENY }] };
}
