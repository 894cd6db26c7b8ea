import { beforeEach, describe, expect, it } from 'vitest';
import { answer, ask, client, node, other, server, service, setUp, udp, VIP } from './testing/flows.js';
import { HOST_PORT, type Pod, UPLINK_PORT } from './testing/k8s.js';
import { fragmentsOf, ip, packet, read, reassemble } from './testing/packets.js';

const FRAGMENT = 14;
const MTU_PAYLOAD = 1480;
const NODE_IP = '192.168.7.1';

beforeEach(() => setUp());

const datagram = (
  source: string,
  target: string,
  [sourcePort, targetPort]: readonly [number, number],
  identification = 1,
  size = 8192,
) =>
  packet({
    ...{ source, target, identification },
    l4: { protocol: 'udp', sourcePort, targetPort, payload: Uint8Array.from({ length: size }, (_, i) => i) },
  });

/** Sends a packet in fragments, in an order; what came out, and where. */
function sendParts(port: number, whole: Uint8Array, order = (parts: Uint8Array[]) => parts) {
  const out = order(fragmentsOf(whole, MTU_PAYLOAD)).flatMap((part) => node.send(port, part));
  for (const { packet: part } of out) expect(read(part).ipChecksumOk).toBe(true);
  return out;
}

/** Sends a packet in fragments, which must all arrive in one place, and be a packet there. */
function arrives(port: number, whole: Uint8Array) {
  const out = sendParts(port, whole);
  expect(new Set(out.map((part) => part.port)).size).toBe(1);
  const bytes = reassemble(out.map((part) => part.packet));
  expect(bytes).toHaveLength(whole.length);
  for (const { packet: part } of out) expect(part.subarray(0, 12)).toEqual(bytes.subarray(0, 12));
  return { port: out[0]?.port, ...read(bytes) };
}

const allow = (policy: number, peer: Pod, port: number): void => {
  const { pipeline } = node;
  pipeline.tableSet('policy_peer', {
    key: [{ value: policy }, { value: ip(peer.ip) }],
    action: 'set_peer_classes',
    args: [1n],
  });
  pipeline.tableSet('policy_port', {
    key: [{ value: policy }, { value: 17 }, { value: port }],
    priority: 1,
    action: 'set_port_classes',
    args: [1n],
  });
};

describe('a large datagram', () => {
  it('goes through a service and back, of new and of established flows', () => {
    service(17, [server]);
    for (let i = 0; i < 4; i++) {
      expect(arrives(client.port, datagram(client.ip, VIP, [4000, 80], i))).toMatchObject({
        ...{ port: server.port, source: client.ip, target: server.ip, targetPort: 8080, ttl: 63 },
        ...{ targetMac: server.mac, l4ChecksumOk: true },
      });
      expect(arrives(server.port, datagram(server.ip, client.ip, [8080, 4000], i))).toMatchObject({
        ...{ port: client.port, source: VIP, sourcePort: 80, target: client.ip, l4ChecksumOk: true },
      });
    }
    expect(node.drops(FRAGMENT)).toBe(0);
  });

  it('is not looked up as one of the established packets between which it comes', () => {
    service(17, [server]);
    for (let i = 0; i < 3; i++) {
      ask();
      answer();
    }
    expect(arrives(client.port, datagram(client.ip, VIP, [4000, 80])).target).toBe(server.ip);
    expect(ask()?.target).toBe(server.ip);
  });

  it('reaches an isolated pod whose policy allows the port, and no other port', () => {
    node.isolate('ingress', server, 9);
    allow(9, client, 53);
    expect(arrives(client.port, datagram(client.ip, server.ip, [4000, 53])).port).toBe(server.port);
    expect(sendParts(client.port, datagram(client.ip, server.ip, [4000, 54], 2))).toEqual([]);
    expect([node.drops(6), node.drops(FRAGMENT)]).toEqual([1, 5]);
  });

  it('is as any other if it has no ports, or is an echo', () => {
    const ping = packet({ source: client.ip, target: server.ip, icmpEcho: { type: 8, identifier: 7 } });
    const large = Uint8Array.from([...ping, ...new Uint8Array(3000)]);
    const tunnel = packet({ source: client.ip, target: server.ip, protocol: 47 });
    const other = Uint8Array.from([...tunnel, ...new Uint8Array(3000)]);
    for (const whole of [large, other]) {
      const out = sendParts(client.port, whole);
      expect(out.map(({ port }) => port)).toEqual([server.port, server.port, server.port]);
    }
  });

  it('goes to the node as it is', () => {
    const whole = datagram(client.ip, NODE_IP, [4000, 53]);
    const parts = fragmentsOf(whole, MTU_PAYLOAD);
    const there = parts.flatMap((part) => node.send(client.port, part));
    expect(there).toEqual(parts.map((part) => ({ port: HOST_PORT, packet: part })));
    expect(arrives(HOST_PORT, datagram(NODE_IP, client.ip, [53, 4000])).port).toBe(client.port);
  });
});

describe('a later fragment', () => {
  it('that comes before the first one is dropped', () => {
    service(17, [server]);
    const whole = datagram(client.ip, VIP, [4000, 80]);
    expect(sendParts(client.port, whole, (parts) => parts.toReversed())).toHaveLength(1);
    expect(node.drops(FRAGMENT)).toBe(5);
  });

  it('follows for 5 seconds', () => {
    const [first = new Uint8Array(), second = new Uint8Array()] = fragmentsOf(
      datagram(client.ip, server.ip, [4000, 53]),
      MTU_PAYLOAD,
    );
    node.send(client.port, first);
    node.now += 4_900;
    expect(node.send(client.port, second)).toHaveLength(1);
    node.now += 5_100;
    expect(node.send(client.port, second)).toEqual([]);
  });

  it('is of its own packet only: another source, target, protocol or number', () => {
    const parts = (source: Pod, target: Pod, id: number) =>
      fragmentsOf(datagram(source.ip, target.ip, [4000, 53], id), MTU_PAYLOAD);
    const [first = new Uint8Array(), later = new Uint8Array()] = parts(client, server, 1);
    node.send(client.port, first);
    const strangers = [parts(client, server, 2), parts(client, other, 1)];
    for (const [, stranger = new Uint8Array()] of strangers)
      expect(node.send(client.port, stranger)).toEqual([]);
    expect(node.send(other.port, parts(other, server, 1)[1] ?? new Uint8Array())).toEqual([]);
    expect(node.drops(FRAGMENT)).toBe(3);
    // Nor may another pod send it.
    expect(node.send(other.port, later)).toEqual([]);
    expect(node.drops(2)).toBe(1);
    expect(node.send(client.port, later)).toHaveLength(1);
  });

  it('goes where the first one of now goes, if the number comes again', () => {
    const one = fragmentsOf(datagram(client.ip, VIP, [4000, 80], 7), MTU_PAYLOAD);
    const set = service(17, [server, other]);
    set.setMembers([1]);
    expect(node.send(client.port, one[0] ?? new Uint8Array())[0]?.port).toBe(server.port);
    set.setMembers([2]);
    const two = fragmentsOf(datagram(client.ip, VIP, [4001, 80], 7), MTU_PAYLOAD);
    expect(node.send(client.port, two[0] ?? new Uint8Array())[0]?.port).toBe(other.port);
    expect(node.send(client.port, two[1] ?? new Uint8Array())[0]?.port).toBe(other.port);
  });

  it('does not follow once something has changed', () => {
    const [first = new Uint8Array(), later = new Uint8Array()] = fragmentsOf(
      datagram(client.ip, server.ip, [4000, 53]),
      MTU_PAYLOAD,
    );
    node.send(client.port, first);
    node.isolate('ingress', server, 9);
    expect(node.send(client.port, later)).toEqual([]);
    expect(node.drops(FRAGMENT)).toBe(1);
  });

  it('has hops of its own', () => {
    const parts = fragmentsOf(datagram(client.ip, server.ip, [4000, 53]), MTU_PAYLOAD);
    const [first = new Uint8Array(), later = new Uint8Array()] = parts;
    node.send(client.port, first);
    later[22] = 1;
    expect(node.send(client.port, later)).toEqual([]);
    expect(node.drops(8)).toBe(1);
  });

  it('from outside reaches the node in any order, and no pod', () => {
    const toNode = fragmentsOf(datagram('203.0.113.9', NODE_IP, [4000, 53]), MTU_PAYLOAD).toReversed();
    const out = toNode.flatMap((part) => node.send(UPLINK_PORT, part));
    expect(out).toEqual(toNode.map((part) => ({ port: HOST_PORT, packet: part })));
    const toPod = fragmentsOf(datagram('203.0.113.9', client.ip, [4000, 53]), MTU_PAYLOAD);
    expect(node.send(UPLINK_PORT, toPod[1] ?? new Uint8Array())).toEqual([]);
    expect(node.drops(FRAGMENT)).toBe(1);
  });
});

it('an established packet is none: no table of fragments is asked', () => {
  const asked = () => node.pipeline.stats.tables.fragments;
  for (let i = 0; i < 3; i++) node.send(client.port, udp(client.ip, 4000, server.ip, 53));
  expect(asked()).toMatchObject({ hits: 0, misses: 0 });
});
