import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  ask,
  client,
  connect,
  connectDirectly,
  node,
  other,
  reply,
  request,
  send,
  server,
  service,
  setUp,
  tcp,
  udp,
  VIP,
} from './testing/flows.js';
import { ip, packet, TCP } from './testing/packets.js';

const { syn, ack, rst } = TCP;

beforeEach(() => setUp());

describe('packets of an established flow', () => {
  const asked = () => ({ ...node.pipeline.stats.tables });
  /** The tables that are asked about the packets. */
  const tables = (run: () => void): string[] => {
    const before = asked();
    run();
    return Object.entries(asked())
      .filter(([table, { hits, misses }]) => {
        const old = before[table];
        return hits !== old?.hits || misses !== old?.misses;
      })
      .map(([table]) => table)
      .sort();
  };
  const ONE_LOOKUP = ['established', 'flow_epoch'];

  it.each([
    ['TCP', 6, connect, () => request(ack), () => reply(ack)],
    ['UDP', 17, () => [ask(), answer()], ask, answer],
  ] as const)('make one look-up, both ways: %s', (_name, protocol, open, there, back) => {
    service(protocol, [server]);
    open();
    there();
    back();
    const out = tables(() => {
      expect(there()).toMatchObject({ port: server.port, target: server.ip, targetPort: 8080 });
      expect(back()).toMatchObject({ port: client.port, source: VIP, sourcePort: 80 });
    });
    expect(out).toEqual(ONE_LOOKUP);
  });

  it('are as the first ones were: addresses, checksums, MAC addresses and hops', () => {
    service(6, [server]);
    connect();
    request(ack);
    const first = node.sent.at(-1)?.packet;
    expect(tables(() => request(ack))).toEqual(ONE_LOOKUP);
    expect(node.sent.at(-1)?.packet).toEqual(first);
  });

  it.each(['tcp', 'udp'] as const)('have right checksums whatever they carry: %s', (protocol) => {
    service(protocol === 'tcp' ? 6 : 17, [server]);
    const carry = (from: typeof client, target: string, ports: [number, number], payload: Uint8Array) =>
      send(
        from,
        packet({
          source: from.ip,
          target,
          l4: { protocol, sourcePort: ports[0], targetPort: ports[1], flags: ack, payload },
        }),
      );
    fc.assert(
      fc.property(
        fc.integer({ min: 1024, max: 65_535 }),
        fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 }),
        (port, payloads) => {
          if (protocol === 'udp') [ask(port), answer(server, port)];
          else [request(syn, port), reply(syn | ack, server, port), request(ack, port)];
          // `send` looks at the checksums.
          for (const payload of payloads) {
            expect(carry(client, VIP, [port, 80], payload)?.port).toBe(server.port);
            expect(carry(server, client.ip, [8080, port], payload)?.port).toBe(client.port);
          }
        },
      ),
    );
    expect(node.pipeline.learnerCount('established')).toBeGreaterThan(100);
  });

  it('of a service are not remembered by a datagram without a checksum, and those without one stay so', () => {
    service(17, [server]);
    const l4 = { protocol: 'udp', sourcePort: 4000, targetPort: 80, noChecksum: true } as const;
    const bare = () => send(client, packet({ source: client.ip, target: VIP, l4 }));
    ask();
    answer();
    for (let i = 0; i < 3; i++) expect(bare()?.l4Checksum).toBe(0);
    expect(tables(ask)).not.toEqual(ONE_LOOKUP);
    expect(tables(ask)).toEqual(ONE_LOOKUP);
    expect(bare()?.l4Checksum).toBe(0);
    expect(ask()?.l4Checksum).not.toBe(0);
  });

  it('to the node stay as they are, those that are remembered and those after them', () => {
    const request = udp(client.ip, 4000, '10.0.0.7', 53);
    const packets = Array.from({ length: 4 }, () => {
      send(client, request);
      const there = node.sent.at(-1);
      node.send(0, udp('10.0.0.7', 53, client.ip, 4000));
      return there;
    });
    expect(packets).toEqual(Array(4).fill({ port: 0, packet: request }));
    expect(tables(() => send(client, request))).toEqual(ONE_LOOKUP);
  });

  it('are from where the flow began: another pod that uses its addresses is not heard', () => {
    connectDirectly();
    for (let i = 0; i < 3; i++) send(client, tcp(client.ip, 4000, server.ip, 8080, ack));
    expect(send(other, tcp(client.ip, 4000, server.ip, 8080, ack))).toBeUndefined();
    expect(node.drops(2)).toBe(1);
    expect(send(client, tcp(client.ip, 4000, server.ip, 8080, ack))?.port).toBe(server.port);
  });

  it('are no longer forwarded by what was remembered once the connection is reset', () => {
    service(6, [server]);
    connect();
    request(ack);
    reply(ack);
    request(rst);
    expect(node.pipeline.learnerCount('established')).toBe(0);
  });

  it('have a new look at the flow every 10 seconds, TCP 30', () => {
    service(17, [server]);
    ask();
    answer();
    ask();
    expect(tables(() => ask())).toEqual(ONE_LOOKUP);
    node.now += 9_000;
    expect(tables(() => ask())).toEqual(ONE_LOOKUP);
    node.now += 1_500;
    expect(tables(() => ask())).toContain('conntrack');
    expect(tables(() => ask())).toEqual(ONE_LOOKUP);
  });
});

describe('a change of policy', () => {
  const allow = (policy: number, peer: string): void => {
    node.pipeline.tableSet('policy_peer', {
      key: [{ value: policy }, { value: ip(peer) }],
      action: 'set_peer_classes',
      args: [1n],
    });
    node.pipeline.tableSet('policy_port', {
      key: [{ value: policy }, { value: 0, mask: 0 }, { value: 0, mask: 0 }],
      priority: 1,
      action: 'set_port_classes',
      args: [1n],
    });
  };
  const fromClient = () => send(client, tcp(client.ip, 4000, server.ip, 8080, ack));
  const fromOther = () => send(other, tcp(other.ip, 4000, server.ip, 8080, ack));

  beforeEach(() => {
    connectDirectly();
    send(other, tcp(other.ip, 4000, server.ip, 8080, syn));
    send(server, tcp(server.ip, 8080, other.ip, 4000, syn | ack));
    fromOther();
  });

  it('ends the flows that it denies, and no others', () => {
    allow(9, client.ip);
    node.isolate('ingress', server, 9);
    expect(fromClient()).toBeDefined();
    expect(fromOther()).toBeUndefined();
    // Nor can the other side begin it again.
    expect(send(server, tcp(server.ip, 8080, other.ip, 4000, ack))).toBeUndefined();
    expect(reply(ack)).toBeDefined();
    expect(node.drops(6)).toBe(2);
  });

  it('lets them go on when they are allowed again', () => {
    node.isolate('ingress', server, 9);
    expect(fromClient()).toBeUndefined();
    allow(9, client.ip);
    node.raiseEpoch();
    expect(fromClient()).toBeDefined();
    expect(reply(ack)).toBeDefined();
  });

  it('ends them whoever speaks first', () => {
    node.isolate('ingress', server, 9);
    expect(reply(ack)).toBeUndefined();
    expect(fromClient()).toBeUndefined();
  });

  it('does so for egress, by the endpoint of a service', () => {
    service(6, [server]);
    request(syn, 5000);
    reply(syn | ack, server, 5000);
    request(ack, 5000);
    allow(8, server.ip);
    node.isolate('egress', client, 8);
    expect(request(ack, 5000)).toBeDefined();
    node.pipeline.tableClear('policy_peer');
    expect(request(ack, 5000)).toBeDefined();
    node.raiseEpoch();
    expect(request(ack, 5000)).toBeUndefined();
    expect(node.drops(5)).toBe(1);
  });

  it('asks each flow once', () => {
    allow(9, client.ip);
    node.isolate('ingress', server, 9);
    const asked = () => node.pipeline.stats.tables.policy_ingress?.hits ?? 0;
    const before = asked();
    for (let i = 0; i < 5; i++) {
      fromClient();
      reply(ack);
    }
    expect(asked()).toBe(before + 1);
  });

  it('leaves them alone if the control plane wants that', () => {
    node.isolate('ingress', server, 9);
    node.raiseEpoch(0);
    expect(fromOther()).toBeDefined();
    expect(fromClient()).toBeDefined();
    expect(send(client, tcp(client.ip, 4001, server.ip, 8080, syn))).toBeUndefined();
  });
});
