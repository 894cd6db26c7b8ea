import { messageOf } from '@infra-offload/base';
import type { Libc } from '../../../ports/libc.js';
import { Poller } from '../../../ports/poller.js';
import type { PacketHandler, PortStatistics } from '../../../ports/provider.js';
import { newStatistics } from '../../../ports/registry.js';

/** Packets read from one port before the next has its turn. */
const BURST = 32;
/** Room for the largest frame there is. */
const FRAME_SIZE = 65_536;

interface DescriptorPort {
  readonly fd: number;
  readonly statistics: PortStatistics;
  lost: boolean;
  /** A packet was lost by an internal error. */
  isFaulty: boolean;
}

/** Reads and writes packets at descriptors of TAP devices that somebody else has made. */
export class DescriptorPorts {
  readonly #ports = new Map<number, DescriptorPort>();
  readonly #frame = new Uint8Array(FRAME_SIZE);
  readonly #poller: Poller;
  readonly #libc: Libc;
  readonly #receive: PacketHandler;
  readonly #onLost: (port: number) => void;

  /**
   * @param receive takes the packets
   * @param onLost told when the device of a port is gone; its descriptor is not asked any more
   */
  constructor(libc: Libc, receive: PacketHandler, onLost: (port: number) => void) {
    this.#libc = libc;
    this.#receive = receive;
    this.#onLost = onLost;
    this.#poller = new Poller(
      libc,
      (token) => this.#read(token),
      (error, token) => this.#fault(error, token),
    );
  }

  /** Begins to read packets; until then they wait in the devices. */
  start(): void {
    this.#poller.start();
  }

  /** Takes a descriptor, which is closed with the port. UNAVAILABLE if it cannot be watched. */
  attach(number: number, fd: number): void {
    this.#poller.add(fd, number);
    this.#ports.set(number, { fd, statistics: newStatistics(), lost: false, isFaulty: false });
  }

  detach(number: number): void {
    const port = this.#ports.get(number);
    if (port === undefined) return;
    if (!port.lost) this.#poller.delete(port.fd);
    this.#libc.close(port.fd);
    this.#ports.delete(number);
  }

  descriptor(number: number): number | undefined {
    return this.#ports.get(number)?.fd;
  }

  isLost(number: number): boolean {
    return this.#ports.get(number)?.lost === true;
  }

  statistics(number: number): PortStatistics | undefined {
    return this.#ports.get(number)?.statistics;
  }

  /** False if there is no such port. */
  transmit(number: number, packet: Uint8Array): boolean {
    const port = this.#ports.get(number);
    if (port === undefined) return false;
    const { statistics, fd } = port;
    // Link down, queue full, frame too short or too long, device gone: all are packets that did not leave.
    if (this.#libc.write(fd, packet, packet.length) < 0) statistics.txErrors++;
    else {
      statistics.txPackets++;
      statistics.txBytes += packet.length;
    }
    return true;
  }

  async stop(): Promise<void> {
    for (const number of [...this.#ports.keys()]) this.detach(number);
    await this.#poller.close();
  }

  /** The packet is lost, and the port goes on. It is told once: there may be a million of them a second. */
  #fault(error: unknown, number: number): void {
    const port = this.#ports.get(number);
    if (port === undefined || port.isFaulty) return;
    port.isFaulty = true;
    process.emitWarning(`a packet at port ${number} was lost by an internal error: ${messageOf(error)}`);
  }

  #read(number: number): void {
    const port = this.#ports.get(number);
    if (port === undefined) return;
    const libc = this.#libc;
    const { statistics } = port;
    const frame = this.#frame;
    for (let i = 0; i < BURST; i++) {
      const length = libc.read(port.fd, frame, FRAME_SIZE);
      if (length > 0) {
        statistics.rxPackets++;
        statistics.rxBytes += length;
        this.#receive(number, frame, length);
        continue;
      }
      const errno = libc.errno();
      if (errno === 'EAGAIN' || errno === 'EINTR') return;
      // A device that is gone would be ready for ever.
      this.#poller.delete(port.fd);
      port.lost = true;
      this.#onLost(number);
      return;
    }
  }
}
