import { beforeEach, describe, expect, it } from 'vitest';
import { GATEWAY_MAC, HOST_PORT, k8sSpec, Node, type Pod, UPLINK_PORT } from './testing/k8s.js';
import { arpRequest, ip, ipText, type L4, packet, read, TCP } from './testing/packets.js';

const spec = k8sSpec();
const VIP = '10.96.0.10';

let node: Node;
let client: Pod;
let server: Pod;
let other: Pod;

beforeEach(() => {
  node = new Node(spec);
  client = node.addPod('10.244.0.1');
  server = node.addPod('10.244.0.2');
  other = node.addPod('10.244.0.3');
});

const tcp = (sourcePort: number, targetPort: number, flags: number = TCP.syn): L4 => ({
  protocol: 'tcp',
  sourcePort,
  targetPort,
  flags,
});
const udp = (sourcePort: number, targetPort: number): L4 => ({ protocol: 'udp', sourcePort, targetPort });

/** Sends a packet that must come out once. */
function one(port: number, bytes: Uint8Array) {
  const sent = node.send(port, bytes);
  expect(sent).toHaveLength(1);
  const [first] = sent;
  if (first === undefined) throw new Error('no packet came out');
  return { port: first.port, bytes: first.packet, ...read(first.packet) };
}

const webService = (endpoints = [server, other], options: { affinity?: boolean; protocol?: 6 | 17 } = {}) =>
  node.addService({
    vip: VIP,
    port: 80,
    protocol: options.protocol ?? 6,
    endpoints: endpoints.map((pod) => ({ ip: pod.ip, port: 8080 })),
    affinity: options.affinity ?? false,
  });

describe('ARP', () => {
  it('is answered for the gateway, towards the one who asks', () => {
    const [answer] = node.send(
      client.port,
      arpRequest({ senderMac: client.mac, sender: client.ip, target: '169.254.1.1' }),
    );
    if (answer === undefined) throw new Error('no answer');
    expect(answer.port).toBe(client.port);
    const view = new DataView(answer.packet.buffer);
    expect(view.getUint16(20)).toBe(2);
    expect(ipText(view.getUint32(28))).toBe('169.254.1.1');
    expect(ipText(view.getUint32(38))).toBe(client.ip);
    const gateway = GATEWAY_MAC.split(':').map((byte) => Number.parseInt(byte, 16));
    const pod = client.mac.split(':').map((byte) => Number.parseInt(byte, 16));
    expect([...answer.packet.subarray(0, 14)]).toEqual([...pod, ...gateway, 8, 6]);
    expect([...answer.packet.subarray(22, 28)]).toEqual(gateway);
    expect([...answer.packet.subarray(32, 38)]).toEqual(pod);
    expect(answer.packet).toHaveLength(42);
  });

  it('goes to the host for other addresses, and is dropped with a false sender', () => {
    const unknown = arpRequest({ senderMac: client.mac, sender: client.ip, target: '10.0.0.9' });
    expect(node.send(client.port, unknown)[0]).toMatchObject({ port: HOST_PORT, packet: unknown });
    const spoofed = arpRequest({ senderMac: client.mac, sender: server.ip, target: '169.254.1.1' });
    expect(node.send(client.port, spoofed)).toEqual([]);
    expect(node.drops(2)).toBe(1);
  });
});

describe('pod to pod', () => {
  it('forwards both directions, with new MAC addresses, TTL and header checksum', () => {
    const request = one(client.port, packet({ source: client.ip, target: server.ip, l4: tcp(4000, 5000) }));
    expect(request).toMatchObject({
      port: server.port,
      targetMac: server.mac,
      sourceMac: GATEWAY_MAC,
      source: client.ip,
      target: server.ip,
      ttl: 63,
      ipChecksumOk: true,
      l4ChecksumOk: true,
    });
    const reply = one(
      server.port,
      packet({ source: server.ip, target: client.ip, l4: tcp(5000, 4000, TCP.syn | TCP.ack) }),
    );
    expect(reply).toMatchObject({ port: client.port, targetMac: client.mac, ttl: 63, ipChecksumOk: true });
    expect(node.pipeline.learnerCount('conntrack')).toBe(2);
  });

  it('tracks ICMP echo, and SCTP by its ports', () => {
    const ping = packet({ source: client.ip, target: server.ip, icmpEcho: { type: 8, identifier: 77 } });
    expect(one(client.port, ping)).toMatchObject({ port: server.port, ipChecksumOk: true });
    expect([...node.pipeline.learnerEntries('conntrack')].map(({ key }) => key)).toEqual([
      [ip(client.ip), 77, ip(server.ip), 1, 77],
      [ip(server.ip), 77, ip(client.ip), 1, 77],
    ]);
    one(client.port, packet({ source: client.ip, target: server.ip, protocol: 132 }));
    expect(node.pipeline.learnerCount('conntrack')).toBe(4);
  });

  it('drops a false source address, an unknown port and what is no IPv4', () => {
    expect(node.send(client.port, packet({ source: server.ip, target: other.ip, l4: udp(1, 2) }))).toEqual(
      [],
    );
    expect(node.send(99, packet({ source: client.ip, target: other.ip, l4: udp(1, 2) }))).toEqual([]);
    const ipv6 = new Uint8Array(60);
    ipv6.set([0x86, 0xdd], 12);
    expect(node.send(client.port, ipv6)).toEqual([]);
    expect([node.drops(1), node.drops(2), node.drops(3)]).toEqual([1, 1, 1]);
    expect(node.pipeline.stats).toMatchObject({ dropped: 3, transmitted: 0 });
  });

  it('takes one hop off', () => {
    const request = packet({ source: client.ip, target: server.ip, l4: udp(1, 2), ttl: 2 });
    expect(one(client.port, request).ttl).toBe(1);
  });

  it('keeps a VLAN tag', () => {
    const tagged = packet({ source: client.ip, target: server.ip, l4: udp(1, 2), vlan: 42 });
    const out = one(client.port, tagged);
    expect(out).toMatchObject({ port: server.port, ipChecksumOk: true, l4ChecksumOk: true, ttl: 63 });
    expect([...out.bytes.subarray(12, 18)]).toEqual([0x81, 0, 0, 42, 8, 0]);
    expect(out.bytes).toHaveLength(tagged.length);
  });

  it('takes routes by the longest prefix, and drops what is in a black hole', () => {
    const route = (address: string, mask: number, action: string, args: (number | bigint)[] = []): void =>
      node.pipeline.tableSet('route_table', { key: [{ value: ip(address), mask }], action, args });
    route('0.0.0.0', 0, 'set_nexthop', [UPLINK_PORT, 5n, 6n, 0]);
    route('10.96.0.0', 0xffff0000, 'blackhole');
    route('10.96.7.0', 0xffffff00, 'set_nexthop', [HOST_PORT, 5n, 6n, 0]);
    const to = (target: string) =>
      node.send(client.port, packet({ source: client.ip, target, l4: udp(1, 2) }));
    expect(to('192.0.2.1')[0]?.port).toBe(UPLINK_PORT);
    expect(to('10.96.1.1')).toEqual([]);
    expect(to('10.96.7.1')[0]?.port).toBe(HOST_PORT);
    expect(node.drops(11)).toBe(1);
  });

  it('goes on with truncated packets as they are', () => {
    const short = packet({ source: client.ip, target: server.ip, l4: tcp(1, 2) }).subarray(0, 40);
    const [out] = node.send(client.port, short);
    expect(out?.packet).toHaveLength(40);
    expect(() => {
      for (let length = 0; length < 60; length++) node.send(client.port, short.subarray(0, length));
    }).not.toThrow();
  });
});

describe('services', () => {
  it.each(['tcp', 'udp'] as const)('translate %s both ways, with right checksums', (protocol) => {
    webService([server], { protocol: protocol === 'tcp' ? 6 : 17 });
    const l4 = (sourcePort: number, targetPort: number): L4 => ({ protocol, sourcePort, targetPort });
    for (let round = 0; round < 3; round++) {
      const request = one(client.port, packet({ source: client.ip, target: VIP, l4: l4(4000, 80) }));
      expect(request).toMatchObject({
        port: server.port,
        source: client.ip,
        sourcePort: 4000,
        target: server.ip,
        targetPort: 8080,
        ttl: 63,
        ipChecksumOk: true,
        l4ChecksumOk: true,
      });
      const reply = one(server.port, packet({ source: server.ip, target: client.ip, l4: l4(8080, 4000) }));
      expect(reply).toMatchObject({
        port: client.port,
        source: VIP,
        sourcePort: 80,
        target: client.ip,
        targetPort: 4000,
        ipChecksumOk: true,
        l4ChecksumOk: true,
      });
    }
  });

  it('keep a UDP checksum of 0', () => {
    webService([server], { protocol: 17 });
    const l4 = { ...udp(4000, 80), noChecksum: true };
    expect(one(client.port, packet({ source: client.ip, target: VIP, l4 }))).toMatchObject({
      l4Checksum: 0,
      target: server.ip,
    });
    const back = { ...udp(8080, 4000), noChecksum: true };
    expect(one(server.port, packet({ source: server.ip, target: client.ip, l4: back }))).toMatchObject({
      l4Checksum: 0,
      source: VIP,
    });
  });

  it('spread flows over the endpoints, and pin each flow', () => {
    const service = webService();
    const targets = new Map<number, string>();
    for (let port = 1000; port < 1100; port++) {
      targets.set(
        port,
        one(client.port, packet({ source: client.ip, target: VIP, l4: tcp(port, 80) })).target,
      );
    }
    const counts = [server, other].map(
      (pod) => [...targets.values()].filter((target) => target === pod.ip).length,
    );
    expect(Math.min(...counts)).toBeGreaterThan(30);
    service.setMembers([2]);
    for (const [port, target] of targets) {
      expect(
        one(client.port, packet({ source: client.ip, target: VIP, l4: tcp(port, 80, TCP.ack) })).target,
      ).toBe(target);
    }
    expect(one(client.port, packet({ source: client.ip, target: VIP, l4: tcp(2000, 80) })).target).toBe(
      other.ip,
    );
  });

  it('count new flows by service', () => {
    webService([server]);
    const request = packet({ source: client.ip, target: VIP, l4: tcp(1, 80) });
    one(client.port, request);
    one(client.port, request);
    expect(node.pipeline.registerRead('service_counter_0', 1)).toBe(1n);
  });

  it('with affinity send a client to the same endpoint until it has been silent for the timeout', () => {
    const service = webService([server, other], { affinity: true });
    service.setMembers([1]);
    const target = (port: number): string =>
      one(client.port, packet({ source: client.ip, target: VIP, l4: tcp(port, 80) })).target;
    expect(target(1000)).toBe(server.ip);
    service.setMembers([2]);
    node.now += 9_000;
    expect(target(1001)).toBe(server.ip);
    node.now += 9_999;
    expect(target(1002)).toBe(server.ip);
    node.now += 10_000;
    expect(target(1003)).toBe(other.ip);
    node.pipeline.learnerSetTimeout('affinity', 0, 10_800);
    expect(target(1004)).toBe(other.ip);
    service.setMembers([1]);
    node.now += 10_000;
    expect(target(1005)).toBe(other.ip);
  });

  it('give a flow another source port if its reply tuple belongs to another one, and the reply gets it back', () => {
    webService([server]);
    one(client.port, packet({ source: client.ip, target: server.ip, l4: tcp(4000, 8080) }));
    const { sourcePort, ...request } = one(
      client.port,
      packet({ source: client.ip, target: VIP, l4: tcp(4000, 80) }),
    );
    const right = { ipChecksumOk: true, l4ChecksumOk: true };
    expect(request).toMatchObject({ ...right, source: client.ip, target: server.ip, targetPort: 8080 });
    expect(sourcePort).not.toBe(4000);
    for (const [port, reply] of [
      [4000, { source: server.ip, sourcePort: 8080 }],
      [sourcePort, { source: VIP, sourcePort: 80 }],
    ] as const) {
      const back = packet({ source: server.ip, target: client.ip, l4: tcp(8080, port, TCP.syn | TCP.ack) });
      expect(one(server.port, back)).toMatchObject({
        ...right,
        ...reply,
        target: client.ip,
        targetPort: 4000,
      });
    }
    expect(
      one(client.port, packet({ source: client.ip, target: VIP, l4: tcp(4000, 80, TCP.ack) })),
    ).toMatchObject({
      ...right,
      sourcePort,
    });
  });
});
