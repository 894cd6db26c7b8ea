import type { IPv4 } from '@infra-offload/net';
import { LbModelError } from './errors.js';
import { GroupDraft } from './group-draft.js';

/** A place that traffic can be sent to. Address and port together are its identity. */
export interface EndpointSpec {
  readonly address: IPv4;
  /** 1 to 65535. */
  readonly port: number;
  /** Share of new flows relative to the other endpoints; an integer from 1 to 2^31 - 1. */
  readonly weight: number;
}

/** What one service wants: its endpoints, in any order; the same one twice counts once, with the larger weight. */
export interface ServiceState {
  readonly key: string;
  readonly endpoints: readonly EndpointSpec[];
}

/** Takes new flows. */
export interface ActiveSlot extends EndpointSpec {
  readonly state: 'active';
  readonly slot: number;
  readonly since: number;
}

/** No new flows, old ones go on. */
export interface DrainingSlot {
  readonly state: 'draining';
  readonly slot: number;
  readonly address: IPv4;
  readonly port: number;
  readonly since: number;
  readonly until: number;
}

/** No entry any more, but old flows may still name the number: nobody else gets it yet. */
export interface RestingSlot {
  readonly state: 'resting';
  readonly slot: number;
  readonly address: IPv4;
  readonly port: number;
  readonly since: number;
  readonly until: number;
}

export type Slot = ActiveSlot | DrainingSlot | RestingSlot;

/**
 * Which slot (1 to `size`) each endpoint of a group has. Plain immutable data: it can be stored as JSON, and two
 * equal plans are deeply equal.
 */
export interface GroupPlan {
  readonly key: string;
  /** Slots of the group, numbered from 1. */
  readonly size: number;
  /** Slots that are active, draining or resting, by number. */
  readonly slots: readonly Slot[];
  /** Slots that have rested, longest free first. */
  readonly rested: readonly number[];
  /** Slots above this number were never used. */
  readonly highestUsed: number;
  /** Endpoints that found no slot, since all are active or as many as may be; by address and port. */
  readonly overflow: readonly EndpointSpec[];
  /** Draining and resting slots that the last planning gave to other endpoints before their time. */
  readonly evicted: readonly (DrainingSlot | RestingSlot)[];
}

export interface PlanOptions {
  /** Current time in milliseconds. */
  readonly now: number;
  /** Milliseconds for which an endpoint that has left the service still gets its old flows; 0 for none. */
  readonly drainMs: number;
  /** Milliseconds for which the number of a removed endpoint goes to nobody else; 0 for none. */
  readonly restMs: number;
  /** Endpoints that may be active at a time, so that the other slots are left for rest; all of them if left out. */
  readonly maxActive?: number;
}

/** A group without endpoints. @throws LbModelError INVALID_ARGUMENT if `size` is not an integer >= 1 */
export function emptyGroupPlan(key: string, size: number): GroupPlan {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new LbModelError('INVALID_ARGUMENT', `group '${key}': not a number of slots: ${size}`, {
      details: {
        key,
        size,
      },
    });
  }
  return { key, size, slots: [], rested: [], highestUsed: 0, overflow: [], evicted: [] };
}

/**
 * The plan for what `service` wants now. Endpoints that stay keep their slots; one that comes back while its slot
 * drains or rests gets it back; new ones get the slot that is free longest and, if there is none, the one that has
 * rested longest, then the one that has drained longest (told in `evicted`). What leaves drains, then rests.
 * Endpoints that fit nowhere, or are more than `maxActive`, are told in `overflow`: those already in stay in, those
 * whose slot drains or rests come next, the others enter in the order of address and port. Returns `previous` itself if nothing changes.
 * @throws LbModelError INVALID_ENDPOINT, INVALID_ARGUMENT (the service's key is not the plan's)
 */
export function planGroup(previous: GroupPlan, service: ServiceState, options: PlanOptions): GroupPlan {
  if (service.key !== previous.key) {
    throw new LbModelError(
      'INVALID_ARGUMENT',
      `service '${service.key}' planned into group '${previous.key}'`,
      {
        details: {
          service: service.key,
          group: previous.key,
        },
      },
    );
  }
  const wanted = collapse(service);
  const draft = new GroupDraft(previous, options);
  for (const slot of previous.slots) if (slot.state === 'active') draft.carryOver(slot, wanted);
  for (const slot of previous.slots) if (slot.state !== 'active') draft.carryOver(slot, wanted);
  const newcomers = [...wanted.values()].sort(byAddressAndPort);
  for (const endpoint of newcomers) draft.place(endpoint);
  return draft.finish();
}

/** The plan after time has passed: drains and rests that are over end. Returns `previous` itself if none is. */
export function advanceGroup(previous: GroupPlan, options: PlanOptions): GroupPlan {
  const draft = new GroupDraft(previous, options);
  for (const slot of previous.slots) {
    if (slot.state === 'active') draft.keep(slot);
    else draft.age(slot);
  }
  return draft.finish(previous.overflow);
}

/**
 * Ends the draining of an address on all its ports, since nothing answers there any more (its pod is deleted).
 * Returns `previous` itself if the address does not drain.
 */
export function endDrain(previous: GroupPlan, address: IPv4, options: PlanOptions): GroupPlan {
  const draft = new GroupDraft(previous, options);
  for (const slot of previous.slots) {
    if (slot.state === 'draining' && slot.address === address) draft.rest(slot);
    else draft.keep(slot);
  }
  return draft.finish(previous.overflow);
}

/** When `advanceGroup` will change the plan next; undefined if time changes nothing. */
export function nextDeadline(plan: GroupPlan): number | undefined {
  let next: number | undefined;
  for (const slot of plan.slots) {
    if (slot.state !== 'active' && (next === undefined || slot.until < next)) next = slot.until;
  }
  return next;
}

/** Address and port as one integer below 2^48. */
export function endpointId(endpoint: { readonly address: IPv4; readonly port: number }): number {
  return endpoint.address * 0x10000 + endpoint.port;
}

function byAddressAndPort(a: EndpointSpec, b: EndpointSpec): number {
  return endpointId(a) - endpointId(b);
}

function collapse(service: ServiceState): Map<number, EndpointSpec> {
  const wanted = new Map<number, EndpointSpec>();
  for (const endpoint of service.endpoints) {
    checkEndpoint(service.key, endpoint);
    const id = endpointId(endpoint);
    const known = wanted.get(id);
    if (known === undefined || known.weight < endpoint.weight) wanted.set(id, endpoint);
  }
  return wanted;
}

const MAX_WEIGHT = 0x7fffffff;

/** @throws LbModelError INVALID_ENDPOINT */
export function checkEndpoint(key: string, endpoint: EndpointSpec): void {
  const { port, weight } = endpoint;
  const problem =
    !Number.isInteger(port) || port < 1 || port > 65535
      ? `port ${port} is not in 1 to 65535`
      : !Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT
        ? `weight ${weight} is not an integer from 1 to ${MAX_WEIGHT}`
        : undefined;
  if (problem !== undefined) {
    throw new LbModelError('INVALID_ENDPOINT', `service '${key}': ${problem}`, {
      details: { key, endpoint },
    });
  }
}
