import { fail, messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { type Libc, loadLibc } from './libc.js';
import { Poller } from './poller.js';
import type { PacketHandler, PortInfo, PortProvider, PortRequest, PortStatistics } from './provider.js';
import { newStatistics, PortRegistry, type RegisteredPort } from './registry.js';
import { openTap } from './tap-device.js';

/** Packets read from one port before the next has its turn. */
const BURST = 32;
/** Room for the largest frame there is. */
const FRAME_SIZE = 65_536;
/** Pause between attempts to make a device again. */
const RECREATE_MS = 50;
const RECREATE_MAX_MS = 5_000;

interface TapPort extends RegisteredPort {
  /** Descriptor of the device; undefined while it is gone and not made again yet. */
  fd: number | undefined;
  retry: NodeJS.Timeout | undefined;
}

export interface TapOptions {
  /** Devices that exist from the start: names are `prefix` and the number, numbers 0..`count`-1. */
  readonly prefix?: string;
  readonly count?: number;
  readonly mtu?: number;
  readonly logger?: Logger;
}

/**
 * Ports that are TAP devices. A device may be moved into another network namespace and renamed there; packets keep
 * flowing. If it is destroyed with that namespace it is made again, under its name and number, in ours.
 */
export class TapPorts implements PortProvider {
  readonly #ports = new PortRegistry<TapPort>('TAP');
  readonly #poller: Poller;
  readonly #frame = new Uint8Array(FRAME_SIZE);
  readonly #logger: Logger | undefined;
  #receive: PacketHandler | undefined;
  #stopped = false;

  private constructor(
    private readonly libc: Libc,
    private readonly options: TapOptions,
  ) {
    this.#logger = options.logger;
    this.#poller = new Poller(libc, (token) => this.#read(token));
  }

  /** Makes the devices. UNAVAILABLE (no /dev/net/tun, not root) or ALREADY_EXISTS; nothing is left behind then. */
  static async open(options: TapOptions = {}): Promise<TapPorts> {
    const ports = new TapPorts(await loadLibc(), options);
    try {
      const { prefix = 'P4TAP_', count = 0 } = options;
      for (let number = 0; number < count; number++) ports.create({ name: `${prefix}${number}`, number });
    } catch (error) {
      await ports.stop();
      throw error;
    }
    return ports;
  }

  get unknownPortDrops(): number {
    return this.#ports.unknownPortDrops;
  }

  async start(receive: PacketHandler): Promise<void> {
    this.#receive = receive;
    this.#poller.start();
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

  transmit(number: number, packet: Uint8Array): void {
    const port = this.#ports.get(number);
    if (port === undefined) {
      this.#ports.unknownPortDrops++;
      return;
    }
    const { statistics, fd } = port;
    // Link down, queue full, frame too short or too long, device gone: all are packets that did not leave.
    if (fd === undefined || this.libc.write(fd, packet, packet.length) < 0) statistics.txErrors++;
    else {
      statistics.txPackets++;
      statistics.txBytes += packet.length;
    }
  }

  list(): PortInfo[] {
    return this.#ports.all().map((port) => port.info);
  }

  find(name: string): PortInfo | undefined {
    return this.#ports.named(name)?.info;
  }

  statistics(number: number): PortStatistics | undefined {
    return this.#ports.get(number)?.statistics;
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#receive = undefined;
    for (const port of this.#ports.all()) this.#detach(port);
    await this.#poller.close();
  }

  #attach(port: TapPort): void {
    const fd = openTap(this.libc, port.info);
    this.#poller.add(fd, port.info.number);
    port.fd = fd;
  }

  /** Closing the descriptor is what removes the device, in whatever namespace it is. */
  #detach(port: TapPort): void {
    clearTimeout(port.retry);
    port.retry = undefined;
    if (port.fd === undefined) return;
    this.#poller.delete(port.fd);
    this.libc.close(port.fd);
    port.fd = undefined;
  }

  #read(number: number): void {
    const port = this.#ports.get(number);
    if (port?.fd === undefined) return;
    const { libc, statistics } = { libc: this.libc, statistics: port.statistics };
    const frame = this.#frame;
    for (let i = 0; i < BURST; i++) {
      const length = libc.read(port.fd, frame, FRAME_SIZE);
      if (length > 0) {
        statistics.rxPackets++;
        statistics.rxBytes += length;
        this.#receive?.(number, frame, length);
        // The handler may have removed the port.
        if (port.fd === undefined) return;
        continue;
      }
      const errno = libc.errno();
      if (errno === 'EAGAIN' || errno === 'EINTR') return;
      this.#lost(port, errno);
      return;
    }
  }

  #lost(port: TapPort, errno: string): void {
    const { name, number } = port.info;
    this.#logger?.info(
      { port: number, name, errno },
      'TAP device is gone, probably with its namespace: making it again',
    );
    this.#detach(port);
    // Never at once, so that no kind of failure can make this a loop.
    port.retry = setTimeout(() => this.#recreate(port, RECREATE_MS, 1), 1);
  }

  #recreate(port: TapPort, pause: number, attempt: number): void {
    const { name, number } = port.info;
    try {
      this.#attach(port);
      port.retry = undefined;
      this.#logger?.info({ port: number, name, attempt }, 'TAP device is back');
    } catch (error) {
      if (attempt === 1 || attempt % 10 === 0) {
        this.#logger?.warn(
          { port: number, name, attempt, reason: messageOf(error) },
          'cannot make the TAP device again yet',
        );
      }
      port.retry = setTimeout(
        () => this.#recreate(port, Math.min(pause * 2, RECREATE_MAX_MS), attempt + 1),
        pause,
      );
      port.retry.unref();
    }
  }
}
