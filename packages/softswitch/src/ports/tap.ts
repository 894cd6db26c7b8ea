import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { fail } from '../errors.js';
import type { Logger } from '../logger.js';
import { type Libc, loadLibc } from './libc.js';
import type { PacketHandler, PortInfo, PortProvider, PortRequest, PortStatistics } from './provider.js';
import { macAddress, newStatistics, PortRegistry, type RegisteredPort } from './registry.js';
import { openTap } from './tap-device.js';

/** Pause between attempts to make a device again. */
const RECREATE_MS = 50;
const RECREATE_MAX_MS = 5_000;

/** A port that is served elsewhere. Without a descriptor it is a queue in memory. */
export interface AttachedPort {
  readonly number: number;
  readonly name: string;
  readonly mtu: number;
  readonly descriptor: number | undefined;
}

/** Packets and octets of ports since they were attached, and packets for ports that do not exist. */
export interface SinkStatistics {
  readonly unknownPort: number;
  readonly ports: readonly (Readonly<PortStatistics> & { readonly number: number })[];
}

/** Who serves the ports. */
export interface PortSink {
  attach(port: AttachedPort): void;
  detach(number: number): void;
  statistics(): SinkStatistics | undefined;
}

/** A TAP device that somebody has made before, and that is perhaps in another namespace now. */
export interface TapLeft extends AttachedPort {
  readonly descriptor: number;
}

export interface TapOptions {
  /** Devices that exist from the start: names are `prefix` and the number, numbers 0..`count`-1. */
  readonly prefix?: string;
  readonly count?: number;
  readonly mtu?: number;
  /** Devices to go on with; none of them is made again. Their descriptors are this object's from now on. */
  readonly left?: readonly TapLeft[];
  readonly logger?: Logger;
}

interface TapPort extends RegisteredPort {
  /** Descriptor of the device; undefined while it is gone and not made again yet. */
  fd: number | undefined;
  retry: NodeJS.Timeout | undefined;
}

/**
 * Ports that are TAP devices. Their packets are read and written by the data plane, which is lent their descriptors; they
 * belong to this process as well, so that they stay, with all that waits in them, wherever they were moved to, when the
 * data plane has to be started again, just as they stay when this process ends and the data plane does not. A device may be
 * moved into another network namespace and renamed there. If it is destroyed with that namespace it is made again, under
 * its name and number, in ours.
 */
export class TapPorts implements PortProvider {
  readonly #libc: Libc;
  readonly #options: TapOptions;
  readonly #ports = new PortRegistry<TapPort>('TAP');
  readonly #logger: Logger | undefined;
  readonly #guard = new Guard((error) => this.#logger?.error({ err: error }, 'internal error'));
  #sink: PortSink | undefined;
  #stopped = false;

  private constructor(libc: Libc, options: TapOptions) {
    this.#libc = libc;
    this.#options = options;
    this.#logger = options.logger;
  }

  /** Makes the devices. UNAVAILABLE (no /dev/net/tun, not root) or ALREADY_EXISTS; nothing is left behind then. */
  static async open(options: TapOptions = {}): Promise<TapPorts> {
    const ports = new TapPorts(await loadLibc(), options);
    try {
      const { prefix = 'P4TAP_', count = 0, left = [] } = options;
      for (const port of left) ports.#goOn(port);
      for (let number = 0; number < count; number++) {
        const name = `${prefix}${number}`;
        // A number that another port has got since stays with it.
        if (ports.find(name) === undefined && ports.#ports.get(number) === undefined)
          ports.create({ name, number });
      }
    } catch (error) {
      await ports.stop();
      throw error;
    }
    return ports;
  }

  /** Who serves the ports from now on. */
  lendTo(sink: PortSink): void {
    this.#sink = sink;
  }

  /** The ports as they are now. */
  lent(): AttachedPort[] {
    const there = this.#ports.all().filter((port) => port.fd !== undefined);
    return there.map(({ info: { number, name, mtu }, fd }) => ({
      number,
      name,
      mtu,
      descriptor: fd,
    }));
  }

  /** The device of a port is gone, probably with its namespace: it is made again. */
  lost(number: number): void {
    const port = this.#ports.get(number);
    if (port?.fd === undefined) return;
    this.#logger?.info({ port: number, name: port.info.name }, 'TAP device is gone: creating it again');
    this.#detach(port);
    port.retry = setTimeout(
      this.#guard.handler(() => this.#recreate(port, RECREATE_MS)),
      1,
    );
  }

  get unknownPortDrops(): number {
    return this.#sink?.statistics()?.unknownPort ?? 0;
  }

  /** Packets do not come through this process. */
  async start(_receive: PacketHandler): Promise<void> {}

  transmit(): void {
    fail('INTERNAL', 'packets of these ports do not go through this process');
  }

  create(request: PortRequest): PortInfo {
    if (this.#stopped) fail('UNAVAILABLE', 'the ports are stopped');
    const defaultMtu = this.#options.mtu === undefined ? {} : { mtu: this.#options.mtu };
    const info = this.#ports.describe({ ...defaultMtu, ...request });
    const port: TapPort = { info, statistics: newStatistics(), fd: undefined, retry: undefined };
    this.#attach(port);
    this.#ports.add(port);
    return info;
  }

  remove(name: string): void {
    this.#detach(this.#ports.take(name));
  }

  list(): PortInfo[] {
    return this.#ports.all().map((port) => port.info);
  }

  find(name: string): PortInfo | undefined {
    return this.#ports.named(name)?.info;
  }

  statistics(number: number): PortStatistics | undefined {
    const port = this.#ports.get(number);
    if (port === undefined) return undefined;
    const counted = this.#sink?.statistics()?.ports.find((each) => each.number === number);
    if (counted === undefined) return port.statistics;
    const { rxPackets, rxBytes, txPackets, txBytes, txErrors } = counted;
    return { rxPackets, rxBytes, txPackets, txBytes, txErrors };
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const port of this.#ports.all()) this.#release(port);
  }

  #goOn({ number, name, mtu, descriptor: fd }: TapLeft): void {
    const info: PortInfo = { number, name, kind: 'TAP', mtu, mac: macAddress(number) };
    this.#ports.add({ info, statistics: newStatistics(), fd, retry: undefined });
  }

  #attach(port: TapPort): void {
    const fd = openTap(this.#libc, port.info);
    try {
      const { number, name, mtu } = port.info;
      this.#sink?.attach({ number, name, mtu, descriptor: fd });
    } catch (error) {
      this.#libc.close(fd);
      throw error;
    }
    port.fd = fd;
  }

  #detach(port: TapPort): void {
    if (port.fd === undefined) {
      this.#release(port);
      return;
    }
    try {
      this.#sink?.detach(port.info.number);
    } catch (error) {
      this.#logger?.debug({ port: port.info.number, reason: messageOf(error) }, 'the host had lost the port');
    }
    this.#release(port);
  }

  /** Closing the last descriptor is what removes the device, in whatever namespace it is. */
  #release(port: TapPort): void {
    clearTimeout(port.retry);
    port.retry = undefined;
    if (port.fd !== undefined) this.#libc.close(port.fd);
    port.fd = undefined;
  }

  #recreate(port: TapPort, pause: number): void {
    try {
      this.#attach(port);
      port.retry = undefined;
      const { number, name } = port.info;
      this.#logger?.info({ port: number, name }, 'TAP device is back');
    } catch (error) {
      this.#logger?.warn(
        { port: port.info.number, name: port.info.name, reason: messageOf(error) },
        'cannot create the TAP device again yet',
      );
      const next = Math.min(pause * 2, RECREATE_MAX_MS);
      port.retry = setTimeout(
        this.#guard.handler(() => this.#recreate(port, next)),
        pause,
      );
      port.retry.unref();
    }
  }
}
