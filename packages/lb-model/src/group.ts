import type { IPv4 } from '@infra-offload/net';

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

/** Address and port as one integer below 2^48. */
export function endpointId(endpoint: { readonly address: IPv4; readonly port: number }): number {
  return endpoint.address * 0x10000 + endpoint.port;
}
