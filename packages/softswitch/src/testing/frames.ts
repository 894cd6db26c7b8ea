/** Builds Ethernet frames with right checksums, for tests. */

export interface Transport {
  readonly protocol: 'tcp' | 'udp';
  readonly sourcePort: number;
  readonly targetPort: number;
  /** TCP flags, SYN by default. */
  readonly flags?: number;
  readonly payload?: Uint8Array;
  /** Leaves the UDP checksum out (0). */
  readonly noChecksum?: boolean;
}

export interface FrameOptions {
  readonly source: number;
  readonly target: number;
  readonly content:
    | Transport
    | { readonly echo: 0 | 8; readonly identifier: number }
    | { readonly protocol: number };
  readonly ttl?: number;
  readonly vlan?: number;
  /** The 16 bits of flags and fragment offset. */
  readonly fragment?: number;
  /** First byte of the header: 0x46 and more have options that are not there. */
  readonly versionIhl?: number;
}

const MACS = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

export function ipv4Frame(options: FrameOptions): Uint8Array {
  const { source, target, content } = options;
  const [protocol, body] = bodyOf(options);
  const header = new DataView(new ArrayBuffer(20));
  header.setUint8(0, options.versionIhl ?? 0x45);
  header.setUint16(2, 20 + body.length);
  header.setUint16(4, 'protocol' in content ? 1 : 0x1234);
  header.setUint16(6, options.fragment ?? 0);
  header.setUint8(8, options.ttl ?? 64);
  header.setUint8(9, protocol);
  header.setUint32(12, source);
  header.setUint32(16, target);
  header.setUint16(10, checksum(new Uint8Array(header.buffer)));
  const tag = options.vlan === undefined ? [] : [0x81, 0, options.vlan >> 8, options.vlan & 255];
  return Uint8Array.from([...MACS, ...tag, 8, 0, ...new Uint8Array(header.buffer), ...body]);
}

export function arpFrame(operation: number, sender: number, target: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(42));
  new Uint8Array(view.buffer).set(MACS);
  view.setUint16(12, 0x0806);
  view.setUint16(14, 1);
  view.setUint16(16, 0x0800);
  view.setUint16(18, 0x0604);
  view.setUint16(20, operation);
  new Uint8Array(view.buffer).set(MACS.slice(6), 22);
  view.setUint32(28, sender);
  view.setUint32(38, target);
  return new Uint8Array(view.buffer);
}

function bodyOf({ source, target, content }: FrameOptions): [number, Uint8Array] {
  if ('echo' in content) {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint8(0, content.echo);
    view.setUint16(4, content.identifier);
    view.setUint16(2, checksum(new Uint8Array(view.buffer)));
    return [1, new Uint8Array(view.buffer)];
  }
  if (!('sourcePort' in content)) return [content.protocol, new Uint8Array(24).fill(0x5a)];
  const { payload = new Uint8Array(0), noChecksum = false } = content;
  const [protocol, size, place] = content.protocol === 'tcp' ? [6, 20, 16] : [17, 8, 6];
  const bytes = new Uint8Array(size + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(payload, size);
  view.setUint16(0, content.sourcePort);
  view.setUint16(2, content.targetPort);
  if (content.protocol === 'tcp') {
    view.setUint32(4, 1000);
    view.setUint16(12, 0x5000 | (content.flags ?? 2));
    view.setUint16(14, 0xffff);
  } else view.setUint16(4, bytes.length);
  if (!noChecksum) {
    const pseudo = new DataView(new ArrayBuffer(12 + bytes.length));
    pseudo.setUint32(0, source);
    pseudo.setUint32(4, target);
    pseudo.setUint16(8, protocol);
    pseudo.setUint16(10, bytes.length);
    new Uint8Array(pseudo.buffer).set(bytes, 12);
    view.setUint16(place, checksum(new Uint8Array(pseudo.buffer)) || 0xffff);
  }
  return [protocol, bytes];
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
