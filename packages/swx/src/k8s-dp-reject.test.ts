import { beforeEach, describe, expect, it } from 'vitest';
import { client, node, other, send, server, setUp, tcp, udp, VIP } from './testing/flows.js';
import { GATEWAY_MAC, HOST_PORT, type Pod, UPLINK_PORT } from './testing/k8s.js';
import { ip, packet, read, readError, TCP } from './testing/packets.js';

const { syn, ack, fin, rst, psh } = TCP;
const NODE_IP = '192.168.7.1';
const UNREACHABLE = { type: 3, code: 3 };
const POD = 0;
const UPLINK = 2;
const NO_ENDPOINT = 4;
const UNUSED_PORT = 13;

beforeEach(() => {
  setUp();
  node.addRoute('10.96.0.0', 16, 'blackhole');
  for (const kind of [POD, UPLINK])
    node.pipeline.tableSet('answer_source', {
      key: [{ value: kind }],
      action: 'set_answer_source',
      args: [ip(NODE_IP)],
    });
});

/** Sends a packet that must come back as an answer to where it came from. */
function answerTo(port: number, bytes: Uint8Array): Uint8Array {
  const [first, ...more] = node.send(port, bytes);
  expect(more).toEqual([]);
  if (first === undefined) throw new Error('no answer');
  expect(first.port).toBe(port);
  return first.packet;
}

const emptyService = (protocol: 6 | 17, isElsewhere = false) =>
  node.addService({ vip: VIP, port: 80, protocol, endpoints: [], isElsewhere });

const toService = (flags: number, payload = new Uint8Array()) =>
  packet({
    source: client.ip,
    target: VIP,
    l4: { protocol: 'tcp', sourcePort: 4000, targetPort: 80, flags, payload },
    sourceMac: client.mac,
    targetMac: GATEWAY_MAC,
  });

const numbers = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    totalLength: view.getUint16(16),
    sequence: view.getUint32(38),
    acknowledged: view.getUint32(42),
    flags: view.getUint8(47),
    window: view.getUint16(48),
  };
};

describe('TCP to a service without endpoints', () => {
  beforeEach(() => {
    emptyService(6);
  });

  it.each([
    ['SYN', syn, 0, { sequence: 0, acknowledged: 1001, flags: rst | ack }],
    ['SYN with data', syn, 7, { sequence: 0, acknowledged: 1008, flags: rst | ack }],
    ['FIN without ACK, with data', fin | psh, 100, { sequence: 0, acknowledged: 1101, flags: rst | ack }],
    ['ACK', ack, 100, { sequence: 2000, acknowledged: 0, flags: rst }],
  ])('is reset: %s', (_what, flags, size, answer) => {
    const request = toService(flags, new Uint8Array(size));
    const bytes = answerTo(client.port, request);
    expect(read(bytes)).toMatchObject({
      ...{ source: VIP, target: client.ip, sourcePort: 80, targetPort: 4000, ttl: 64 },
      ...{ sourceMac: GATEWAY_MAC, targetMac: client.mac, ipChecksumOk: true, l4ChecksumOk: true },
    });
    expect(numbers(bytes)).toEqual({ totalLength: 40, window: 0, ...answer });
    // It is as long as it was, so that it needs no room.
    expect(bytes).toHaveLength(request.length);
    expect([node.rejects(NO_ENDPOINT), node.drops(NO_ENDPOINT)]).toEqual([1, 0]);
    expect(node.pipeline.learnerCount('conntrack')).toBe(0);
  });

  it('is not reset for a reset', () => {
    expect(node.send(client.port, toService(rst))).toEqual([]);
    expect(node.send(client.port, toService(rst | ack))).toEqual([]);
    expect([node.rejects(NO_ENDPOINT), node.drops(NO_ENDPOINT)]).toEqual([0, 2]);
  });
});

describe('UDP to a service without endpoints', () => {
  const datagram = (size: number, more: { ttl?: number; vlan?: number; noChecksum?: boolean } = {}) =>
    packet({
      ...{ source: client.ip, target: VIP, sourceMac: client.mac, targetMac: GATEWAY_MAC },
      ...more,
      l4: {
        ...{ protocol: 'udp', sourcePort: 4000, targetPort: 80 },
        ...{ payload: new Uint8Array(size).fill(7), noChecksum: more.noChecksum === true },
      },
    });

  beforeEach(() => {
    emptyService(17);
  });

  it.each([0, 1, 5, 27, 28, 29, 1000, 1472])('is told that the port is unreachable: %i bytes', (size) => {
    const request = datagram(size);
    const bytes = answerTo(client.port, request);
    const error = readError(bytes);
    expect(error).toMatchObject({
      ...UNREACHABLE,
      ...{ source: NODE_IP, target: client.ip, ttl: 64, checksumsOk: true },
      ...{ sourceMac: GATEWAY_MAC, targetMac: client.mac },
    });
    expect(error.quote).toEqual(request.subarray(14, 14 + 28));
    // No longer than it was, if there is room for the answer.
    expect(bytes).toHaveLength(request.length + (size < 28 ? 28 : 0));
    expect([node.rejects(NO_ENDPOINT), node.drops(NO_ENDPOINT)]).toEqual([1, 0]);
  });

  it('is told so without a checksum, and in its VLAN', () => {
    expect(readError(answerTo(client.port, datagram(40, { noChecksum: true })))).toMatchObject({
      ...UNREACHABLE,
      checksumsOk: true,
    });
    const tagged = answerTo(client.port, datagram(40, { vlan: 42 }));
    expect(readError(tagged)).toMatchObject({ ...UNREACHABLE, checksumsOk: true });
    expect([...tagged.subarray(12, 18)]).toEqual([0x81, 0, 0, 42, 8, 0]);
  });

  it('is answered within its length, however short the packet is of what it says', () => {
    const request = datagram(1000);
    for (let length = 34; length < 120; length++) {
      const [answer] = node.send(client.port, request.subarray(0, length));
      expect(answer?.packet).toHaveLength(length);
    }
  });

  it('is told so by whom it was for, if it comes from the node', () => {
    const request = packet({
      ...{ source: NODE_IP, target: VIP },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 80 },
    });
    expect(readError(answerTo(HOST_PORT, request))).toMatchObject({ source: VIP, target: NODE_IP });
  });

  it('comes back through the uplink, too', () => {
    const request = packet({
      ...{ source: '203.0.113.9', target: VIP, sourceMac: '02:00:00:00:77:01', targetMac: GATEWAY_MAC },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 80 },
    });
    expect(readError(answerTo(UPLINK_PORT, request))).toMatchObject({
      ...{ ...UNREACHABLE, target: '203.0.113.9', targetMac: '02:00:00:00:77:01', sourceMac: GATEWAY_MAC },
    });
  });

  it('is told so by a service whose last endpoint leaves, flow or not', () => {
    const service = node.addService({
      ...{ vip: VIP, port: 81, protocol: 17 },
      endpoints: [{ ip: server.ip, port: 8080 }],
    });
    const request = packet({
      ...{ source: client.ip, target: VIP, sourceMac: client.mac, targetMac: GATEWAY_MAC },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 81 },
    });
    for (let i = 0; i < 3; i++) {
      expect(send(client, request)?.target).toBe(server.ip);
      expect(send(server, udp(server.ip, 8080, client.ip, 4000))?.source).toBe(VIP);
    }
    service.close();
    for (let i = 0; i < 2; i++) {
      const error = readError(answerTo(client.port, request));
      expect(error).toMatchObject({
        ...{ ...UNREACHABLE, source: NODE_IP, target: client.ip, checksumsOk: true },
        ...{ sourceMac: GATEWAY_MAC, targetMac: client.mac },
      });
      expect(error.quote).toEqual(request.subarray(14, 14 + 28));
    }
  });

  it.each([
    ['is sent to a group of machines', { targetMac: '01:00:5e:00:00:01' }],
    ['is broadcast', { targetMac: 'ff:ff:ff:ff:ff:ff' }],
    ['comes from nobody', { source: '0.0.0.0' }],
    ['comes from a group', { source: '224.0.0.1' }],
    ['comes from loopback', { source: '127.0.0.1' }],
    ['comes from everybody', { source: '255.255.255.255' }],
  ])('is not answered if it %s', (_what, change) => {
    const request = packet({
      ...{ source: '203.0.113.9', target: VIP, ...change },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 80 },
    });
    expect(node.send(UPLINK_PORT, request)).toEqual([]);
    expect([node.rejects(NO_ENDPOINT), node.drops(NO_ENDPOINT)]).toEqual([0, 1]);
  });
});

it.each([6, 17] as const)(
  'a service with endpoints on other nodes only is silent (protocol %i)',
  (protocol) => {
    emptyService(protocol, true);
    const request = protocol === 6 ? tcp : udp;
    expect(send(client, request(client.ip, 4000, VIP, 80, syn))).toBeUndefined();
    expect([node.drops(12), node.rejects(12)]).toEqual([1, 0]);
  },
);

describe('ports that a service does not have', () => {
  const echo = () => packet({ source: client.ip, target: VIP, icmpEcho: { type: 8, identifier: 7 } });
  const sctp = () => packet({ source: client.ip, target: VIP, protocol: 132 });

  beforeEach(() => {
    node.addService({ vip: VIP, port: 80, protocol: 6, endpoints: [{ ip: server.ip, port: 8080 }] });
  });

  it('are refused', () => {
    expect(read(answerTo(client.port, tcp(client.ip, 4000, VIP, 81, syn)))).toMatchObject({
      source: VIP,
      sourcePort: 81,
    });
    for (const request of [udp(client.ip, 4000, VIP, 80), echo(), sctp()]) {
      const error = readError(answerTo(client.port, request));
      expect(error).toMatchObject({ ...UNREACHABLE, checksumsOk: true, quoted: { target: VIP } });
      expect(error.quote).toEqual(request.subarray(14, 14 + error.quote.length));
    }
    expect(node.rejects(UNUSED_PORT)).toBe(4);
  });

  it('are refused to pods under a policy, too', () => {
    node.isolate('egress', client, 8);
    expect(readError(answerTo(client.port, udp(client.ip, 4000, VIP, 81)))).toMatchObject(UNREACHABLE);
    expect(send(client, udp(client.ip, 4000, server.ip, 81))).toBeUndefined();
    expect([node.drops(5), node.rejects(UNUSED_PORT)]).toEqual([1, 1]);
  });

  it('are those of addresses that no route leads to: others are on their way', () => {
    node.addService({ vip: '198.51.100.1', port: 80, protocol: 6, endpoints: [] });
    expect(send(client, udp(client.ip, 4000, '198.51.100.1', 81))?.port).toBe(0);
    node.isolate('egress', client, 8);
    expect(send(client, udp(client.ip, 4001, '198.51.100.1', 81))).toBeUndefined();
    expect(node.drops(5)).toBe(1);
  });

  it('an address in their range that is no service is silent', () => {
    expect(send(client, udp(client.ip, 4000, '10.96.77.7', 81))).toBeUndefined();
    expect(node.drops(11)).toBe(1);
  });
});

describe('the way ends', () => {
  const hop = (from: Pod, ttl: number, more: Partial<Parameters<typeof packet>[0]> = {}) =>
    packet({
      ...{ source: from.ip, target: server.ip, ttl, sourceMac: from.mac, targetMac: GATEWAY_MAC },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 33434 },
      ...more,
    });

  it.each([1, 0])('at TTL %i, and a traceroute learns of it', (ttl) => {
    const request = hop(client, ttl);
    const error = readError(answerTo(client.port, request));
    expect(error).toMatchObject({
      ...{ type: 11, code: 0, source: NODE_IP, target: client.ip, checksumsOk: true },
      ...{ sourceMac: GATEWAY_MAC, targetMac: client.mac },
      quoted: { source: client.ip, target: server.ip, sourcePort: 4000, targetPort: 33434, ttl },
    });
    expect(node.rejects(8)).toBe(1);
    expect(send(client, hop(client, 2))?.port).toBe(server.port);
  });

  it('for TCP, ICMP echo and others as well', () => {
    const requests = [
      hop(client, 1, { l4: { protocol: 'tcp', sourcePort: 1, targetPort: 2 } }),
      hop(client, 1, { l4: undefined, icmpEcho: { type: 8, identifier: 7 } }),
      hop(client, 1, { l4: undefined, protocol: 47 }),
    ] as const;
    for (const request of requests) {
      const error = readError(answerTo(client.port, request));
      expect(error).toMatchObject({ type: 11, checksumsOk: true });
      expect(error.quote).toEqual(request.subarray(14, 14 + error.quote.length));
      expect(error.quote.length).toBeGreaterThanOrEqual(28);
    }
  });

  it('through a service, where the packet is quoted as it came', () => {
    node.addService({ vip: VIP, port: 80, protocol: 17, endpoints: [{ ip: server.ip, port: 8080 }] });
    const request = packet({
      ...{ source: client.ip, target: VIP, ttl: 1 },
      l4: { protocol: 'udp', sourcePort: 4000, targetPort: 80 },
    });
    expect(readError(answerTo(client.port, request)).quoted).toMatchObject({ target: VIP, targetPort: 80 });
  });

  it('for packets of established flows', () => {
    for (let i = 0; i < 3; i++) {
      send(client, udp(client.ip, 4000, server.ip, 33434));
      send(server, udp(server.ip, 33434, client.ip, 4000));
    }
    expect(readError(answerTo(client.port, hop(client, 1))).type).toBe(11);
  });

  it('where a route says so', () => {
    node.addRoute('10.250.0.0', 16, 'unreachable');
    const error = readError(answerTo(other.port, hop(other, 64, { target: '10.250.0.1' })));
    expect(error).toMatchObject({ type: 3, code: 1, source: NODE_IP, target: other.ip });
    expect(node.rejects(9)).toBe(1);
  });

  it.each([
    ['ICMP errors', { l4: undefined, icmpError: { type: 3, code: 3, quote: new Uint8Array(28) } }],
    ['later fragments', { fragmentOffset: 100 }],
  ])('in silence for %s', (_what, change) => {
    expect(node.send(client.port, hop(client, 1, change))).toEqual([]);
    expect(node.drops(8)).toBe(1);
  });
});
