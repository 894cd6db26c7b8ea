import type { Host } from './host.js';
import { Operation } from './protocol.js';
import { ByteWriter } from './wire.js';

/** A packet that is sent again and again; a number in it may grow each time. */
export interface ReplayedPacket {
  readonly packet: Uint8Array;
  /** Place of the number, in network byte order, and its bytes. */
  readonly counter?: { readonly offset: number; readonly bytes: 2 | 4 };
}

export interface ReplayResult {
  /** CPU time that it took; what others had of the time is left out. */
  readonly cpuSeconds: number;
  readonly received: number;
  readonly transmitted: number;
  readonly dropped: number;
}

/**
 * Measures the pipeline alone: for `milliseconds` (at most 30,000), ports in memory give it packets as fast as it takes
 * them, in turn, and what it transmits to such ports is counted and thrown away. Other traffic waits.
 */
export async function replay(
  host: Host,
  milliseconds: number,
  packets: ReadonlyMap<number, readonly ReplayedPacket[]>,
): Promise<ReplayResult> {
  const body = new ByteWriter(1 << 16).u32(milliseconds).u16(packets.size);
  for (const [port, list] of packets) {
    body.u16(port).u16(list.length);
    for (const { packet, counter } of list) {
      body.u16(counter?.offset ?? 0).u8(counter?.bytes ?? 0);
      body.u16(packet.length).bytes(packet);
    }
  }
  const reader = await host.request(Operation.REPLAY, body.view());
  return {
    cpuSeconds: reader.count() / 1e9,
    received: reader.count(),
    transmitted: reader.count(),
    dropped: reader.count(),
  };
}
