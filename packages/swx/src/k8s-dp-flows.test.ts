import { beforeEach, describe, expect, it } from 'vitest';
import { k8sSpec, Node, type Pod } from './testing/k8s.js';
import { ip, packet, read, TCP } from './testing/packets.js';

const spec = k8sSpec();
const VIP = '10.96.0.10';
const LINK_LOCAL = '169.254.1.1';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const { syn, ack, fin, rst } = TCP;

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

/** Sends a packet; undefined: it was dropped. */
function send(from: Pod, bytes: Uint8Array) {
  const [first, ...more] = node.send(from.port, bytes);
  if (more.length > 0) throw new Error('one packet became several');
  if (first === undefined) return undefined;
  const out = read(first.packet);
  expect(out).toMatchObject({ ipChecksumOk: true, l4ChecksumOk: true });
  return { port: first.port, ...out };
}

const tcp = (
  source: string,
  sourcePort: number,
  target: string,
  targetPort: number,
  flags: number,
): Uint8Array => packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort, flags } });
const udp = (source: string, sourcePort: number, target: string, targetPort: number): Uint8Array =>
  packet({ source, target, l4: { protocol: 'udp', sourcePort, targetPort } });

const service = (protocol: 6 | 17, pods = [server, other], affinity = false) =>
  node.addService({
    vip: VIP,
    port: 80,
    protocol,
    endpoints: pods.map((pod) => ({ ip: pod.ip, port: 8080 })),
    affinity,
  });

const request = (flags: number, port = 4000) => send(client, tcp(client.ip, port, VIP, 80, flags));
const reply = (flags: number, from = server, port = 4000) =>
  send(from, tcp(from.ip, 8080, client.ip, port, flags));
const ask = (port = 4000) => send(client, udp(client.ip, port, VIP, 80));
const answer = (from = server, port = 4000) => send(from, udp(from.ip, 8080, client.ip, port));

function connect(): void {
  request(syn);
  reply(syn | ack);
  request(ack);
}

const seconds = (): number[] =>
  [...node.pipeline.learnerEntries('conntrack')].map(({ expiresInMs }) => expiresInMs / 1000);

describe('a TCP connection', () => {
  beforeEach(() => void service(6, [server]));

  it('has the timeout of its state, the same for both directions', () => {
    request(syn);
    expect(seconds()).toEqual([120, 120]);
    reply(syn | ack);
    expect(seconds()).toEqual([60, 60]);
    request(ack);
    expect(seconds()).toEqual([86_400, 86_400]);
    request(fin | ack);
    expect(seconds()).toEqual([3600, 3600]);
    reply(ack);
    expect(seconds()).toEqual([3600, 3600]);
    reply(fin | ack);
    expect(seconds()).toEqual([120, 120]);
  });

  it('ends with a reset from either side', () => {
    for (const side of [request, reply]) {
      connect();
      side(rst);
      expect(seconds()).toEqual([10, 10]);
    }
  });

  it('goes on after a long silence, whoever speaks first', () => {
    connect();
    node.now += 10 * MINUTE;
    expect(reply(ack)).toMatchObject({ port: client.port, source: VIP, sourcePort: 80 });
    node.now += 23 * HOUR;
    expect(request(ack)).toMatchObject({ port: server.port, target: server.ip, targetPort: 8080 });
    expect(reply(ack)?.source).toBe(VIP);
  });

  it.each([
    ['client', (flags: number) => request(flags), (flags: number) => reply(flags)],
    ['server', (flags: number) => reply(flags), (flags: number) => request(flags)],
  ])('that the %s has closed half of goes on for an hour at a time', (_who, closer, rest) => {
    connect();
    closer(fin | ack);
    for (let hour = 0; hour < 3; hour++) {
      node.now += 59 * MINUTE;
      expect(rest(ack)).toBeDefined();
      expect(closer(ack)).toBeDefined();
    }
    expect(reply(ack)?.source).toBe(VIP);
  });

  it('that was picked up in the middle is established once both have spoken', () => {
    request(ack);
    expect(seconds()).toEqual([120, 120]);
    reply(ack);
    expect(seconds()).toEqual([86_400, 86_400]);
  });
});

describe('a SYN on an old flow', () => {
  it.each([
    ['closed by both', () => [request(fin | ack), reply(fin | ack), request(ack)]],
    ['reset', () => [reply(rst)]],
    ['closed by one', () => [request(fin | ack)]],
  ])('that is %s is a new flow, the endpoint chosen anew', (_how, close) => {
    const { setMembers } = service(6);
    setMembers([1]);
    connect();
    close();
    setMembers([2]);
    expect(request(ack)?.target).toBe(server.ip);
    expect(request(syn)?.target).toBe(other.ip);
    expect(seconds()).toEqual([120, 120]);
    expect(reply(syn | ack, other)?.source).toBe(VIP);
    expect(request(ack)?.target).toBe(other.ip);
    expect(seconds()).toEqual([86_400, 86_400]);
  });

  it.each(['drain', 'removeEndpoint'] as const)(
    'whose endpoint has left the service (%s) is a new flow; without a SYN it goes on',
    (leave) => {
      const web = service(6);
      web.setMembers([1]);
      connect();
      web.setMembers([2]);
      web[leave](0);
      expect(request(ack)?.target).toBe(server.ip);
      expect(reply(ack)?.source).toBe(VIP);
      expect(request(syn)?.target).toBe(other.ip);
    },
  );

  it('that is sent again goes where the first one went', () => {
    const { setMembers } = service(6);
    setMembers([1]);
    request(syn);
    setMembers([2]);
    expect(request(syn)?.target).toBe(server.ip);
    expect(seconds()).toEqual([120, 120]);
  });

  it('asks the policies of today', () => {
    send(client, tcp(client.ip, 4000, server.ip, 8080, syn));
    reply(syn | ack);
    send(client, tcp(client.ip, 4000, server.ip, 8080, fin | ack));
    reply(fin | ack);
    node.isolate('ingress', server, 9);
    for (let i = 0; i < 20; i++) {
      expect(send(client, tcp(client.ip, 4000, server.ip, 8080, syn))).toBeUndefined();
      node.now += 1000;
    }
    expect(node.drops(6)).toBe(20);
  });
});

describe('a UDP flow', () => {
  it('lives for 30 s until it is answered, then for 120 s', () => {
    service(17, [server]);
    ask();
    expect(seconds()).toEqual([30, 30]);
    answer();
    expect(seconds()).toEqual([120, 120]);
    node.now += 119_000;
    expect(answer()?.source).toBe(VIP);
  });

  it.each([
    ['client', () => ask(), () => answer()],
    ['server', () => answer(), () => ask()],
  ])('lives in both directions as long as the %s sends', (_who, speaker, silent) => {
    const { setMembers } = service(17);
    setMembers([1]);
    ask();
    answer();
    setMembers([2]);
    for (let i = 0; i < 100; i++) {
      node.now += 29_000;
      expect(speaker()).toBeDefined();
    }
    for (let i = 0; i < 300; i++) {
      node.now += 100;
      expect(speaker()).toBeDefined();
    }
    node.now += 105_000;
    expect(silent()).toMatchObject({ sourcePort: expect.any(Number) });
    expect(answer()?.source).toBe(VIP);
    expect(ask()?.target).toBe(server.ip);
  });

  it('without an answer lives as long as the client sends, and the answer is translated', () => {
    service(17, [server]);
    for (let i = 0; i < 50; i++) {
      ask();
      node.now += 25_000;
    }
    expect(answer()?.source).toBe(VIP);
  });

  it('moves at once when its endpoint has left', () => {
    const web = service(17);
    web.setMembers([1]);
    ask();
    answer();
    expect(ask()?.target).toBe(server.ip);
    web.setMembers([2]);
    web.removeEndpoint(0);
    expect(ask()?.target).toBe(other.ip);
    expect(answer(other)?.source).toBe(VIP);
  });
});

describe('a flow and its pods', () => {
  it.each([
    ['the server', () => server],
    ['the client', () => client],
  ])('ends when %s goes; who gets the address gets nothing of it', (_who, which) => {
    send(client, udp(client.ip, 4000, server.ip, 53));
    send(server, udp(server.ip, 53, client.ip, 4000));
    const gone = which();
    node.removePod(gone);
    const heir = node.addPod(gone.ip, gone.port);
    node.isolate('ingress', heir, 9);
    node.isolate('egress', heir, 9);
    expect(send(client, udp(client.ip, 4000, server.ip, 53))).toBeUndefined();
    expect(send(server, udp(server.ip, 53, client.ip, 4000))).toBeUndefined();
    expect(node.pipeline.learnerCount('conntrack')).toBe(0);
  });

  it('ends when the address is given to another interface, too', () => {
    connectDirectly();
    node.removePod(server);
    const heir = node.addPod(server.ip, 9);
    node.isolate('ingress', heir, 9);
    expect(send(client, tcp(client.ip, 4000, server.ip, 8080, ack))).toBeUndefined();
  });

  it('that an address of nobody had does not become that of a new pod', () => {
    const stranger = '10.244.0.77';
    expect(send(client, udp(client.ip, 4000, stranger, 53))?.port).toBe(0);
    const pod = node.addPod(stranger, 9);
    node.isolate('ingress', pod, 9);
    expect(send(client, udp(client.ip, 4000, stranger, 53))).toBeUndefined();
    expect(node.drops(6)).toBe(1);
  });

  it('goes on when other pods come and go, and its port is another one afterwards', () => {
    connectDirectly();
    const third = node.addPod('10.244.0.50', 60);
    node.removePod(third);
    const before = node.pipeline.stats.tables.policy_ingress;
    expect(send(client, tcp(client.ip, 4000, server.ip, 8080, ack))?.port).toBe(server.port);
    expect(reply(ack)?.port).toBe(client.port);
    expect(seconds()).toEqual([86_400, 86_400]);
    expect(node.pipeline.stats.tables.policy_ingress).not.toEqual(before);
  });
});

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

function connectDirectly(): void {
  send(client, tcp(client.ip, 4000, server.ip, 8080, syn));
  reply(syn | ack);
  send(client, tcp(client.ip, 4000, server.ip, 8080, ack));
}

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

describe('hairpin: a pod reaches itself through its service', () => {
  const hairpin = (flags: number) => send(client, tcp(client.ip, 4000, VIP, 80, flags));
  const back = (flags: number) => send(client, tcp(client.ip, 8080, LINK_LOCAL, 4000, flags));

  it('translates both addresses, both ways, and pins the flow', () => {
    const { setMembers } = service(6, [client, server]);
    setMembers([1]);
    const there = {
      port: client.port,
      source: LINK_LOCAL,
      sourcePort: 4000,
      target: client.ip,
      targetPort: 8080,
    };
    expect(hairpin(syn)).toMatchObject(there);
    expect(back(syn | ack)).toMatchObject({
      port: client.port,
      source: VIP,
      sourcePort: 80,
      target: client.ip,
      targetPort: 4000,
    });
    setMembers([2]);
    expect(hairpin(ack)).toMatchObject(there);
    expect(back(ack)).toMatchObject({ source: VIP, target: client.ip, targetPort: 4000 });
    expect(seconds()).toEqual([86_400, 86_400]);
  });
});

describe('a full table', () => {
  it('refuses a flow that cannot be remembered, instead of translating half of it', () => {
    node = new Node(k8sSpec((text) => text.replace('\tsize 0x100000\n', '\tsize 3\n')));
    client = node.addPod('10.244.0.1');
    server = node.addPod('10.244.0.2');
    service(6, [server]);
    connect();
    expect(request(syn, 4001)).toBeUndefined();
    expect(node.drops(10)).toBe(1);
    expect(node.pipeline.learnerCount('conntrack')).toBe(2);
    expect(request(ack)).toBeDefined();
  });
});
