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
