import { createSocket } from 'node:dgram';
import { Guard } from '@infra-offload/guard';
import { runCommand } from '../interfaces/command.js';
import { outputOf } from '../interfaces/command-output.js';
import { IpRoute, type LinkAddress } from '../interfaces/iproute.js';

/** What the kernel knows of its neighbours, and how it is made to ask for them. */
export interface Neighbours {
  /** MAC addresses by IPv4 address. */
  known(): Promise<ReadonlyMap<string, string>>;
  /**
   * Lets the kernel ask for `addresses` by ARP on the link where it has one of `own`, wherever its routes lead. What it
   * knows of them already is proved again, so that an address that has moved is noticed. The answers come later.
   */
  askOnLink(addresses: readonly string[], own: readonly string[]): Promise<void>;
  /** Lets the kernel ask for an address that it has an on-link route to. */
  ask(address: string): Promise<void>;
}

interface KernelNeighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

export const kernelNeighbours: Neighbours = {
  async known() {
    const output = await outputOf('ip', ['-4', '-json', 'neighbour', 'show']);
    const entries: KernelNeighbour[] = JSON.parse(output || '[]');
    return new Map(
      entries.flatMap(({ dst, lladdr, state }): [string, string][] =>
        lladdr === undefined || state?.includes('FAILED') ? [] : [[dst, lladdr]],
      ),
    );
  },
  async askOnLink(addresses, own) {
    const link = await linkOf(own);
    if (link === undefined) return;
    const commands = addresses.map((address) => `neighbour replace ${address} dev ${link} use`);
    // The link may go meanwhile, and an iproute2 before 5.16 does not know `use`: then nobody answers.
    await runCommand('ip', ['-force', '-batch', '-'], { stdin: commands.join('\n') });
  },
  /** By a packet to the discard port, which makes the kernel look for the way itself. */
  ask(address) {
    return new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      const done = new Guard(reject).handler(() => {
        socket.close();
        resolve();
      });
      socket.once('error', done);
      socket.send('', 9, address, done);
    });
  },
};

async function linkOf(own: readonly string[]): Promise<string | undefined> {
  const links = await new IpRoute().linksWithAddresses();
  const hasOne = ({ local }: LinkAddress) => own.includes(local);
  return links.find(({ addr_info }) => addr_info.some(hasOne))?.ifname;
}
