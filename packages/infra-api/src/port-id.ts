/** Kinds of pod interfaces, as the configurations of agent and manager name them (`interfaceType`). */
export type InterfaceType = 'tap' | 'ipvlan' | 'sriov' | 'cdq';

/** Where the data plane's number of an interface comes from. */
export type PortId =
  /** The target tells: gNMI `interfaces/virtual-interface[name=<interface>]/config/tdi-portin-id`. */
  | { readonly kind: 'ask-target' }
  | { readonly kind: 'known'; readonly port: number }
  /** The interface is no port of a P4 target. */
  | { readonly kind: 'none' };

/** Ports below are those of the device itself; the virtual ports of its functions follow. */
const FIRST_VIRTUAL_PORT = 16;

/**
 * The rule of each kind for the port that an interface has in the data plane. The target makes TAPs and knows them by
 * name. A virtual function or subfunction has the number of its virtual port in its MAC address, as the
 * device gave it: the port is the second byte, plus 16. An ipvlan child is the kernel's own.
 *
 * @param mac of the interface as its device gave it, `00:0d:00:00:03:18`.
 * @returns ports from 16 to 271.
 * @throws RangeError if `mac` is needed and is no MAC address.
 */
export function portIdOf(interfaceType: InterfaceType, mac: string): PortId {
  switch (interfaceType) {
    case 'tap':
      return { kind: 'ask-target' };
    case 'sriov':
    case 'cdq': {
      const second = /^[0-9a-f]{2}:([0-9a-f]{2})(?::[0-9a-f]{2}){4}$/i.exec(mac)?.[1];
      if (second === undefined)
        throw new RangeError(`'${mac}' is not a MAC address such as 00:0d:00:00:03:18`);
      return { kind: 'known', port: Number.parseInt(second, 16) + FIRST_VIRTUAL_PORT };
    }
    case 'ipvlan':
      return { kind: 'none' };
    default:
      return interfaceType satisfies never;
  }
}
