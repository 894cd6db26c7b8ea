import type { Logger } from 'pino';
import type { Exhaustion, InterfacePool, PoolMember } from './interface-pool.js';
import { type Netdev, Sysfs } from './sysfs.js';

/** IPDK's ARP proxy has VF 0, which stays free for it; VF 1 leads to the node's kernel. */
const HOST_VF = 1;
const FIRST_POD_VF = 2;

/** Drivers that give a VF to a program or a virtual machine instead of the kernel. */
const PASS_THROUGH_DRIVERS = ['vfio-pci', 'igb_uio', 'uio_pci_generic', 'pci-stub'];

/** A virtual function, as sysfs has it. */
interface VirtualFunction {
  readonly id: number;
  /** PCI address, `0000:18:01.3`. */
  readonly address: string;
  readonly driver: string | undefined;
  /** Absent if the VF has none, or it is in another network namespace. */
  readonly netdev: Netdev | undefined;
}

/** Virtual functions of one physical function, which the node's administrator has made (`sriov_numvfs`). */
export class SriovPool implements InterfacePool {
  readonly hostInterfaceLabel: string;
  readonly #pf: string;
  readonly #logger: Logger;
  readonly #sysfs: Sysfs;
  #reported = '';

  /** @param pf the PF's interface, for instance `ens801f0`. */
  constructor(pf: string, logger: Logger, sysfs = new Sysfs()) {
    this.#pf = pf;
    this.#logger = logger;
    this.#sysfs = sysfs;
    this.hostInterfaceLabel = `the interface of virtual function ${HOST_VF} of ${pf}`;
  }

  async members(): Promise<readonly PoolMember[]> {
    const functions = await this.#functions();
    this.#report(functions);
    return functions.flatMap(({ id, address, netdev }) =>
      id < FIRST_POD_VF || netdev === undefined ? [] : [{ ...netdev, device: `pci/${address}` }],
    );
  }

  mayHave(_interfaceName: string, device: string | undefined): boolean {
    return device?.startsWith('pci/') === true;
  }

  async explainExhaustion(inPods: ReadonlySet<string>): Promise<Exhaustion> {
    const functions = await this.#functions();
    if (functions.length === 0) {
      const isThere = (await this.#sysfs.netdev(this.#pf)) !== undefined;
      return isThere
        ? {
            reason: `${this.#pf} has no virtual functions`,
            advice: `write their number to /sys/class/net/${this.#pf}/device/sriov_numvfs`,
          }
        : { reason: `there is no interface ${this.#pf}`, advice: 'see `interface` of the configuration' };
    }
    const unusable = functions
      .filter(({ id, address }) => id >= FIRST_POD_VF && !inPods.has(`pci/${address}`))
      .map((vf) => `VF ${vf.id} (${vf.address}) ${whyUnusable(vf) ?? 'has no interface on the node'}`);
    const count = `${this.#pf} has ${functions.length} virtual functions, 0 and 1 reserved`;
    return {
      reason: [count, ...unusable].join('; '),
      advice: `delete pods, or create more virtual functions of ${this.#pf}`,
    };
  }

  async hostInterface(): Promise<string | undefined> {
    return (await this.#functions()).find(({ id }) => id === HOST_VF)?.netdev?.name;
  }

  /** By VF id: virtfn2 before virtfn10. */
  async #functions(): Promise<VirtualFunction[]> {
    const directory = `class/net/${this.#pf}/device`;
    const ids = (await this.#sysfs.list(directory)).flatMap((name) => {
      const id = /^virtfn([0-9]+)$/.exec(name)?.[1];
      return id === undefined ? [] : [Number(id)];
    });
    const found = ids.sort((a, b) => a - b).map((id) => this.#read(id, `${directory}/virtfn${id}`));
    return (await Promise.all(found)).filter((vf) => vf !== undefined);
  }

  async #read(id: number, path: string): Promise<VirtualFunction | undefined> {
    const [address, driver, netdevs] = await Promise.all([
      this.#sysfs.target(path),
      this.#sysfs.target(path, 'driver'),
      this.#sysfs.list(path, 'net'),
    ]);
    const [name] = netdevs;
    if (address === undefined) return undefined;
    return { id, address, driver, netdev: name === undefined ? undefined : await this.#sysfs.netdev(name) };
  }

  /** Tells once of those that can never be given to a pod as they are. */
  #report(functions: readonly VirtualFunction[]): void {
    const problems = functions.flatMap((vf) => {
      const why = whyUnusable(vf);
      return why === undefined ? [] : [`VF ${vf.id} (${vf.address}) ${why}`];
    });
    const text = problems.join('; ');
    if (text !== this.#reported && text !== '') {
      this.#logger.warn({ interface: this.#pf, problems }, 'virtual functions that pods cannot use');
    }
    this.#reported = text;
  }
}

/** Whatever namespace its interface is in; undefined if nothing is wrong with the VF itself. */
function whyUnusable({ driver, netdev }: VirtualFunction): string | undefined {
  if (netdev !== undefined) return undefined;
  if (driver === undefined) return 'has no driver';
  return PASS_THROUGH_DRIVERS.includes(driver) ? `is bound to ${driver}` : undefined;
}
