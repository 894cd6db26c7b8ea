import { beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  ask,
  client,
  connect,
  node,
  other,
  server,
  service,
  setUp,
  udp,
  VIP,
} from './testing/flows.js';
import { type Pod, UPLINK_PORT } from './testing/k8s.js';
import { ip, packet, readError, TCP } from './testing/packets.js';

const ROUTER = '203.0.113.254';
const FRAGMENTATION_NEEDED = { type: 3, code: 4, mtu: 1400 };
/** As one of those who see the packet after translation would send it. */
const error = (
  source: string,
  target: string,
  quoted: Uint8Array,
  change: { type?: number; code?: number; mtu?: number; bytes?: number } = {},
) =>
  packet({
    ...{ source, target },
    icmpError: {
      ...FRAGMENTATION_NEEDED,
      ...change,
      // 8 bytes after the IPv4 header, as is usual at the least.
      quote: quoted.subarray(14, 14 + 20 + (change.bytes ?? 8)),
    },
  });

/** Sends a packet that must arrive as an error. */
function arrives(port: number, bytes: Uint8Array) {
  const [out, ...more] = node.send(port, bytes);
  expect(more).toEqual([]);
  if (out === undefined) throw new Error('nothing arrives');
  return { port: out.port, ...readError(out.packet) };
}

const sent = () => {
  const last = node.sent.at(-1);
  if (last === undefined) throw new Error('nothing was sent');
  return last.packet;
};

beforeEach(() => setUp());

describe('an ICMP error about a packet', () => {
  it.each([
    ['to a service', 8],
    ['to a service, quoted in full', 13],
  ])('%s reaches the client as one about what it sent', (_what, bytes) => {
    service(17, [server]);
    ask();
    const there = sent();
    expect(arrives(server.port, error(server.ip, client.ip, there, { bytes }))).toMatchObject({
      ...FRAGMENTATION_NEEDED,
      ...{ port: client.port, source: VIP, target: client.ip, ttl: 63, checksumsOk: true },
      quoted: { source: client.ip, sourcePort: 4000, target: VIP, targetPort: 80 },
    });
  });

  it('has the UDP checksum that the client had sent', () => {
    service(17, [server]);
    const request = udp(client.ip, 4000, VIP, 80);
    node.send(client.port, request);
    const { quote } = arrives(server.port, error(server.ip, client.ip, sent()));
    expect(quote.subarray(20)).toEqual(request.subarray(34, 42));
  });

  it('without a UDP checksum stays without', () => {
    service(17, [server]);
    const l4 = { protocol: 'udp', sourcePort: 4000, targetPort: 80, noChecksum: true } as const;
    node.send(client.port, packet({ source: client.ip, target: VIP, l4 }));
    const { quote, checksumsOk } = arrives(server.port, error(server.ip, client.ip, sent()));
    expect([...quote.subarray(26, 28)]).toEqual([0, 0]);
    expect(checksumsOk).toBe(true);
  });

  it('of an established TCP connection reaches either side', () => {
    service(6, [server]);
    connect();
    for (let i = 0; i < 2; i++) {
      node.send(client.port, request());
      expect(arrives(UPLINK_PORT, error(ROUTER, client.ip, sent()))).toMatchObject({
        ...{ port: client.port, target: client.ip, checksumsOk: true },
        quoted: { source: client.ip, sourcePort: 4000, target: VIP, targetPort: 80 },
      });
      node.send(server.port, reply());
      // Whoever sees the answers knows the service only, and tells it.
      expect(arrives(UPLINK_PORT, error(ROUTER, VIP, sent()))).toMatchObject({
        ...{ port: server.port, source: ROUTER, target: server.ip, checksumsOk: true },
        quoted: { source: server.ip, sourcePort: 8080, target: client.ip, targetPort: 4000 },
      });
    }
  });

  it.each([
    ['unreachable', 3, 3],
    ['source quench', 4, 0],
    ['time exceeded', 11, 0],
    ['parameter problem', 12, 0],
  ])('is %s, too', (_what, type, code) => {
    service(17, [server]);
    ask();
    expect(arrives(server.port, error(server.ip, client.ip, sent(), { type, code }))).toMatchObject({
      ...{ type, code, source: VIP, checksumsOk: true },
    });
  });

  it('between pods comes as it is, and keeps no flow alive', () => {
    node.send(client.port, udp(client.ip, 4000, server.ip, 53));
    const there = sent();
    node.now += 20_000;
    expect(arrives(UPLINK_PORT, error(ROUTER, client.ip, there))).toMatchObject({
      ...{ port: client.port, source: ROUTER, checksumsOk: true },
      quoted: { source: client.ip, target: server.ip, targetPort: 53 },
    });
    node.now += 11_000;
    node.isolate('ingress', client, 9);
    expect(node.send(UPLINK_PORT, error(ROUTER, client.ip, there))).toEqual([]);
  });

  it('of a ping is one of its flow as well', () => {
    node.isolate('ingress', client, 9);
    node.send(
      client.port,
      packet({ source: client.ip, target: server.ip, icmpEcho: { type: 8, identifier: 7 } }),
    );
    expect(arrives(UPLINK_PORT, error(ROUTER, client.ip, sent(), { type: 11, code: 0 }))).toMatchObject({
      ...{ type: 11, port: client.port, source: ROUTER, checksumsOk: true },
    });
  });
});

describe('an ICMP error about what was masqueraded', () => {
  const OWN = '192.0.2.1';
  const WORLD = '203.0.113.9';

  beforeEach(() => {
    node.pipeline.tableSet('route_table', {
      key: [{ value: 0, mask: 0 }],
      action: 'masquerade_nexthop',
      args: [UPLINK_PORT, 5n, 6n, ip(OWN)],
    });
  });

  it('reaches the pod, which alone knows its address', () => {
    const request = udp(client.ip, 4000, WORLD, 53);
    node.send(client.port, request);
    const { port, quote, quoted, ...outer } = arrives(UPLINK_PORT, error(ROUTER, OWN, sent()));
    expect({ port, ...outer }).toMatchObject({ port: client.port, source: ROUTER, checksumsOk: true });
    expect(quoted).toMatchObject({ source: client.ip, sourcePort: 4000, target: WORLD, targetPort: 53 });
    expect(quote.subarray(20)).toEqual(request.subarray(34, 42));
  });

  it('does so for pings, by the identifier that the pod gave them', () => {
    const ping = (pod: Pod) =>
      packet({ source: pod.ip, target: WORLD, icmpEcho: { type: 8, identifier: 7 } });
    node.send(other.port, ping(other));
    node.send(client.port, ping(client));
    const there = sent();
    // The other one has the identifier already.
    expect(there.subarray(38, 40)).not.toEqual(ping(client).subarray(38, 40));
    const { port, quote, quoted, checksumsOk } = arrives(UPLINK_PORT, error(ROUTER, OWN, there));
    expect([port, quoted.source, checksumsOk]).toEqual([client.port, client.ip, true]);
    expect(quote.subarray(20)).toEqual(ping(client).subarray(34, 42));
  });
});

describe('policies', () => {
  it.each(['ingress', 'egress'] as const)('let errors of a flow pass (%s)', (direction) => {
    service(17, [server]);
    ask();
    answer();
    node.isolate(direction, direction === 'ingress' ? client : server, 9);
    ask();
    expect(arrives(server.port, error(server.ip, client.ip, sent())).source).toBe(VIP);
  });

  it('deny those of no flow, of another one, and of one that they deny by now', () => {
    node.isolate('ingress', client, 9);
    const stray = udp(client.ip, 4000, server.ip, 53);
    expect(node.send(server.port, error(server.ip, client.ip, stray))).toEqual([]);
    node.send(client.port, stray);
    expect(node.send(server.port, error(server.ip, client.ip, stray))).toHaveLength(1);
    // It quotes what another pod sent.
    expect(node.send(server.port, error(server.ip, other.ip, stray))).toHaveLength(1);
    node.isolate('ingress', other, 9);
    node.send(client.port, stray);
    expect(node.send(server.port, error(server.ip, other.ip, stray))).toEqual([]);
    node.isolate('egress', client, 9);
    node.send(client.port, stray);
    expect(node.send(server.port, error(server.ip, client.ip, stray))).toEqual([]);
  });

  it('and a pod that has a used address gets none about the flows of the one before', () => {
    node.send(client.port, udp(client.ip, 4000, server.ip, 53));
    const there = sent();
    node.removePod(client);
    const next = node.addPod(client.ip, client.port);
    node.isolate('ingress', next, 9);
    expect(node.send(server.port, error(server.ip, client.ip, there))).toEqual([]);
  });
});

it('a truncated or senseless quote harms nobody', () => {
  service(17, [server]);
  ask();
  const whole = error(server.ip, client.ip, sent());
  expect(() => {
    for (let length = 14; length < whole.length; length++) node.send(server.port, whole.subarray(0, length));
    for (let at = 34; at < whole.length; at++) {
      const bytes = whole.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      node.send(server.port, bytes);
    }
  }).not.toThrow();
});

function request(): Uint8Array {
  const l4 = { protocol: 'tcp', sourcePort: 4000, targetPort: 80, flags: TCP.ack } as const;
  return packet({ source: client.ip, target: VIP, l4 });
}

function reply(): Uint8Array {
  const l4 = { protocol: 'tcp', sourcePort: 8080, targetPort: 4000, flags: TCP.ack } as const;
  return packet({ source: server.ip, target: client.ip, l4 });
}
