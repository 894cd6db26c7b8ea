import { type InterfaceType, portIdOf } from '@infra-offload/infra-api';
import { ManagerError, unreachable } from '../errors.js';
import { formatMac } from '../state/addresses.js';
import type { PortSource } from './port-resolver.js';

/** Ports of interfaces by the rule of their kind; what is no pod's is always asked of the target. */
export class PodPorts implements PortSource {
  constructor(
    private readonly interfaceType: InterfaceType,
    private readonly target: PortSource,
    private readonly podMac: (interfaceName: string) => number | undefined,
  ) {}

  /** @param mac of the pod, if it is not among the wanted ones yet. */
  async portOf(interfaceName: string, mac = this.podMac(interfaceName)): Promise<number> {
    if (mac === undefined) return this.target.portOf(interfaceName);
    const id = portIdOf(this.interfaceType, formatMac(mac));
    switch (id.kind) {
      case 'ask-target':
        return this.target.portOf(interfaceName);
      case 'known':
        return id.port;
      case 'none': {
        const message = `${interfaceName} is no port of the target: interfaceType is ${this.interfaceType}; use tap, sriov or cdq`;
        throw new ManagerError('NOT_FOUND', message, { interface: interfaceName });
      }
      default:
        return unreachable(id);
    }
  }
}
