import { DropReason } from '@infra-offload/p4src';
import type { Direction } from '@infra-offload/policy-compiler';
import type { Facts } from './facts.js';

/** Whether the policies of a direction have stopped a packet. */
export function isDenied(direction: Direction, facts: Facts): boolean {
  if (facts.of(direction)[0]?.hit !== true || facts.outcome.kind === 'sent') return false;
  const { reason } = facts.outcome;
  const isPolicy = reason === DropReason.egressPolicy || reason === DropReason.ingressPolicy;
  // What policies have denied may be refused as a port that no service has.
  if (!isPolicy && reason !== DropReason.unusedPort) return false;
  return !facts.has('route') && (direction === 'ingress' || !facts.has('ingress'));
}
