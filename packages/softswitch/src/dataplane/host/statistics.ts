import { type ByteReader, ByteWriter } from './wire.js';

export interface HostStatistics {
  readonly received: number;
  /** Packets that the program has dropped. */
  readonly dropped: number;
  /** Packets to ports that do not exist. */
  readonly unknownPort: number;
  /** Packets shorter than their headers, of which nothing was left. */
  readonly malformed: number;
  /** How often the thread that runs packets had nothing to do and went to sleep. */
  readonly sleeps: number;
  readonly ports: readonly HostPortStatistics[];
  readonly tables: readonly { readonly entries: number; readonly hits: number; readonly misses: number }[];
  readonly learners: readonly {
    readonly hits: number;
    readonly misses: number;
    readonly learned: number;
    /** Not learned, because there was no room. */
    readonly notLearned: number;
    readonly rearmed: number;
    readonly forgotten: number;
  }[];
}

export interface HostPortStatistics {
  readonly number: number;
  readonly kind: number;
  readonly name: string;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export function readStatistics(reader: ByteReader): HostStatistics {
  return {
    received: reader.count(),
    dropped: reader.count(),
    unknownPort: reader.count(),
    malformed: reader.count(),
    sleeps: reader.count(),
    ports: reader.list(reader.u32(), () => ({
      number: reader.u16(),
      kind: reader.u8(),
      name: reader.text(),
      rxPackets: reader.count(),
      rxBytes: reader.count(),
      txPackets: reader.count(),
      txBytes: reader.count(),
      txErrors: reader.count(),
    })),
    tables: reader.list(reader.u16(), () => ({
      entries: reader.u32(),
      hits: reader.count(),
      misses: reader.count(),
    })),
    learners: reader.list(reader.u16(), () => ({
      hits: reader.count(),
      misses: reader.count(),
      learned: reader.count(),
      notLearned: reader.count(),
      rearmed: reader.count(),
      forgotten: reader.count(),
    })),
  };
}

export function writeStatistics(statistics: HostStatistics): Uint8Array {
  const writer = new ByteWriter(1024);
  const count = (value: number): unknown => writer.u64(BigInt(value));
  const { received, dropped, unknownPort, malformed, sleeps, ports, tables, learners } = statistics;
  for (const value of [received, dropped, unknownPort, malformed, sleeps]) count(value);
  writer.u32(ports.length);
  for (const port of ports) {
    writer.u16(port.number).u8(port.kind).text(port.name);
    for (const value of [port.rxPackets, port.rxBytes, port.txPackets, port.txBytes, port.txErrors])
      count(value);
  }
  writer.u16(tables.length);
  for (const { entries, hits, misses } of tables) {
    writer.u32(entries);
    count(hits);
    count(misses);
  }
  writer.u16(learners.length);
  for (const { hits, misses, learned, notLearned, rearmed, forgotten } of learners)
    for (const value of [hits, misses, learned, notLearned, rearmed, forgotten]) count(value);
  return writer.view();
}
