import { beforeEach, describe, expect, it } from 'vitest';
import { k8sSpec, Node, type Pod } from './testing/k8s.js';
import { ip, packet, TCP } from './testing/packets.js';

const spec = k8sSpec();

let node: Node;
let client: Pod;
let server: Pod;

beforeEach(() => {
  node = new Node(spec);
  client = node.addPod('10.244.0.1');
  server = node.addPod('10.244.0.2');
});

const tcp = (
  source: string,
  target: string,
  sourcePort: number,
  targetPort: number,
  flags: number,
): Uint8Array => packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort, flags } });

describe('policies', () => {
  const port = (policy: number, value: number, mask: bigint, priority = 1): void =>
    node.pipeline.tableSet('policy_port', {
      key: [{ value: policy }, { value: 6, mask: 0xff }, { value, mask: 0xffff }],
      priority,
      action: 'set_port_classes',
      args: [mask],
    });

  it('deny by default, and allow where the classes of peer and port meet, all 64 of them', () => {
    node.isolate('ingress', server, 9);
    const syn = (to: number): Uint8Array => tcp(client.ip, server.ip, 1000, to, TCP.syn);
    expect(node.send(client.port, syn(443))).toEqual([]);
    expect(node.drops(6)).toBe(1);
    node.pipeline.tableSet('policy_peer', {
      key: [{ value: 9 }, { value: ip(client.ip) }],
      action: 'set_peer_classes',
      args: [1n << 63n],
    });
    port(9, 443, 1n << 63n);
    port(9, 444, (1n << 62n) | 0xffffffffn);
    expect(node.send(client.port, syn(443))).toHaveLength(1);
    expect(node.send(client.port, syn(444))).toEqual([]);
  });

  const allowed = (policy: number, ruleClass: number) =>
    node.pipeline.registerRead('policy_allowed_0', policy * 64 + ruleClass);
  const denied = (policy: number) => node.pipeline.registerRead('policy_denied_0', policy);

  it('count the flows that they allow by the first class that does, and the packets that they deny', () => {
    node.isolate('ingress', server, 9);
    node.isolate('egress', client, 10);
    for (const policy of [9, 10]) {
      node.pipeline.tableSet('policy_cidr', {
        key: [{ value: policy }, { value: 0, mask: 0 }],
        action: 'add_cidr_classes',
        args: [2n ** 64n - 1n],
      });
      for (let i = 0; i < 64; i++) port(policy, 1000 + i, (2n ** 64n - 1n) ^ ((1n << BigInt(i)) - 1n));
    }
    const send = (source: number, to: number) =>
      node.send(client.port, tcp(client.ip, server.ip, source, to, TCP.syn)).length;
    for (let i = 0; i < 64; i++) expect(send(2000, 1000 + i)).toBe(1);
    for (let i = 0; i < 64; i++) expect([allowed(9, i), allowed(10, i)]).toEqual([1n, 1n]);
    // The same flow again, and one that is denied.
    expect([send(2000, 1000), send(2000, 2000), send(2000, 2000)]).toEqual([1, 0, 0]);
    expect([allowed(9, 0), allowed(10, 0)]).toEqual([1n, 1n]);
    expect([denied(9), denied(10)]).toEqual([0n, 2n]);
  });

  it('remember the last packets that they deny', () => {
    node.isolate('ingress', server, 9);
    const send = (to: number) => node.send(client.port, tcp(client.ip, server.ip, 2000, to, TCP.syn));
    for (let to = 1; to <= 300; to++) expect(send(to)).toEqual([]);
    const cell = (array: string, i: number) => node.pipeline.registerRead(array, i);
    expect(cell('denials_0', 0)).toBe(300n);
    for (let number = 300 - 256; number < 300; number++) {
      const place = number % 256;
      expect(cell('denied_ends_0', place)).toBe((BigInt(ip(server.ip)) << 32n) | BigInt(ip(client.ip)));
      expect(cell('denied_what_0', place)).toBe((BigInt(number + 1) << 24n) | (6n << 16n) | 9n);
    }
  });

  it('let the replies of an allowed connection through', () => {
    node.isolate('egress', client, 3);
    node.isolate('ingress', client, 4);
    node.pipeline.tableSet('policy_cidr', {
      key: [{ value: 3 }, { value: ip('10.244.0.0'), mask: 0xffff0000 }],
      action: 'add_cidr_classes',
      args: [2n],
    });
    port(3, 80, 2n);
    expect(node.send(client.port, tcp(client.ip, server.ip, 1000, 80, TCP.syn))).toHaveLength(1);
    expect(node.send(server.port, tcp(server.ip, client.ip, 80, 1000, TCP.syn | TCP.ack))).toHaveLength(1);
    expect(node.send(server.port, tcp(server.ip, client.ip, 81, 1000, TCP.syn))).toEqual([]);
    expect(node.send(client.port, tcp(client.ip, server.ip, 1000, 81, TCP.syn))).toEqual([]);
    expect([node.drops(5), node.drops(6)]).toEqual([1, 1]);
  });
});
