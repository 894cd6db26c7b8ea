import type { IPv4, Mac } from '@infra-offload/net';
import type { Remark } from '../model/condition.js';
import { kindOf, type ObjectKey, type RowObject, type WantedState } from '../model/objects.js';

/** Whether an object has rows of its own. */
export function hasRows(object: WantedState | undefined): object is RowObject {
  return object?.kind === 'node' || object?.kind === 'pod' || object?.kind === 'service';
}

/** Whether the object of a key has rows of its own, if it is still wanted. */
export function ownsRows(key: ObjectKey): boolean {
  const kind = kindOf(key);
  return kind === 'node' || kind === 'pod' || kind === 'service';
}

/** The interface that an object has for itself. */
export function interfaceOf(
  object: WantedState | undefined,
): { readonly interfaceName: string; readonly mac: Mac } | undefined {
  return object?.kind === 'pod' ? object : object?.kind === 'node' ? object.host : undefined;
}

/** Addresses that packets reach on this node. */
export function addressesOf(object: WantedState | undefined): readonly IPv4[] {
  if (object?.kind === 'pod') return [object.ip];
  return object?.kind === 'node' ? (object.host?.addresses ?? []) : [];
}

/** What the agent said of an object, as one condition. */
export function carriedBy(object: WantedState | undefined): readonly Remark[] {
  if (object === undefined || !('agentConditions' in object)) return [];
  const [first] = object.agentConditions;
  if (first === undefined) return [];
  const message = object.agentConditions.map((condition) => condition.message).join('; ');
  return [{ severity: 'degraded', reason: first.reason, message }];
}
