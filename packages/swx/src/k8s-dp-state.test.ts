import { beforeEach, describe, expect, it } from 'vitest';
import { k8sSpec, Node, type Pod } from './testing/k8s.js';
import { ip, packet, read, TCP } from './testing/packets.js';

const spec = k8sSpec();
const VIP = '10.96.0.10';
const LINK_LOCAL = '169.254.1.1';

let node: Node;
let client: Pod;
let server: Pod;

beforeEach(() => {
  node = new Node(spec);
  client = node.addPod('10.244.0.1');
  server = node.addPod('10.244.0.2');
});

function one(from: Pod, bytes: Uint8Array) {
  const [first, ...more] = node.send(from.port, bytes);
  if (first === undefined || more.length > 0) throw new Error('not one packet came out');
  return { port: first.port, ...read(first.packet) };
}

const tcp = (
  source: string,
  target: string,
  sourcePort: number,
  targetPort: number,
  flags: number,
): Uint8Array => packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort, flags } });

const timeouts = (): number[] =>
  [...node.pipeline.learnerEntries('conntrack')].map(({ timeoutIndex }) => timeoutIndex);

describe('timeouts of connections', () => {
  it('follow the TCP flags: no data, data, closing', () => {
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.syn));
    expect(timeouts()).toEqual([2, 2]);
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.ack));
    expect(timeouts()).toEqual([2, 2]);
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.psh | TCP.ack));
    expect(timeouts()).toEqual([2, 5]);
    one(server, tcp(server.ip, client.ip, 2, 1, TCP.psh | TCP.ack));
    expect(timeouts()).toEqual([5, 5]);
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.fin | TCP.ack));
    expect(timeouts()).toEqual([1, 1]);
  });

  it('expire on time, and are started anew by each packet', () => {
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.syn));
    node.now += 59_999;
    expect(node.pipeline.learnerCount('conntrack')).toBe(2);
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.ack));
    node.now += 1;
    expect(node.pipeline.learnerCount('conntrack')).toBe(1);
    node.now += 59_999;
    expect(node.pipeline.learnerCount('conntrack')).toBe(0);
  });

  it('keep an established connection for its long timeout', () => {
    one(client, tcp(client.ip, server.ip, 1, 2, TCP.psh));
    node.now += 43_199_000;
    expect(node.pipeline.learnerCount('conntrack')).toBe(2);
    expect([...node.pipeline.learnerEntries('conntrack')][0]).toMatchObject({
      action: 'ct_hit',
      expiresInMs: 1000,
    });
  });
});

describe('policies', () => {
  const allow = (table: 'policy_egress' | 'policy_ingress', pod: Pod, policy: number): void =>
    node.pipeline.tableSet(table, {
      key: [{ value: ip(pod.ip) }],
      action: table === 'policy_egress' ? 'set_policy_egress' : 'set_policy_ingress',
      args: [policy],
    });
  const port = (policy: number, value: number, mask: bigint, priority = 1): void =>
    node.pipeline.tableSet('policy_port', {
      key: [{ value: policy }, { value: 6, mask: 0xff }, { value, mask: 0xffff }],
      priority,
      action: 'set_port_classes',
      args: [mask],
    });

  it('deny by default, and allow where the classes of peer and port meet, all 64 of them', () => {
    allow('policy_ingress', server, 9);
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
    allow('policy_egress', client, 3);
    allow('policy_ingress', client, 4);
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

describe('hairpin: a pod reaches itself through its service', () => {
  const request = (flags: number): Uint8Array => tcp(client.ip, VIP, 4000, 80, flags);
  const reply = (flags: number): Uint8Array => tcp(client.ip, LINK_LOCAL, 8080, 4000, flags);

  it('translates both addresses, both ways, with right checksums', () => {
    node.addService({ vip: VIP, port: 80, protocol: 6, endpoints: [{ ip: client.ip, port: 8080 }] });
    const right = { port: client.port, ipChecksumOk: true, l4ChecksumOk: true };
    for (const flags of [TCP.syn, TCP.ack]) {
      const there = { source: LINK_LOCAL, sourcePort: 4000, target: client.ip, targetPort: 8080 };
      expect(one(client, request(flags))).toMatchObject({ ...right, ...there });
      const back = { source: VIP, sourcePort: 80, target: client.ip, targetPort: 4000 };
      expect(one(client, reply(flags))).toMatchObject({ ...right, ...back });
    }
  });

  // The spec as compiled learns the forward direction under h.ipv4.src_addr, which is 169.254.1.1 by then (the P4 source
  // has meta.client_ip). No packet of the pod has that source, so the entry is never hit.
  it('learns the forward entry under 169.254.1.1, not under the address of the pod', () => {
    node.addService({ vip: VIP, port: 80, protocol: 6, endpoints: [{ ip: client.ip, port: 8080 }] });
    one(client, request(TCP.syn));
    const keys = [...node.pipeline.learnerEntries('conntrack')].map(({ key }) => key);
    expect(keys).toEqual([
      [ip(client.ip), 8080, ip(LINK_LOCAL), 6, 4000],
      [ip(LINK_LOCAL), 4000, ip(VIP), 6, 80],
    ]);
    const before = node.pipeline.stats.tables.service;
    one(client, request(TCP.ack));
    // The second packet is taken for the first of a new flow again.
    expect(node.pipeline.stats.tables.service?.hits).toBe((before?.hits ?? 0) + 1);
  });

  it('therefore does not pin the flow: with a changed group it moves to another endpoint', () => {
    const service = node.addService({
      vip: VIP,
      port: 80,
      protocol: 6,
      endpoints: [
        { ip: client.ip, port: 8080 },
        { ip: server.ip, port: 8080 },
      ],
    });
    service.setMembers([1]);
    expect(one(client, request(TCP.syn)).target).toBe(client.ip);
    service.setMembers([2]);
    expect(one(client, request(TCP.ack)).target).toBe(server.ip);
  });
});
