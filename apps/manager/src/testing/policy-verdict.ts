import { hasPorts, type PolicyPacket, type PolicyProfile, ruleMatches } from '@infra-offload/policy-compiler';

/** Whether a profile allows a packet, rule by rule as `profile.ts` defines it: the reference for compilers. */
export function allowedByProfile(profile: PolicyProfile, packet: PolicyPacket): boolean {
  if (profile.alwaysAllowed.includes(packet.peer)) return true;
  for (const { rules, defaultAction } of profile.tiers) {
    const action = rules.find((rule) => ruleMatches(rule, packet))?.action ?? defaultAction;
    if (action !== 'pass') return action === 'allow';
  }
  return false;
}

/**
 * The same as far as a data plane can tell that takes a packet without port for one to port 0: such a packet is only
 * allowed if both are.
 */
export function allowedByDataPlane(profile: PolicyProfile, packet: PolicyPacket): boolean {
  if (packet.port !== undefined && packet.port > 0) return allowedByProfile(profile, packet);
  const allowed = (port: number | undefined) => allowedByProfile(profile, { ...packet, port });
  return allowed(undefined) && (!hasPorts(packet.protocol) || allowed(0));
}
