import type { IPv4 } from '@infra-offload/net';
import { LbModelError } from './errors.js';
import { type ActiveSlot, type DrainingSlot, endpointId, type GroupPlan, type PlanOptions } from './group.js';
import { checkEndpoint, emptyGroupPlan } from './group-plan.js';

/** The endpoint that a slot stands for. */
export interface SlotEndpoint {
  readonly slot: number;
  readonly address: IPv4;
  readonly port: number;
}

/** A slot that takes new flows. */
export interface SlotMember {
  readonly slot: number;
  readonly weight: number;
}

/** What a data plane needs of a plan, by slot. */
export interface GroupView {
  /** Active and draining endpoints. */
  readonly endpoints: readonly SlotEndpoint[];
  /** Active endpoints only. */
  readonly members: readonly SlotMember[];
}

export function groupView(plan: GroupPlan): GroupView {
  const endpoints: SlotEndpoint[] = [];
  const members: SlotMember[] = [];
  for (const slot of plan.slots) {
    if (slot.state === 'resting') continue;
    endpoints.push({ slot: slot.slot, address: slot.address, port: slot.port });
    if (slot.state === 'active') members.push({ slot: slot.slot, weight: slot.weight });
  }
  return { endpoints, members };
}

/**
 * Rebuilds a plan from what a data plane holds, when no plan was stored: endpoints that are members become active,
 * the others drain from now on. Rests are not known to a data plane, so they are lost. A member without an endpoint
 * is dropped; so is a second slot of the same endpoint.
 * @throws LbModelError INVALID_STATE (a slot out of range or named twice), INVALID_ENDPOINT, INVALID_ARGUMENT
 */
export function restoreGroupPlan(
  key: string,
  size: number,
  view: GroupView,
  options: PlanOptions,
): GroupPlan {
  const weights = new Map(view.members.map((member) => [member.slot, member.weight]));
  const slots = new Map<number, ActiveSlot | DrainingSlot>();
  const seen = new Set<number>();
  let highestUsed = 0;
  // Members first: of two slots with the same endpoint the one that takes new flows is kept.
  const endpoints = [...view.endpoints].sort(
    (a, b) => Number(weights.has(b.slot)) - Number(weights.has(a.slot)) || a.slot - b.slot,
  );
  for (const { slot, address, port } of endpoints) {
    if (!Number.isInteger(slot) || slot < 1 || slot > size || slots.has(slot)) {
      throw new LbModelError(
        'INVALID_STATE',
        `group '${key}': slot ${slot} is out of 1 to ${size}, or named twice`,
        {
          details: {
            key,
            slot,
            size,
          },
        },
      );
    }
    const weight = weights.get(slot);
    checkEndpoint(key, { address, port, weight: weight ?? 1 });
    highestUsed = Math.max(highestUsed, slot);
    const id = endpointId({ address, port });
    if (seen.has(id)) continue;
    seen.add(id);
    const since = options.now;
    slots.set(
      slot,
      weight === undefined
        ? { state: 'draining', slot, address, port, since, until: since + options.drainMs }
        : { state: 'active', slot, address, port, weight, since },
    );
  }
  const rested: number[] = [];
  for (let slot = 1; slot <= highestUsed; slot++) if (!slots.has(slot)) rested.push(slot);
  return {
    ...emptyGroupPlan(key, size),
    slots: [...slots.values()].sort((a, b) => a.slot - b.slot),
    rested,
    highestUsed,
  };
}
