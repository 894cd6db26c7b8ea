import { fail } from '../errors.js';
import type { PortInfo, PortRequest, PortStatistics } from './provider.js';

/** Longest interface name in Linux (IFNAMSIZ without the final zero). */
const MAX_NAME = 15;
/** Largest port number: what fits a 16 bit half of the MAC address, far beyond what one process can serve. */
const MAX_PORT = 65_535;
export const MIN_MTU = 68;
export const MAX_MTU = 65_521;
export const DEFAULT_MTU = 1500;

/** A port with the counters that its provider keeps. */
export interface RegisteredPort {
  readonly info: PortInfo;
  readonly statistics: PortStatistics;
}

/** The numbers, names and counters of ports, the same for every provider. */
export class PortRegistry<P extends RegisteredPort> {
  readonly #kind: PortInfo['kind'];
  readonly #byNumber = new Map<number, P>();
  readonly #byName = new Map<string, P>();
  unknownPortDrops = 0;

  constructor(kind: PortInfo['kind']) {
    this.#kind = kind;
  }

  /** Checks a request and fills it in; ALREADY_EXISTS or INVALID_ARGUMENT. */
  describe(request: PortRequest): PortInfo {
    const { name, mtu = DEFAULT_MTU } = request;
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name) || name.length > MAX_NAME) {
      fail(
        'INVALID_ARGUMENT',
        `'${name}' is not an interface name: 1 to ${MAX_NAME} of A-Z a-z 0-9 _ . - are allowed`,
      );
    }
    if (!Number.isInteger(mtu) || mtu < MIN_MTU || mtu > MAX_MTU) {
      fail('INVALID_ARGUMENT', `port ${name}: mtu ${mtu} is not in ${MIN_MTU}..${MAX_MTU}`);
    }
    if (this.#byName.has(name)) fail('ALREADY_EXISTS', `port ${name} exists already`);
    const number = request.number ?? this.#numberFor(name);
    if (!Number.isInteger(number) || number < 0 || number > MAX_PORT) {
      fail('INVALID_ARGUMENT', `port ${name}: number ${number} is not in 0..${MAX_PORT}`);
    }
    const holder = this.#byNumber.get(number);
    if (holder !== undefined) {
      fail('ALREADY_EXISTS', `port ${name}: number ${number} is taken by ${holder.info.name}`);
    }
    return { number, name, mtu, kind: this.#kind, mac: macAddress(number) };
  }

  add(port: P): void {
    this.#byNumber.set(port.info.number, port);
    this.#byName.set(port.info.name, port);
  }

  /** Forgets the port and returns it; NOT_FOUND. */
  take(name: string): P {
    const port = this.#byName.get(name) ?? fail('NOT_FOUND', `no port ${name}`);
    this.#byName.delete(name);
    this.#byNumber.delete(port.info.number);
    return port;
  }

  get(number: number): P | undefined {
    return this.#byNumber.get(number);
  }

  named(name: string): P | undefined {
    return this.#byName.get(name);
  }

  /** By number, lowest first. */
  all(): P[] {
    return [...this.#byNumber.values()].sort((a, b) => a.info.number - b.info.number);
  }

  #numberFor(name: string): number {
    const suffix = /(?:^|\D)(\d{1,5})$/.exec(name)?.[1];
    const wanted = suffix === undefined ? undefined : Number(suffix);
    if (wanted !== undefined && wanted <= MAX_PORT && !this.#byNumber.has(wanted)) return wanted;
    let number = 0;
    while (this.#byNumber.has(number)) number++;
    return number;
  }
}

/** The locally administered MAC address of port `number`: 02:50:34 ("P4") and the number. */
export function macAddress(number: number): string {
  const octets = [0x02, 0x50, 0x34, 0, (number >> 8) & 0xff, number & 0xff];
  return octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}

export function newStatistics(): PortStatistics {
  return { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0, txErrors: 0 };
}
