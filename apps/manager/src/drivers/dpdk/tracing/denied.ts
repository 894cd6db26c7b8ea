import type { Direction } from '@infra-offload/policy-compiler';
import type { Facts } from './facts.js';

/** Whether the policies of a direction stop a packet: nothing that they allow to its peer is allowed at its port. */
export function isDenied(direction: Direction, facts: Facts): boolean {
  if (facts.of(direction)[0]?.hit !== true) return false;
  const maskOf = (table: string) => facts.first(direction, table)?.mask ?? 0n;
  return ((maskOf('policy_peer') | maskOf('policy_cidr')) & maskOf('policy_port')) === 0n;
}
