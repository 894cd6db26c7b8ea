import { formatMac, ipv4, mac } from '@infra-offload/net';

/** An ARP request. */
export function arpRequest(
  sender: { readonly mac: string; readonly ip: string },
  target: string,
): Uint8Array {
  const bytes = Buffer.alloc(42);
  bytes.fill(0xff, 0, 6);
  bytes.writeUIntBE(mac(sender.mac), 6, 6);
  bytes.writeUInt16BE(0x0806, 12);
  Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]).copy(bytes, 14);
  bytes.writeUIntBE(mac(sender.mac), 22, 6);
  bytes.writeUInt32BE(ipv4(sender.ip), 28);
  bytes.writeUInt32BE(ipv4(target), 38);
  return bytes;
}

/** The MAC that an ARP reply tells. */
export function arpReplyMac(packet: Uint8Array): string {
  const bytes = Buffer.from(packet);
  if (bytes.readUInt16BE(12) !== 0x0806 || bytes.readUInt16BE(20) !== 2) throw new Error('no ARP reply');
  return formatMac(mac(bytes.readUIntBE(22, 6)));
}
