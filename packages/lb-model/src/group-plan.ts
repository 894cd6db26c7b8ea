import type { IPv4 } from '@infra-offload/net';
import { LbModelError } from './errors.js';
import {
  type EndpointSpec,
  endpointId,
  type GroupPlan,
  type PlanOptions,
  type ServiceState,
} from './group.js';
import { GroupDraft } from './group-draft.js';

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
