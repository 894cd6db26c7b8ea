import { type InterfaceType, portIdOf } from '@infra-offload/infra-api';
import { formatMac, type Mac } from '@infra-offload/net';
import { ManagerError, unreachable } from '../errors.js';
import type { PortSource } from './port-resolver.js';

/** Ports of interfaces by the rule of their kind; those whose MAC address nobody told, such as uplinks, are asked of the target. */
export class InterfacePorts implements PortSource {
  readonly #interfaceType: InterfaceType;
  readonly #target: PortSource;
  readonly #macOf: (interfaceName: string) => Mac | undefined;

  constructor(
    interfaceType: InterfaceType,
    target: PortSource,
    macOf: (interfaceName: string) => Mac | undefined,
  ) {
    this.#interfaceType = interfaceType;
    this.#target = target;
    this.#macOf = macOf;
  }

  /** @param mac of the interface, if what names it is not among the wanted objects yet. */
  async portOf(interfaceName: string, mac = this.#macOf(interfaceName)): Promise<number> {
    if (mac === undefined) return this.#target.portOf(interfaceName);
    const id = portIdOf(this.#interfaceType, formatMac(mac));
    switch (id.kind) {
      case 'ask-target':
        return this.#target.portOf(interfaceName);
      case 'known':
        return id.port;
      case 'none': {
        const message = `${interfaceName} is not a port of the target: interfaceType is ${this.#interfaceType}; use tap, sriov or cdq`;
        throw new ManagerError('NOT_FOUND', message, { details: { interface: interfaceName } });
      }
      default:
        return unreachable(id);
    }
  }
}
