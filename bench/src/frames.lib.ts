/** Frames without MACs and checksums, which the programs measured here do not look at. */

export function tcpFrame(
  source: number,
  target: number,
  sourcePort: number,
  targetPort: number,
  flags: number,
): Uint8Array {
  const view = ipv4Frame(64, 6, source, target);
  view.setUint16(34, sourcePort);
  view.setUint16(36, targetPort);
  view.setUint16(46, 0x5000 | flags);
  return new Uint8Array(view.buffer);
}

export function udpFrame(source: number, target: number, sourcePort: number, targetPort: number): Uint8Array {
  const view = ipv4Frame(60, 17, source, target);
  view.setUint16(34, sourcePort);
  view.setUint16(36, targetPort);
  view.setUint16(38, view.byteLength - 34);
  // One that is there, for what checksums cost.
  view.setUint16(40, 0x5566);
  return new Uint8Array(view.buffer);
}

function ipv4Frame(bytes: number, protocol: number, source: number, target: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint16(12, 0x0800);
  view.setUint8(14, 0x45);
  view.setUint16(16, bytes - 14);
  view.setUint8(22, 64);
  view.setUint8(23, protocol);
  view.setUint32(26, source);
  view.setUint32(30, target);
  return view;
}
