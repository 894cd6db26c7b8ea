import type { GroupPlan, Slot } from '@infra-offload/lb-model';
import { ipv4, mac } from '@infra-offload/net';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { ManagerError } from '../errors.js';
import type { Frontend, WantedState } from '../model/objects.js';
import {
  isolationRecord,
  policyRecord,
  restoredIsolation,
  restoredPolicy,
  restoredSet,
  setRecord,
  storedSet,
} from './record-policy.js';

/**
 * What is kept of one object. A deleted service stays as long as old flows of it drain, without `object`.
 * Everything is plain JSON.
 */
export interface StoredRecord {
  readonly object?: WantedState | undefined;
  /** Ids of a service. */
  readonly id?: number | undefined;
  readonly plan?: GroupPlan | undefined;
  /** Slots by hash bucket, for targets that have buckets. */
  readonly buckets?: readonly number[] | undefined;
  /** Epoch at which a pod came. */
  readonly since?: number | undefined;
  /** The first frontend of a deleted service. */
  readonly frontend?: Frontend | undefined;
  /** Claims that another object holds, see claims.ts. */
  readonly lost?: readonly string[] | undefined;
  /** Ports of the interfaces that the object names, as last told by the target. */
  readonly ports?: Readonly<Record<string, number>> | undefined;
}

const uint32 = z.int().min(0).max(0xffff_ffff);
const address = uint32.transform(ipv4);
const port = z.int().min(1).max(65_535);
const hardwareAddress = z
  .int()
  .min(0)
  .max(2 ** 48 - 1)
  .transform(mac);
const cidr = z.object({ address, length: z.int().min(0).max(32) });

const node = z.object({
  kind: z.literal('node'),
  name: z.string(),
  host: z.object({ interfaceName: z.string(), mac: hardwareAddress, addresses: z.array(address) }).optional(),
  serviceCidrs: z.array(cidr),
  routes: z.array(
    z.object({
      cidr,
      interfaceName: z.string(),
      nextHopMac: hardwareAddress,
      sourceMac: hardwareAddress,
      source: address.optional(),
      masquerade: z.boolean().optional(),
    }),
  ),
  uplinkInterface: z.string().optional(),
  // Kept by older versions without it.
  addresses: z.array(address).default([]),
  unsupportedAddresses: z.array(z.string()),
});

const pod = z.object({
  kind: z.literal('pod'),
  attachmentId: z.string(),
  namespace: z.string(),
  name: z.string(),
  interfaceName: z.string(),
  mac: hardwareAddress,
  ip: address,
});

const service = z.object({
  kind: z.literal('service'),
  namespace: z.string(),
  name: z.string(),
  portName: z.string(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
  frontends: z.array(z.object({ address, port })),
  endpoints: z.array(z.object({ address, port, weight: z.int().min(1) })),
  hasEndpointsElsewhere: z.boolean().default(false),
  affinitySeconds: z.int().min(1).optional(),
  unsupportedAddresses: z.array(z.string()),
  agentConditions: z.array(z.object({ reason: z.string(), message: z.string() })),
});

/** A slot as a row of numbers, since there may be a hundred thousand: kind, slot, address, port, since, weight or until. */
const slot = z.tuple([z.int().min(0).max(2), z.int(), address, port, z.number(), z.number()]);
const SLOT_KINDS = ['active', 'draining', 'resting'] as const;

const plan = z.object({
  key: z.string(),
  size: z.int().min(1),
  slots: z.array(slot),
  rested: z.array(z.int()),
  highestUsed: z.int(),
  overflow: z.array(z.object({ address, port, weight: z.int().min(1) })),
});

const object = z.discriminatedUnion('kind', [node, pod, service, setRecord, policyRecord, isolationRecord]);

const record = z.object({
  object: object.optional(),
  id: z.int().min(1).max(65_535).optional(),
  plan: plan.optional(),
  buckets: z.array(z.int().min(0)).optional(),
  since: uint32.optional(),
  frontend: z.object({ address, port }).optional(),
  lost: z.array(z.string()).optional(),
  ports: z.record(z.string(), uint32).optional(),
});

/** A record as plain JSON. */
export function toJson({ object: wanted, plan, ...rest }: StoredRecord): unknown {
  return {
    object: wanted?.kind === 'set' ? storedSet(wanted) : wanted,
    ...rest,
    plan: plan && storedPlan(plan),
  };
}

/** @throws ManagerError STORE when it is not as {@link toJson} makes them. */
export function fromJson(key: string, json: unknown): StoredRecord {
  const parsed = safeParse(record, json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ManagerError('STORE', `record ${key}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { object: wanted, plan: stored, ...rest } = parsed.data;
  return {
    ...rest,
    object: wanted && restoredObject(wanted),
    plan: stored && restoredPlan(stored),
  };
}

function restoredObject(stored: z.output<typeof object>): WantedState {
  switch (stored.kind) {
    case 'node':
      return { ...stored, host: stored.host };
    case 'pod':
      return stored;
    case 'service':
      return { ...stored, affinitySeconds: stored.affinitySeconds };
    case 'set':
      return restoredSet(stored);
    case 'policy':
      return restoredPolicy(stored);
    case 'isolation':
      return restoredIsolation(stored);
  }
}

function storedPlan({ key, size, slots, rested, highestUsed, overflow }: GroupPlan): z.input<typeof plan> {
  return {
    key,
    size,
    slots: slots.map(storedSlot),
    rested: [...rested],
    highestUsed,
    overflow: [...overflow],
  };
}

function storedSlot(from: Slot): z.input<typeof slot> {
  const last = from.state === 'active' ? from.weight : from.until;
  return [SLOT_KINDS.indexOf(from.state), from.slot, from.address, from.port, from.since, last];
}

function restoredPlan({ slots, ...rest }: z.output<typeof plan>): GroupPlan {
  // What was evicted is of interest only to the one who planned.
  return { ...rest, slots: slots.map(restoredSlot), evicted: [] };
}

function restoredSlot([kind, number, at, of, since, last]: z.output<typeof slot>): Slot {
  const state = SLOT_KINDS[kind] ?? 'resting';
  if (state === 'active') return { state, slot: number, address: at, port: of, weight: last, since };
  return { state, slot: number, address: at, port: of, since, until: last };
}
