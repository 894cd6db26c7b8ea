import { type ByteReader, ByteWriter } from './wire.js';

export interface PortPacket {
  readonly port: number;
  readonly packet: Uint8Array;
}

/** A packet that came out, and the place of the packet in the request that made it come. */
export interface EmittedPacket extends PortPacket {
  readonly cause: number;
}

export function injectBody(packets: readonly PortPacket[]): Uint8Array {
  const writer = new ByteWriter(2 + packets.reduce((size, { packet }) => size + packet.length + 4, 0));
  writer.u16(packets.length);
  for (const { port, packet } of packets) writer.u16(port).u16(packet.length).bytes(packet);
  return writer.view();
}

export function readInjected(reader: ByteReader): PortPacket[] {
  return reader.list(reader.u16(), () => ({ port: reader.u16(), packet: reader.bytes(reader.u16()) }));
}

export function writePackets(packets: readonly EmittedPacket[]): Uint8Array {
  const writer = new ByteWriter(1024).u32(packets.length);
  for (const { cause, port, packet } of packets) writer.u16(cause).u16(port).u16(packet.length).bytes(packet);
  return writer.view();
}

export function readPackets(reader: ByteReader): EmittedPacket[] {
  return reader.list(reader.u32(), () => ({
    cause: reader.u16(),
    port: reader.u16(),
    packet: reader.bytes(reader.u16()),
  }));
}
