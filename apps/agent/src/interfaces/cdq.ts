import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@infra-offload/base';
import type { Logger } from 'pino';
import { Devlink, type SubfunctionPort } from './devlink.js';
import type { Exhaustion, InterfacePool, PoolMember } from './interface-pool.js';
import { Sysfs } from './sysfs.js';

/** As many subfunctions as a physical function has virtual ports for. */
export const MAX_SUBFUNCTIONS = 254;

/**
 * Subfunctions are counted as their interfaces are named: d4, the first, has sfnum 101. IPDK's ARP proxy has d4, which
 * stays free for it; d5 leads to the node's kernel.
 */
const FIRST_NUMBER = 4;
const HOST_NUMBER = 5;
const FIRST_POD_NUMBER = 6;
const sfnumOf = (number: number) => number + 97;
const numberOf = (sfnum: number) => sfnum - 97;

/** Longest name of an interface. */
const MAX_NAME_LENGTH = 15;
/** Names that the kernel gives, to new interfaces and to those that come back from a namespace that ended. */
const KERNEL_NAME = /^(eth|dev)[0-9]+$/;

const POLL_MS = 50;

/** A subfunction whose interface is in the agent's network namespace. */
interface Subfunction extends PoolMember {
  readonly number: number;
}

/**
 * Subfunctions of one physical function: interfaces named `<PF>d<number>`, and subfunctions that devlink has made on
 * it. When none is left, another one is made through devlink.
 */
export class CdqPool implements InterfacePool {
  readonly hostInterfaceLabel: string;
  readonly #pf: string;
  readonly #logger: Logger;
  readonly #sysfs: Sysfs;
  readonly #attachTimeoutMs: number;
  #reported = '';

  /**
   * @param pf the PF's interface, for instance `ens801f0`.
   * @param attachTimeoutMs how long a new subfunction may take until its interface is there.
   */
  constructor(pf: string, logger: Logger, sysfs = new Sysfs(), attachTimeoutMs = 5_000) {
    this.#pf = pf;
    this.#logger = logger;
    this.#sysfs = sysfs;
    this.#attachTimeoutMs = attachTimeoutMs;
    this.hostInterfaceLabel = `subfunction interface ${pf}d${HOST_NUMBER}`;
  }

  async members(): Promise<readonly PoolMember[]> {
    return (await this.#subfunctions()).filter(({ number }) => number >= FIRST_POD_NUMBER);
  }

  async grow(): Promise<Exhaustion | undefined> {
    return this.#make((ports) => {
      const idle = ports.find(({ sfnum, isActive }) => !isActive && sfnum >= sfnumOf(FIRST_POD_NUMBER));
      if (idle !== undefined) return idle.sfnum;
      const used = new Set(ports.map(({ sfnum }) => sfnum));
      let sfnum = sfnumOf(FIRST_POD_NUMBER);
      while (used.has(sfnum)) sfnum++;
      return sfnum;
    });
  }

  mayHave(interfaceName: string, device: string | undefined): boolean {
    // Of another PF's subfunctions the name tells; the device is one of the PF's, or of the auxiliary bus.
    return device !== undefined || interfaceName.startsWith(`${this.#pf}d`);
  }

  async explainExhaustion(): Promise<Exhaustion> {
    return { reason: `no subfunction of ${this.#pf} is left`, advice: 'delete pods' };
  }

  async hostInterface(): Promise<string | undefined> {
    const found = await this.#find(HOST_NUMBER);
    if (found !== undefined) return found.name;
    const problem = await this.#make(() => sfnumOf(HOST_NUMBER));
    if (problem !== undefined && problem.reason !== this.#reported) {
      this.#logger.warn({ interface: this.#pf, ...problem }, 'no subfunction for the node itself');
    }
    this.#reported = problem?.reason ?? '';
    return (await this.#find(HOST_NUMBER))?.name;
  }

  /** Makes a subfunction, or activates one that was made and never activated, and waits for its interface. */
  async #make(chooseSfnum: (ports: readonly SubfunctionPort[]) => number): Promise<Exhaustion | undefined> {
    const address = await this.#sysfs.target('class/net', this.#pf, 'device');
    if (address === undefined) {
      return { reason: `there is no interface ${this.#pf}`, advice: 'see `interface` of the configuration' };
    }
    const devlink = new Devlink(address);
    let port: SubfunctionPort;
    try {
      const ports = await devlink.subfunctions();
      const sfnum = chooseSfnum(ports);
      const known = ports.find((port) => port.sfnum === sfnum);
      if (known === undefined && ports.length >= MAX_SUBFUNCTIONS) {
        return {
          reason: `${this.#pf} has ${ports.length} subfunctions, the most that it can have (${MAX_SUBFUNCTIONS})`,
          advice: 'delete pods; two subfunctions are reserved for the node and for an ARP proxy',
        };
      }
      port = known ?? (await devlink.add(sfnum));
      if (!port.isActive) await devlink.activate(port);
    } catch (error) {
      return {
        reason: `${this.#pf} cannot create another subfunction: ${messageOf(error)}`,
        advice: 'delete pods, or create subfunctions with the tools of the device',
      };
    }
    if (!(await this.#appears(numberOf(port.sfnum)))) {
      // Else each call would leave another one behind.
      await devlink.remove(port).catch((error: unknown) => {
        this.#logger.warn({ port: port.handle, reason: messageOf(error) }, 'subfunction cannot be removed');
      });
      return {
        reason: `subfunction ${port.sfnum} of ${this.#pf} has no interface ${this.#attachTimeoutMs / 1000} s after it was created`,
        advice: 'see the log of the kernel; is the driver of the subfunction loaded?',
      };
    }
    this.#logger.info({ interface: this.#pf, sfnum: port.sfnum }, 'subfunction created');
    return undefined;
  }

  /** Waits for the interface of a subfunction. */
  async #appears(number: number): Promise<boolean> {
    const deadline = performance.now() + this.#attachTimeoutMs;
    while ((await this.#find(number)) === undefined) {
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  async #find(number: number): Promise<Subfunction | undefined> {
    return (await this.#subfunctions()).find((subfunction) => subfunction.number === number);
  }

  /** By number: d6 before d10. */
  async #subfunctions(): Promise<Subfunction[]> {
    const names = await this.#sysfs.list('class/net');
    const address = await this.#sysfs.target('class/net', this.#pf, 'device');
    const found = await Promise.all(names.map((name) => this.#read(name, address)));
    return found.filter((each) => each !== undefined).sort((a, b) => a.number - b.number);
  }

  async #read(name: string, pfAddress: string | undefined): Promise<Subfunction | undefined> {
    if (name === this.#pf) return undefined;
    const netdev = await this.#sysfs.netdev(name);
    const place = await this.#place(name, pfAddress);
    if (netdev === undefined || place === undefined || place.number < FIRST_NUMBER) return undefined;
    const own = `${this.#pf}d${place.number}`;
    const isLost = KERNEL_NAME.test(name) && own.length <= MAX_NAME_LENGTH;
    return { ...netdev, ...place, ...(isLost ? { properName: own } : {}) };
  }

  /** Which subfunction of our PF an interface belongs to. */
  async #place(
    name: string,
    pfAddress: string | undefined,
  ): Promise<{ readonly number: number; readonly device?: string } | undefined> {
    const device = await this.#sysfs.target('class/net', name, 'device');
    const suffix = name.startsWith(`${this.#pf}d`) ? name.slice(this.#pf.length + 1) : '';
    const named = /^[0-9]+$/.test(suffix) ? Number(suffix) : undefined;
    if (device !== undefined && pfAddress !== undefined) {
      const auxiliary = ['bus/auxiliary/devices', device] as const;
      const sfnum = await this.#sysfs.text(...auxiliary, 'sfnum');
      if (sfnum !== undefined && (await this.#sysfs.parentOfTarget(...auxiliary)) === pfAddress) {
        return { number: numberOf(Number(sfnum)), device: `auxiliary/${device}` };
      }
      if (device === pfAddress) {
        // A port of the PF itself: what makes the d-suffix is the number of the port.
        const port = Number(await this.#sysfs.text('class/net', name, 'dev_port'));
        const number = named ?? port;
        return number >= FIRST_NUMBER ? { number, device: `pci/${pfAddress}/${number}` } : undefined;
      }
    }
    return named === undefined ? undefined : { number: named };
  }
}
