import type { ObjectReference, WantedObject } from '@infra-offload/infra-api';
import { keyOfReference, type ObjectKey, type WantedState } from '../model/objects.js';
import type { AddressSetObject, IsolationObject, PolicyObject, PolicyRule } from '../model/policy-objects.js';
import { readObject } from '../state/validate.js';
import { IPDK } from './names.js';

type PolicyState = AddressSetObject | PolicyObject | IsolationObject;

/** An object of Felix's model under a name that Sync has no say in. */
export function ipdkObject(wire: WantedObject): PolicyState | undefined {
  const object: WantedState = readObject(wire);
  switch (object.kind) {
    case 'set':
      return { ...object, name: own(object.name) };
    case 'policy':
      return {
        ...object,
        name: own(object.name),
        ingress: object.ingress.map(ownRule),
        egress: object.egress.map(ownRule),
      };
    case 'isolation':
      return {
        ...object,
        namespace: own(object.namespace),
        ingress: object.ingress?.map(ownTier),
        egress: object.egress?.map(ownTier),
      };
    default:
      return undefined;
  }
}

/** The key under which such an object is known. */
export function ipdkKey({ kind, name }: ObjectReference): ObjectKey | undefined {
  return keyOfReference({ kind, name: own(name) });
}

function own(name: string): string {
  return `${IPDK}/${name}`;
}

function ownTier(tier: NonNullable<IsolationObject['ingress']>[number]) {
  return { ...tier, policies: tier.policies.map(own) };
}

function ownRule(rule: PolicyRule): PolicyRule {
  const ports = (list: PolicyRule['ports']) =>
    list.map((port) => (port.kind === 'set' ? { ...port, set: own(port.set) } : port));
  return {
    ...rule,
    peers: rule.peers.map((peer) => ({ ...peer, sets: peer.sets.map(own) })),
    ports: ports(rule.ports),
    notPorts: ports(rule.notPorts),
  };
}
