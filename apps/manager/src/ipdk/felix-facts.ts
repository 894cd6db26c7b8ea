import { type FelixMessage, fromWire } from '@infra-offload/felix';
import type { felix } from '@infra-offload/infra-api';

type Payload = NonNullable<felix.ToDataplane['payload']>;

/** What an IPDK agent passes on of Felix, as far as policies depend on it. */
export type PolicyPayload = Extract<
  Payload,
  {
    $case:
      | 'activePolicyUpdate'
      | 'activePolicyRemove'
      | 'ipsetUpdate'
      | 'ipsetDeltaUpdate'
      | 'ipsetRemove'
      | 'activeProfileUpdate'
      | 'activeProfileRemove'
      | 'hostEndpointUpdate'
      | 'hostEndpointRemove'
      | 'workloadEndpointUpdate'
      | 'workloadEndpointRemove';
  }
>;

/** @throws FelixError MALFORMED_MESSAGE if the message does not say what it is about. */
export function messageOf(payload: PolicyPayload): FelixMessage {
  switch (payload.$case) {
    case 'activePolicyUpdate':
      return fromWire.policyUpdate(payload.value);
    case 'activePolicyRemove':
      return fromWire.policyRemove(payload.value);
    case 'ipsetUpdate':
      return fromWire.ipSetUpdate(payload.value);
    case 'ipsetDeltaUpdate':
      return fromWire.ipSetDelta(payload.value);
    case 'ipsetRemove':
      return fromWire.ipSetRemove(payload.value);
    case 'activeProfileUpdate':
      return fromWire.profileUpdate(payload.value);
    case 'activeProfileRemove':
      return fromWire.profileRemove(payload.value);
    case 'hostEndpointUpdate':
      return fromWire.hostEndpointUpdate(payload.value);
    case 'hostEndpointRemove':
      return fromWire.hostEndpointRemove(payload.value);
    case 'workloadEndpointUpdate':
      return fromWire.workloadEndpointUpdate(payload.value);
    case 'workloadEndpointRemove':
      return fromWire.workloadEndpointRemove(payload.value);
    default:
      return payload satisfies never;
  }
}

export function isPolicyPayload(payload: Payload): payload is PolicyPayload {
  return /^(activePolicy|activeProfile|ipset|hostEndpoint|workloadEndpoint)/.test(payload.$case);
}

/** How things stand after any number of messages: what would have to be said to somebody who has heard none. */
export class FelixFacts {
  readonly #updates = new Map<string, PolicyPayload>();
  readonly #sets = new Map<
    string,
    { readonly type: felix.IPSetUpdate_IPSetType; readonly members: Set<string> }
  >();

  get size(): number {
    return this.#updates.size + this.#sets.size;
  }

  apply(payload: PolicyPayload): void {
    switch (payload.$case) {
      case 'ipsetUpdate': {
        const { id, type, members } = payload.value;
        this.#sets.set(id, { type, members: new Set(members) });
        break;
      }
      case 'ipsetDeltaUpdate': {
        const members = this.#sets.get(payload.value.id)?.members;
        for (const member of payload.value.removedMembers) members?.delete(member);
        for (const member of payload.value.addedMembers) members?.add(member);
        break;
      }
      case 'ipsetRemove':
        this.#sets.delete(payload.value.id);
        break;
      case 'activePolicyRemove':
      case 'activeProfileRemove':
      case 'hostEndpointRemove':
      case 'workloadEndpointRemove':
        this.#updates.delete(nameOf(payload));
        break;
      default:
        this.#updates.set(nameOf(payload), payload);
    }
  }

  *payloads(): Generator<PolicyPayload, void, undefined> {
    for (const [id, { type, members }] of this.#sets) {
      yield { $case: 'ipsetUpdate', value: { id, type, members: [...members] } };
    }
    yield* this.#updates.values();
  }
}

/** What an update and the removal of the same thing have in common. */
function nameOf({ $case, value }: Exclude<PolicyPayload, { $case: `ipset${string}` }>): string {
  return JSON.stringify([$case.replace(/(Update|Remove)$/, ''), value.id]);
}
