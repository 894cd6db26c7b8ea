import { formatIPv4, type IPv4 } from '@infra-offload/net';
import { type Condition, condition } from '../model/condition.js';
import {
  describeKey,
  type Frontend,
  type PodObject,
  type Protocol,
  type ServiceObject,
} from '../model/objects.js';
import type { Claim, CompileContext } from './driver.js';

/** An address, an interface and a port belong to one pod. */
export function podClaims(pod: PodObject, context: CompileContext): readonly Claim[] {
  return [addressClaim(pod.ip), ...interfaceClaims(pod.interfaceName, context)];
}

/** The first of `claims` that another object holds, as a condition. */
export function conflictOf(claims: readonly Claim[], context: CompileContext): Condition | undefined {
  for (const { key, what, reason } of claims) {
    const holder = context.holder(key);
    if (holder !== undefined) {
      return condition(reason, `${what} is held by ${describeKey(holder)}`);
    }
  }
  return undefined;
}

/** The claim of being the node of the target. */
export const NODE_CLAIM_KEY = 'node';

export const NODE_CLAIM: Claim = {
  key: NODE_CLAIM_KEY,
  what: 'the node of this target',
  reason: 'NodeConflict',
};

/** The claim of an address: who holds it has the address on this node. */
export function addressKey(ip: IPv4): string {
  return `address/${ip}`;
}

export function addressClaim(ip: IPv4): Claim {
  return { key: addressKey(ip), what: `address ${formatIPv4(ip)}`, reason: 'AddressConflict' };
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
    return condition('InterfaceNotFound', found.message);
  }
  return condition('InterfaceUnknown', `the target has not reported the port of ${interfaceName} yet`);
}

/** Every frontend may be claimed by one service. */
export function frontendClaims(service: ServiceObject): readonly Claim[] {
  return service.frontends.map((frontend) => ({
    key: frontendKey(frontend, service.protocol),
    what: `frontend ${formatFrontend(frontend)}/${service.protocol}`,
    reason: 'FrontendConflict',
  }));
}

export function frontendKey({ address, port }: Frontend, protocol: Protocol): string {
  return `frontend/${address}/${port}/${protocol}`;
}

export function formatFrontend({ address, port }: Frontend): string {
  return `${formatIPv4(address)}:${port}`;
}

/** For addresses of a family that the pipeline does not know. */
export function unsupportedAddresses(addresses: readonly string[]): Condition {
  const more = addresses.length > 5 ? ` and ${addresses.length - 5} more` : '';
  const message = `the pipeline knows IPv4 only, left out: ${addresses.slice(0, 5).join(', ')}${more}`;
  return condition('AddressFamilyNotSupported', message);
}
