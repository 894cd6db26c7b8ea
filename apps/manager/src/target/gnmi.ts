import { messageOf } from '@infra-offload/base';
import { GnmiClient, type GnmiOptions, P4rtError, virtualPortNumber } from '@infra-offload/p4rt';
import { ManagerError } from '../errors.js';
import type { PortSource } from './port-resolver.js';

/** Ports of the target's virtual interfaces, asked through gNMI (`tdi-portin-id`). */
export class GnmiPorts implements PortSource {
  readonly #client: GnmiClient;

  constructor(options: GnmiOptions) {
    this.#client = GnmiClient.connect(options);
  }

  async portOf(interfaceName: string): Promise<number> {
    try {
      return await virtualPortNumber(this.#client, interfaceName);
    } catch (error) {
      if (P4rtError.is(error, 'NOT_FOUND', 'MALFORMED')) {
        const message = `the target has no interface ${interfaceName}: ${messageOf(error)}`;
        throw new ManagerError('NOT_FOUND', message, { details: { interface: interfaceName }, cause: error });
      }
      const message = `the target cannot be asked for the port of ${interfaceName}: ${messageOf(error)}`;
      throw new ManagerError('TARGET_UNAVAILABLE', message, {
        details: { interface: interfaceName },
        cause: error,
      });
    }
  }

  close(): void {
    this.#client.close();
  }
}
