import { fail } from '../../../errors.js';
import { loadedLibc } from '../../../ports/libc.js';
import type { PacketHandler, PortStatistics } from '../../../ports/provider.js';
import { newStatistics } from '../../../ports/registry.js';
import { type EmittedPacket, readInjected, writePackets } from '../packets.js';
import { type ListedPort, PortKind } from '../protocol.js';
import type { HostPortStatistics } from '../statistics.js';
import type { ByteReader } from '../wire.js';
import { DescriptorPorts } from './descriptor-ports.js';

/** Packets that a port in memory keeps; more are dropped and counted as txErrors. */
const QUEUE_LIMIT = 1024;

export interface EnginePortsOptions {
  /** How many ports there can be. */
  readonly slots: number;
  readonly receive: PacketHandler;
  readonly onPortLost?: (port: number) => void;
  /** Takes the packets for ports that are not attached here. */
  readonly elsewhere?: (port: number, packet: Uint8Array) => void;
}

interface EnginePort {
  readonly name: string;
  readonly kind: number;
  readonly mtu: number;
  /** Of a port in memory: what has come out of it. */
  readonly queue: EmittedPacket[];
  readonly statistics: PortStatistics;
}

/** The ports of an engine: descriptors of TAP devices, queues in memory. */
export class EnginePorts {
  readonly #options: EnginePortsOptions;
  readonly #ports = new Map<number, EnginePort>();
  #descriptors: DescriptorPorts | undefined;
  #started = false;
  /** Number of the packet that is being injected. */
  #cause = 0;
  unknownPortDrops = 0;

  constructor(options: EnginePortsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#started = true;
    this.#descriptors?.start();
  }

  add(reader: ByteReader, takeDescriptor: () => number | undefined): void {
    const [number, kind] = [reader.u16(), reader.u8()];
    const fd = kind === PortKind.DESCRIPTOR ? takeDescriptor() : undefined;
    try {
      const [name, mtu] = [reader.text(), reader.u32()];
      if (reader.rest > 0) fail('INVALID_ARGUMENT', `the message is ${reader.rest} bytes too long`);
      if (number >= this.#options.slots)
        fail('NOT_FOUND', `no port ${number}: there are ${this.#options.slots} slots`);
      const holder = this.#ports.get(number);
      if (holder !== undefined) fail('ALREADY_EXISTS', `port ${number} is ${holder.name} already`);
      let statistics = newStatistics();
      if (kind === PortKind.DESCRIPTOR) {
        if (fd === undefined) fail('INVALID_ARGUMENT', `port ${name}: no descriptor came with the message`);
        statistics = this.#attach(number, fd);
      } else if (kind !== PortKind.MEMORY) fail('INVALID_ARGUMENT', `port ${name}: no kind ${kind}`);
      this.#ports.set(number, { name, kind, mtu, queue: [], statistics });
    } catch (error) {
      if (fd !== undefined) loadedLibc()?.close(fd);
      throw error;
    }
  }

  /** NOT_FOUND if there is none. */
  remove(number: number): void {
    if (!this.#ports.delete(number)) fail('NOT_FOUND', `there is no port ${number}`);
    this.#descriptors?.detach(number);
  }

  list(): ListedPort[] {
    return [...this.#ports].map(([number, { kind, name, mtu }]) => ({
      number,
      kind,
      name,
      mtu,
      lost: this.#descriptors?.isLost(number) === true,
    }));
  }

  lost(): number[] {
    return this.list()
      .filter(({ lost }) => lost)
      .map(({ number }) => number);
  }

  /** NOT_FOUND if the port is none with a descriptor. */
  descriptor(number: number): number {
    return this.#descriptors?.descriptor(number) ?? fail('NOT_FOUND', `port ${number} has no descriptor`);
  }

  statistics(): HostPortStatistics[] {
    return [...this.#ports].map(([number, { kind, name, statistics }]) => ({
      number,
      kind,
      name,
      ...statistics,
    }));
  }

  transmit(number: number, packet: Uint8Array): void {
    if (this.#descriptors?.transmit(number, packet)) return;
    const port = this.#ports.get(number);
    if (port === undefined) {
      if (this.#options.elsewhere !== undefined) this.#options.elsewhere(number, packet);
      else this.unknownPortDrops++;
      return;
    }
    if (port.queue.length >= QUEUE_LIMIT) {
      port.statistics.txErrors++;
      return;
    }
    port.statistics.txPackets++;
    port.statistics.txBytes += packet.length;
    port.queue.push({ cause: this.#cause, port: number, packet: packet.slice() });
  }

  /** Runs the packets of an INJECT message; gives what came out. */
  inject(reader: ByteReader, receive: PacketHandler): Uint8Array {
    const packets = readInjected(reader);
    for (const { port: number } of packets)
      if (this.#ports.get(number)?.kind !== PortKind.MEMORY)
        fail('INVALID_ARGUMENT', `port ${number} is not a port in memory`);
    for (const [i, { port: number, packet }] of packets.entries()) {
      const { statistics } = this.#ports.get(number) ?? fail('INTERNAL', `no port ${number}`);
      statistics.rxPackets++;
      statistics.rxBytes += packet.length;
      this.#cause = i;
      receive(number, new Uint8Array(packet), packet.length);
    }
    this.#cause = 0;
    return this.collect();
  }

  /** What has come out of ports in memory. */
  collect(): Uint8Array {
    const emitted = [...this.#ports.values()].flatMap(({ queue }) => queue.splice(0));
    return writePackets(emitted.sort((a, b) => a.cause - b.cause));
  }

  async stop(): Promise<void> {
    this.#ports.clear();
    await this.#descriptors?.stop();
  }

  #attach(number: number, fd: number): PortStatistics {
    const libc = loadedLibc() ?? fail('INTERNAL', 'a descriptor without a C library');
    if (this.#descriptors === undefined) {
      this.#descriptors = new DescriptorPorts(libc, this.#options.receive, (port) =>
        this.#options.onPortLost?.(port),
      );
      if (this.#started) this.#descriptors.start();
    }
    this.#descriptors.attach(number, fd);
    return this.#descriptors.statistics(number) ?? newStatistics();
  }
}
