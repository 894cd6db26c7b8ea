import { messageOf } from '@infra-offload/base';
import * as z from 'zod';
import { AgentError } from '../errors.js';
import { outputOf } from './command-output.js';

const portSchema = z.object({
  flavour: z.string().optional(),
  pfnum: z.number().optional(),
  sfnum: z.number().optional(),
  function: z.object({ state: z.string().optional() }).optional(),
});

/** What `devlink -json port` prints, as far as it is used here. */
const outputSchema = z.object({ port: z.record(z.string(), portSchema) });

/** The port of a subfunction on the device that it belongs to. */
export interface SubfunctionPort {
  /** As devlink takes it: `pci/0000:af:00.0/32768`. */
  readonly handle: string;
  readonly sfnum: number;
  /** Whether the subfunction itself, with its interface, is to be there. */
  readonly isActive: boolean;
}

/** Subfunctions of one PCI function, by the command `devlink` of iproute2. */
export class Devlink {
  readonly #device: string;
  readonly #pfnum: string;

  /** @param address PCI address of the physical function, `0000:af:00.0`. */
  constructor(address: string) {
    this.#device = `pci/${address}`;
    this.#pfnum = String(Number(address.split('.').at(-1)));
  }

  /** By sfnum. @throws AgentError COMMAND_FAILED */
  async subfunctions(): Promise<SubfunctionPort[]> {
    const ports = await this.#ports(['port', 'show']);
    return ports.filter(({ handle }) => handle.startsWith(`${this.#device}/`));
  }

  /** Makes a port, whose subfunction is inactive. @throws AgentError COMMAND_FAILED */
  async add(sfnum: number): Promise<SubfunctionPort> {
    const command = ['port', 'add', this.#device, 'flavour', 'pcisf', 'pfnum', this.#pfnum];
    const [port] = await this.#ports([...command, 'sfnum', String(sfnum)]);
    if (port !== undefined) return port;
    throw new AgentError('COMMAND_FAILED', `devlink did not report the new subfunction ${sfnum}`);
  }

  /** @throws AgentError COMMAND_FAILED */
  async activate({ handle }: SubfunctionPort): Promise<void> {
    await outputOf('devlink', ['port', 'function', 'set', handle, 'state', 'active']);
  }

  /** Removes a port and its subfunction. @throws AgentError COMMAND_FAILED */
  async remove({ handle }: SubfunctionPort): Promise<void> {
    await outputOf('devlink', ['port', 'del', handle]);
  }

  async #ports(args: readonly string[]): Promise<SubfunctionPort[]> {
    const text = await outputOf('devlink', ['-json', ...args]);
    let ports: z.output<typeof outputSchema>['port'];
    try {
      ports = outputSchema.parse(JSON.parse(text)).port;
    } catch (cause) {
      const message = `devlink ${args.join(' ')}: unexpected output: ${messageOf(cause)}`;
      throw new AgentError('COMMAND_FAILED', message, { details: { stdout: text.slice(0, 1000) }, cause });
    }
    return Object.entries(ports)
      .flatMap(([handle, { flavour, sfnum, function: own }]) =>
        flavour === 'pcisf' && sfnum !== undefined
          ? [{ handle, sfnum, isActive: own?.state === 'active' }]
          : [],
      )
      .sort((a, b) => a.sfnum - b.sfnum);
  }
}
