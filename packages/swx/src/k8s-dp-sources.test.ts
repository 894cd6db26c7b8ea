import { beforeEach, describe, expect, it } from 'vitest';
import { client, node, other, server, setUp, tcp, udp } from './testing/flows.js';
import { HOST_PORT, UPLINK_PORT } from './testing/k8s.js';
import { checksum, ip, packet, read, readError, TCP } from './testing/packets.js';

const { syn, ack } = TCP;
const GATEWAY = '169.254.1.1';
const NODE = '192.0.2.1';
/** A client that comes through the node's kernel. */
const OUTSIDE = '198.51.100.7';
/** A pod of another node. */
const REMOTE = '10.244.9.5';
/** An address of this data plane that other nodes have a route for. */
const OWN = '10.244.0.0';
const WORLD = '203.0.113.9';
const VIP = '10.96.0.10';
const DROP_CONFLICT = 7;
const DROP_UNREACHABLE = 9;

beforeEach(() => setUp());

/** Sends a packet in; undefined: it was dropped. */
function send(port: number, bytes: Uint8Array) {
  const [first] = node.send(port, bytes);
  if (first === undefined) return undefined;
  const out = read(first.packet);
  expect(out.ipChecksumOk).toBe(true);
  if (out.protocol !== 1) expect(out.l4ChecksumOk).toBe(true);
  return { port: first.port, bytes: first.packet, ...out };
}

function route(
  address: string,
  length: number,
  action: 'set_nexthop' | 'masquerade_nexthop',
  source: string,
): void {
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  const args = [UPLINK_PORT, 5n, 6n, ip(source)];
  node.pipeline.tableSet('route_table', { key: [{ value: ip(address), mask }], action, args });
}

const service = (protocol: 6 | 17 | 132, endpoint: string, port = 8080) =>
  node.addService({ vip: VIP, port: 80, protocol, endpoints: [{ ip: endpoint, port }] });

/** Tables that were asked, by what was hit or missed. */
function tables(run: () => void): string[] {
  const before = { ...node.pipeline.stats.tables };
  run();
  return Object.entries(node.pipeline.stats.tables)
    .filter(([table, { hits, misses }]) => hits !== before[table]?.hits || misses !== before[table]?.misses)
    .map(([table]) => table)
    .sort();
}
const ONE_LOOKUP = ['established', 'flow_epoch'];

describe('a service asked by the node, or by clients that come through its kernel', () => {
  it.each([
    ['TCP', 6, (...tuple: Parameters<typeof udp>) => tcp(...tuple, ack)],
    ['UDP', 17, udp],
  ] as const)('has answers from endpoints elsewhere come back: %s', (_name, protocol, make) => {
    service(protocol, REMOTE);
    for (let round = 0; round < 4; round++) {
      const there = send(HOST_PORT, make(NODE, 4000, VIP, 80));
      expect(there).toMatchObject({ port: HOST_PORT, source: GATEWAY, sourcePort: 4000, target: REMOTE });
      expect(there?.targetPort).toBe(8080);
      const back = send(HOST_PORT, make(REMOTE, 8080, GATEWAY, 4000));
      expect(back).toMatchObject({ port: HOST_PORT, source: VIP, sourcePort: 80, target: NODE });
      expect(back?.targetPort).toBe(4000);
    }
    expect(
      tables(() => {
        send(HOST_PORT, make(NODE, 4000, VIP, 80));
        send(HOST_PORT, make(REMOTE, 8080, GATEWAY, 4000));
      }),
    ).toEqual(ONE_LOOKUP);
  });

  it('tells clients apart that use the same port', () => {
    service(6, REMOTE);
    const clients = [NODE, OUTSIDE, '198.51.100.8', '198.51.100.9'];
    const ports = clients.map((address) => send(HOST_PORT, tcp(address, 4000, VIP, 80, syn))?.sourcePort);
    expect(new Set(ports).size).toBe(clients.length);
    for (const [i, address] of clients.entries()) {
      for (let round = 0; round < 3; round++) {
        const back = send(HOST_PORT, tcp(REMOTE, 8080, GATEWAY, ports[i] ?? 0, ack));
        expect(back).toMatchObject({ source: VIP, sourcePort: 80, target: address, targetPort: 4000 });
        const there = send(HOST_PORT, tcp(address, 4000, VIP, 80, ack));
        expect(there).toMatchObject({ source: GATEWAY, sourcePort: ports[i], target: REMOTE });
      }
    }
  });

  it('keeps the address of the client for a pod of this node', () => {
    service(6, server.ip);
    expect(send(HOST_PORT, tcp(OUTSIDE, 4000, VIP, 80, syn))).toMatchObject({
      port: server.port,
      source: OUTSIDE,
    });
    expect(send(server.port, tcp(server.ip, 8080, OUTSIDE, 4000, syn | ack))).toMatchObject({
      port: HOST_PORT,
      source: VIP,
    });
  });

  it('reaches the node itself as an endpoint, for the node and for others', () => {
    service(6, NODE);
    for (const address of [NODE, OUTSIDE]) {
      const there = send(HOST_PORT, tcp(address, 4001, VIP, 80, syn));
      expect(there).toMatchObject({ port: HOST_PORT, source: GATEWAY, target: NODE });
      const back = send(HOST_PORT, tcp(NODE, 8080, GATEWAY, there?.sourcePort ?? 0, syn | ack));
      expect(back).toMatchObject({ port: HOST_PORT, source: VIP, target: address, targetPort: 4001 });
    }
  });

  it('what the node has sent here for nobody does not go back to it, which would send it again, but is refused', () => {
    for (const [source, target] of [
      [NODE, GATEWAY],
      [OUTSIDE, '10.244.0.99'],
    ] as const) {
      const [answer] = node.send(HOST_PORT, udp(source, 4000, target, 999));
      expect(answer?.port).toBe(HOST_PORT);
      expect(readError(answer?.packet ?? new Uint8Array())).toMatchObject({
        ...{ type: 3, code: 1, source: target, target: source, checksumsOk: true },
      });
    }
    expect(node.rejects(DROP_UNREACHABLE)).toBe(2);
  });

  it('through an uplink has the address that the route says', () => {
    route('10.244.9.0', 24, 'set_nexthop', OWN);
    service(17, REMOTE);
    for (let round = 0; round < 3; round++) {
      const there = send(HOST_PORT, udp(NODE, 4000, VIP, 80));
      expect(there).toMatchObject({ port: UPLINK_PORT, source: OWN, target: REMOTE, ttl: 63 });
      expect(there?.targetMac).toBe('00:00:00:00:00:05');
      expect(send(UPLINK_PORT, udp(REMOTE, 8080, OWN, 4000))).toMatchObject({
        port: HOST_PORT,
        source: VIP,
        target: NODE,
        targetPort: 4000,
      });
    }
    const both = () => [
      send(HOST_PORT, udp(NODE, 4000, VIP, 80)),
      send(UPLINK_PORT, udp(REMOTE, 8080, OWN, 4000)),
    ];
    expect(tables(both)).toEqual(ONE_LOOKUP);
    // Pods keep their addresses there.
    expect(send(client.port, udp(client.ip, 4000, VIP, 80))).toMatchObject({ source: client.ip });
  });
});

describe('answers to what the node has let in', () => {
  it('go back to it, even if a route leads to the client', () => {
    route('0.0.0.0', 0, 'set_nexthop', OWN);
    service(6, server.ip);
    for (const target of [VIP, server.ip]) {
      const port = target === VIP ? 80 : 8080;
      send(HOST_PORT, tcp(OUTSIDE, 4000 + port, target, port, syn));
      for (let round = 0; round < 3; round++) {
        const back = send(server.port, tcp(server.ip, 8080, OUTSIDE, 4000 + port, ack));
        expect(back).toMatchObject({ port: HOST_PORT, source: target });
        send(HOST_PORT, tcp(OUTSIDE, 4000 + port, target, port, ack));
      }
    }
    // The pod's own connections take the route.
    expect(send(server.port, tcp(server.ip, 5000, OUTSIDE, 80, syn))?.port).toBe(UPLINK_PORT);
  });
});

describe('a route that masquerades', () => {
  beforeEach(() => route('0.0.0.0', 0, 'masquerade_nexthop', NODE));

  it.each([
    ['TCP', (...tuple: Parameters<typeof udp>) => tcp(...tuple, ack)],
    ['UDP', udp],
  ] as const)('gives pods its address and brings the answers back: %s', (_name, make) => {
    const pods = [client, server, other];
    const ports = pods.map(({ port, ip: address }) => {
      const out = send(port, make(address, 4000, WORLD, 53));
      expect(out).toMatchObject({ port: UPLINK_PORT, source: NODE, target: WORLD, targetPort: 53, ttl: 63 });
      return out?.sourcePort ?? 0;
    });
    expect(ports[0]).toBe(4000);
    expect(new Set(ports).size).toBe(3);
    const back = (i: number) => send(UPLINK_PORT, make(WORLD, 53, NODE, ports[i] ?? 0));
    for (const [i, { port, ip: address }] of pods.entries()) {
      for (let round = 0; round < 3; round++) {
        expect(back(i)).toMatchObject({ port, source: WORLD, sourcePort: 53, target: address });
        expect(back(i)?.targetPort).toBe(4000);
        expect(send(port, make(address, 4000, WORLD, 53))).toMatchObject({
          source: NODE,
          sourcePort: ports[i],
        });
      }
    }
    expect(tables(() => [back(1), send(server.port, make(server.ip, 4000, WORLD, 53))])).toEqual(ONE_LOOKUP);
  });

  it('gives them its address in ICMP echo, each an identifier of its own', () => {
    const echo = (source: string, target: string, type: 0 | 8, identifier: number) =>
      packet({ source, target, icmpEcho: { type, identifier } });
    const icmpOf = (bytes: Uint8Array | undefined) => (bytes ?? new Uint8Array(0)).subarray(34);
    const pods = [client, server];
    const identifiers = pods.map(({ port, ip: address }) => {
      const out = send(port, echo(address, WORLD, 8, 7));
      expect(out).toMatchObject({ port: UPLINK_PORT, source: NODE, target: WORLD });
      const icmp = icmpOf(out?.bytes);
      expect(checksum(icmp)).toBe(0);
      return new DataView(icmp.buffer, icmp.byteOffset).getUint16(4);
    });
    expect(identifiers[0]).toBe(7);
    expect(identifiers[1]).not.toBe(7);
    for (let round = 0; round < 3; round++) {
      for (const [i, { port, ip: address }] of pods.entries()) {
        const back = send(UPLINK_PORT, echo(WORLD, NODE, 0, identifiers[i] ?? 0));
        expect(back).toMatchObject({ port, source: WORLD, target: address });
        const icmp = icmpOf(back?.bytes);
        expect(checksum(icmp)).toBe(0);
        expect(new DataView(icmp.buffer, icmp.byteOffset).getUint16(4)).toBe(7);
        expect(send(port, echo(address, WORLD, 8, 7))).toMatchObject({ source: NODE });
      }
    }
  });

  it("leaves alone the node's own, whose ports it does not take", () => {
    expect(send(HOST_PORT, udp(NODE, 4000, WORLD, 53))).toMatchObject({
      port: UPLINK_PORT,
      source: NODE,
      sourcePort: 4000,
    });
    const out = send(client.port, udp(client.ip, 4000, WORLD, 53));
    expect(out?.sourcePort).not.toBe(4000);
    expect(send(UPLINK_PORT, udp(WORLD, 53, NODE, 4000))).toMatchObject({ port: HOST_PORT, target: NODE });
    expect(send(UPLINK_PORT, udp(WORLD, 53, NODE, out?.sourcePort ?? 0))).toMatchObject({
      port: client.port,
      target: client.ip,
    });
  });

  it("gives the node another port for what a pod's flow has", () => {
    expect(send(client.port, udp(client.ip, 4000, WORLD, 53))).toMatchObject({ sourcePort: 4000 });
    const own = send(HOST_PORT, udp(NODE, 4000, WORLD, 53));
    expect(own?.sourcePort).not.toBe(4000);
    expect(send(UPLINK_PORT, udp(WORLD, 53, NODE, own?.sourcePort ?? 0))).toMatchObject({
      port: HOST_PORT,
      targetPort: 4000,
    });
  });

  it('finds ports for 10,000 flows that all want one', () => {
    const ports = new Set<number>();
    for (let i = 0; i < 10_000; i++) {
      const address = `10.244.${8 + (i >> 8)}.${i & 255}`;
      const key = [{ value: client.port }];
      node.pipeline.tableSet('port_table', { key, action: 'set_pod_port', args: [ip(address), 1] });
      ports.add(send(client.port, udp(address, 4000, WORLD, 53))?.sourcePort ?? 0);
    }
    expect(ports.size).toBe(10_000);
    expect(node.drops(DROP_CONFLICT)).toBe(0);
  });
});

describe('SCTP', () => {
  const sctp = (source: string, sourcePort: number, target: string, targetPort: number) => {
    const bytes = packet({ source, target, protocol: 132 });
    new DataView(bytes.buffer).setUint32(34, sourcePort * 65_536 + targetPort);
    bytes.set([0xde, 0xad, 0xbe, 0xef], 42);
    return bytes;
  };
  const sent = (port: number, bytes: Uint8Array) => {
    const [first] = node.send(port, bytes);
    return first && { port: first.port, rest: [...first.packet.subarray(34)], ...read(first.packet) };
  };

  it('is translated where port and target port are equal: the checksum holds no addresses', () => {
    service(132, server.ip, 80);
    for (let round = 0; round < 3; round++) {
      const request = sctp(client.ip, 4000, VIP, 80);
      expect(sent(client.port, request)).toMatchObject({
        port: server.port,
        target: server.ip,
        ipChecksumOk: true,
        rest: [...request.subarray(34)],
      });
      const answer = sctp(server.ip, 80, client.ip, 4000);
      expect(sent(server.port, answer)).toMatchObject({
        port: client.port,
        source: VIP,
        ipChecksumOk: true,
        rest: [...answer.subarray(34)],
      });
    }
  });

  it('is refused where its source port is taken, since it cannot have another', () => {
    service(132, REMOTE, 80);
    expect(sent(HOST_PORT, sctp(NODE, 4000, VIP, 80))).toMatchObject({ source: GATEWAY, sourcePort: 4000 });
    expect(sent(HOST_PORT, sctp(OUTSIDE, 4000, VIP, 80))).toBeUndefined();
    expect(node.drops(DROP_CONFLICT)).toBe(1);
  });
});
