import { fail, messageOf } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { type Libc, loadLibc } from '../../ports/libc.js';
import type {
  PacketHandler,
  PortInfo,
  PortProvider,
  PortRequest,
  PortStatistics,
} from '../../ports/provider.js';
import { newStatistics, PortRegistry, type RegisteredPort } from '../../ports/registry.js';
import type { TapOptions } from '../../ports/tap.js';
import { openTap } from '../../ports/tap-device.js';
import type { HostStatistics } from './protocol.js';

/** Pause between attempts to make a device again. */
const RECREATE_MS = 50;
const RECREATE_MAX_MS = 5_000;

/** A port that a host is to serve. Without a descriptor it is a queue in memory. */
export interface AttachedPort {
  readonly number: number;
  readonly name: string;
  readonly descriptor: number | undefined;
}

/** Who serves the ports. */
export interface PortSink {
  attach(port: AttachedPort): void;
  detach(number: number): void;
  statistics(): HostStatistics | undefined;
}

interface TapPort extends RegisteredPort {
  /** Descriptor of the device; undefined while it is gone and not made again yet. */
  fd: number | undefined;
  retry: NodeJS.Timeout | undefined;
}

/**
 * TAP devices whose packets another process reads and writes. They belong to this one, so that they stay, with all
 * that waits in them, wherever they were moved to, when the other has to be started again.
 */
export class DpdkTapPorts implements PortProvider {
  readonly #ports = new PortRegistry<TapPort>('TAP');
  readonly #logger: Logger | undefined;
  #sink: PortSink | undefined;
  #stopped = false;

  private constructor(
    private readonly libc: Libc,
    private readonly options: TapOptions,
  ) {
    this.#logger = options.logger;
  }

  /** Makes the devices. UNAVAILABLE (no /dev/net/tun, not root) or ALREADY_EXISTS; nothing is left behind then. */
  static async open(options: TapOptions = {}): Promise<DpdkTapPorts> {
    const ports = new DpdkTapPorts(await loadLibc(), options);
    try {
      const { prefix = 'P4TAP_', count = 0 } = options;
      for (let number = 0; number < count; number++) ports.create({ name: `${prefix}${number}`, number });
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
    return there.map(({ info, fd }) => ({ number: info.number, name: info.name, descriptor: fd }));
  }

  /** The device of a port is gone, probably with its namespace: it is made again. */
  lost(number: number): void {
    const port = this.#ports.get(number);
    if (port?.fd === undefined) return;
    this.#logger?.info({ port: number, name: port.info.name }, 'TAP device is gone: making it again');
    this.#detach(port);
    port.retry = setTimeout(() => this.#recreate(port, RECREATE_MS), 1);
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
    const defaultMtu = this.options.mtu === undefined ? {} : { mtu: this.options.mtu };
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
    for (const port of this.#ports.all()) this.#detach(port);
  }

  #attach(port: TapPort): void {
    const fd = openTap(this.libc, port.info);
    try {
      this.#sink?.attach({ number: port.info.number, name: port.info.name, descriptor: fd });
    } catch (error) {
      this.libc.close(fd);
      throw error;
    }
    port.fd = fd;
  }

  /** Closing the last descriptor is what removes the device, in whatever namespace it is. */
  #detach(port: TapPort): void {
    clearTimeout(port.retry);
    port.retry = undefined;
    if (port.fd === undefined) return;
    try {
      this.#sink?.detach(port.info.number);
    } catch (error) {
      this.#logger?.debug({ port: port.info.number, reason: messageOf(error) }, 'the host had lost the port');
    }
    this.libc.close(port.fd);
    port.fd = undefined;
  }

  #recreate(port: TapPort, pause: number): void {
    try {
      this.#attach(port);
      port.retry = undefined;
    } catch (error) {
      this.#logger?.warn(
        { port: port.info.number, name: port.info.name, reason: messageOf(error) },
        'cannot make the TAP device again yet',
      );
      port.retry = setTimeout(() => this.#recreate(port, Math.min(pause * 2, RECREATE_MAX_MS)), pause);
      port.retry.unref();
    }
  }
}
