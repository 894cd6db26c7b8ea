import { beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  ask,
  client,
  connect,
  connectDirectly,
  HOUR,
  LINK_LOCAL,
  MINUTE,
  node,
  other,
  reply,
  request,
  seconds,
  send,
  server,
  service,
  setUp,
  tcp,
  udp,
  VIP,
} from './testing/flows.js';
import { k8sSpec } from './testing/k8s.js';
import { TCP } from './testing/packets.js';

const { syn, ack, fin, rst } = TCP;

beforeEach(() => setUp());

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
    setUp(k8sSpec((text) => text.replace('\tsize 0x100000\n', '\tsize 3\n')));
    service(6, [server]);
    connect();
    expect(request(syn, 4001)).toBeUndefined();
    expect(node.drops(10)).toBe(1);
    expect(node.pipeline.learnerCount('conntrack')).toBe(2);
    expect(request(ack)).toBeDefined();
  });
});
