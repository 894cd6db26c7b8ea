import { ipv4 } from '@infra-offload/net';
import * as z from 'zod';
import type {
  AddressSetObject,
  IsolationObject,
  PolicyObject,
  PolicyPort,
  PolicyRule,
} from '../model/policy-objects.js';

/** How sets, policies and isolations are stored: as they are, except that members of sets are plain rows of numbers. */

const address = z.int().min(0).max(0xffff_ffff).transform(ipv4);
const length = z.int().min(0).max(32);
const port = z.int().min(0).max(65_535);
const protocol = z.int().min(0).max(255);
const cidr = z.object({ address, length });
const conditions = z.array(z.object({ reason: z.string(), message: z.string() }));

export const setRecord = z.object({
  kind: z.literal('set'),
  name: z.string(),
  addresses: z.array(address),
  cidrs: z.array(z.tuple([address, length])),
  addressPorts: z.array(z.tuple([address, protocol, port])),
});

const portRecord = z.union([
  z.object({ kind: z.literal('set'), set: z.string() }),
  z.object({
    kind: z.literal('range'),
    protocol: protocol.optional(),
    ports: z.object({ first: port, last: port }).optional(),
  }),
]);
const rule = z.object({
  action: z.enum(['allow', 'deny', 'pass']),
  peers: z.array(z.object({ negated: z.boolean(), cidrs: z.array(cidr), sets: z.array(z.string()) })),
  ports: z.array(portRecord),
  notPorts: z.array(portRecord),
});

export const policyRecord = z.object({
  kind: z.literal('policy'),
  name: z.string(),
  ingress: z.array(rule),
  egress: z.array(rule),
  agentConditions: conditions,
});

const tiers = z.array(z.object({ policies: z.array(z.string()), defaultAction: z.enum(['deny', 'pass']) }));

export const isolationRecord = z.object({
  kind: z.literal('isolation'),
  namespace: z.string(),
  name: z.string(),
  ingress: tiers.optional(),
  egress: tiers.optional(),
  agentConditions: conditions,
});

export function storedSet({ cidrs, addressPorts, ...rest }: AddressSetObject): z.input<typeof setRecord> {
  return {
    ...rest,
    addresses: [...rest.addresses],
    cidrs: cidrs.map((one) => [one.address, one.length]),
    addressPorts: addressPorts.map((one) => [one.address, one.protocol, one.port]),
  };
}

export function restoredSet({ cidrs, addressPorts, ...rest }: z.output<typeof setRecord>): AddressSetObject {
  return {
    ...rest,
    cidrs: cidrs.map(([first, bits]) => ({ address: first, length: bits })),
    addressPorts: addressPorts.map(([member, number, of]) => ({
      address: member,
      protocol: number,
      port: of,
    })),
  };
}

export function restoredPolicy(stored: z.output<typeof policyRecord>): PolicyObject {
  return { ...stored, ingress: stored.ingress.map(restoredRule), egress: stored.egress.map(restoredRule) };
}

export function restoredIsolation(stored: z.output<typeof isolationRecord>): IsolationObject {
  return { ...stored, ingress: stored.ingress, egress: stored.egress };
}

function restoredRule(stored: z.output<typeof rule>): PolicyRule {
  return { ...stored, ports: stored.ports.map(restoredPort), notPorts: stored.notPorts.map(restoredPort) };
}

function restoredPort(stored: z.output<typeof portRecord>): PolicyPort {
  return stored.kind === 'set' ? stored : { kind: 'range', protocol: stored.protocol, ports: stored.ports };
}
