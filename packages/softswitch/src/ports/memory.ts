import { Guard } from '@infra-offload/guard';
import { fail } from '../errors.js';
import type { PacketHandler, PortInfo, PortProvider, PortRequest, PortStatistics } from './provider.js';
import { newStatistics, PortRegistry, type RegisteredPort } from './registry.js';

/** Packets that a port keeps for {@link MemoryPorts.receive}; older ones are dropped and counted as txErrors. */
const QUEUE_LIMIT = 65_536;

interface MemoryPort extends RegisteredPort {
  readonly queue: Uint8Array[];
  readonly waiting: ((packet: Uint8Array) => void)[];
}

/**
 * Ports without devices, for tests and benchmarks: {@link send} puts a packet in, {@link receive} waits for one that
 * comes out, {@link onTransmit} sees them all without copies.
 */
export class MemoryPorts implements PortProvider {
  readonly #ports = new PortRegistry<MemoryPort>('MEMORY');
  #receive: PacketHandler | undefined;
  #onTransmit: ((port: number, packet: Uint8Array) => void) | undefined;
  #scratch = new Uint8Array(65_536);

  /** @param count ports `mem0`, `mem1`, … that exist from the start */
  constructor(count = 0) {
    for (let i = 0; i < count; i++) this.create({ name: `mem${i}`, number: i });
  }

  get unknownPortDrops(): number {
    return this.#ports.unknownPortDrops;
  }

  async start(receive: PacketHandler): Promise<void> {
    this.#receive = receive;
  }

  /** Gives a packet to the pipeline as if it came in at `port`. What it transmits is there when this returns. */
  send(port: number, packet: Uint8Array): void {
    const entry = this.#ports.get(port) ?? fail('NOT_FOUND', `no port ${port}`);
    if (this.#receive === undefined) fail('FAILED_PRECONDITION', 'the ports are not started');
    if (packet.length > this.#scratch.length) this.#scratch = new Uint8Array(packet.length);
    this.#scratch.set(packet);
    entry.statistics.rxPackets++;
    entry.statistics.rxBytes += packet.length;
    this.#receive(port, this.#scratch, packet.length);
  }

  /** The next packet that leaves at `port`; rejects with DEADLINE_EXCEEDED after `timeoutMs`. */
  async receive(port: number, timeoutMs = 1000): Promise<Uint8Array> {
    const entry = this.#ports.get(port) ?? fail('NOT_FOUND', `no port ${port}`);
    const ready = entry.queue.shift();
    if (ready !== undefined) return ready;
    return new Promise((resolve, reject) => {
      const deliver = (packet: Uint8Array): void => {
        clearTimeout(timer);
        resolve(packet);
      };
      const expire = () => {
        entry.waiting.splice(entry.waiting.indexOf(deliver), 1);
        fail('DEADLINE_EXCEEDED', `no packet at port ${port} within ${timeoutMs} ms`);
      };
      const timer = setTimeout(new Guard(reject).handler(expire), timeoutMs);
      entry.waiting.push(deliver);
    });
  }

  /** Packets that have left at `port` and were not received yet; empties the queue. */
  drain(port: number): Uint8Array[] {
    return this.#ports.get(port)?.queue.splice(0) ?? [];
  }

  /**
   * Hands all transmitted packets to `handler` instead of the queues, without a copy: a packet is only valid during
   * the call. `undefined` goes back to the queues.
   */
  onTransmit(handler: ((port: number, packet: Uint8Array) => void) | undefined): void {
    this.#onTransmit = handler;
  }

  transmit(port: number, packet: Uint8Array): void {
    const entry = this.#ports.get(port);
    if (entry === undefined) {
      this.#ports.unknownPortDrops++;
      return;
    }
    entry.statistics.txPackets++;
    entry.statistics.txBytes += packet.length;
    if (this.#onTransmit !== undefined) {
      this.#onTransmit(port, packet);
      return;
    }
    const copy = packet.slice();
    const waiting = entry.waiting.shift();
    if (waiting !== undefined) waiting(copy);
    else {
      if (entry.queue.length >= QUEUE_LIMIT) {
        entry.queue.shift();
        entry.statistics.txErrors++;
      }
      entry.queue.push(copy);
    }
  }

  create(request: PortRequest): PortInfo {
    const info = this.#ports.describe(request);
    this.#ports.add({ info, statistics: newStatistics(), queue: [], waiting: [] });
    return info;
  }

  remove(name: string): void {
    this.#ports.take(name);
  }

  list(): PortInfo[] {
    return this.#ports.all().map((port) => port.info);
  }

  find(name: string): PortInfo | undefined {
    return this.#ports.named(name)?.info;
  }

  statistics(port: number): PortStatistics | undefined {
    return this.#ports.get(port)?.statistics;
  }

  async stop(): Promise<void> {
    this.#receive = undefined;
  }
}
