import type { WantedState } from '../model/objects.js';
import type { AddressSetObject } from '../model/policy-objects.js';

/**
 * Whether two versions of a set, a policy or an isolation say the same, so that nothing has to be worked out anew. For
 * other objects that is not asked.
 */
export function isUnchanged(before: WantedState | undefined, after: WantedState): boolean {
  switch (after.kind) {
    case 'set':
      return before?.kind === 'set' && isSameSet(before, after);
    case 'policy':
    case 'isolation':
      return before?.kind === after.kind && JSON.stringify(before) === JSON.stringify(after);
    default:
      return false;
  }
}

function isSameSet(a: AddressSetObject, b: AddressSetObject): boolean {
  return (
    a.addresses.length === b.addresses.length &&
    a.cidrs.length === b.cidrs.length &&
    a.addressPorts.length === b.addressPorts.length &&
    a.addresses.every((address, i) => address === b.addresses[i]) &&
    a.cidrs.every(({ address, length }, i) => {
      const other = b.cidrs[i];
      return address === other?.address && length === other.length;
    }) &&
    a.addressPorts.every(({ address, protocol, port }, i) => {
      const other = b.addressPorts[i];
      return address === other?.address && protocol === other.protocol && port === other.port;
    })
  );
}
