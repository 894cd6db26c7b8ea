import { formatIPv4 } from '../../state/addresses.js';
import { describeKey, type PodObject } from '../../state/objects.js';
import type { Claim, CompileContext, Compiled, Condition } from '../driver.js';
import type { DpdkRow } from './rows.js';

/**
 * A pod's rows: its port (which also pins its source address), the way to it, and the answer to ARP requests for it.
 * A pod that lacks its address or interface gets none, so that it cannot send under another pod's name either.
 */
export function compilePod(pod: PodObject, context: CompileContext, gatewayMac: number): Compiled<DpdkRow> {
  const conflict = conflictOf(podClaims(pod, context), context);
  if (conflict !== undefined) return { rows: [], conditions: [conflict] };
  const found = context.port(pod.interfaceName);
  if (found.kind !== 'known') return { rows: [], conditions: [missingPort(pod.interfaceName, found)] };
  const { port } = found;
  return {
    rows: [
      { table: 'port_table', port, role: 'pod', podIp: pod.ip },
      { table: 'pod_forward', ip: pod.ip, port, dstMac: pod.mac, srcMac: gatewayMac },
      // Whoever asks for a pod talks to the gateway: the pipeline routes, it does not bridge.
      { table: 'arp_table', ip: pod.ip, mac: gatewayMac },
    ],
    conditions: [],
  };
}

/** An address, an interface and a port belong to one pod. */
export function podClaims(pod: PodObject, context: CompileContext): readonly Claim[] {
  return [addressClaim(pod.ip), ...interfaceClaims(pod.interfaceName, context)];
}

/** The first of `claims` that another object holds, as a condition. */
export function conflictOf(claims: readonly Claim[], context: CompileContext): Condition | undefined {
  for (const { key, what, reason } of claims) {
    const holder = context.holder(key);
    if (holder !== undefined) {
      return { severity: 'degraded', reason, message: `${what} is held by ${describeKey(holder)}` };
    }
  }
  return undefined;
}

export function addressClaim(ip: number): Claim {
  return { key: `address/${ip}`, what: `address ${formatIPv4(ip)}`, reason: 'AddressConflict' };
}

/** An interface by its name, and by its port once that is known. */
export function interfaceClaims(name: string, context: CompileContext): readonly Claim[] {
  const reason = 'InterfaceConflict';
  const claims: Claim[] = [{ key: `interface/${name}`, what: `interface ${name}`, reason }];
  const found = context.port(name);
  if (found.kind === 'known') {
    claims.push({ key: `port/${found.port}`, what: `port ${found.port} (interface ${name})`, reason });
  }
  return claims;
}

/** Why an interface has no port yet. */
export function missingPort(
  interfaceName: string,
  found: { readonly kind: 'unknown' } | { readonly kind: 'missing'; readonly message: string },
): Condition {
  if (found.kind === 'missing') {
    return { severity: 'degraded', reason: 'InterfaceNotFound', message: found.message };
  }
  return {
    severity: 'pending',
    reason: 'InterfaceUnknown',
    message: `the target has not told the port of ${interfaceName} yet`,
  };
}
