import { beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  ask,
  client,
  node,
  other,
  reply,
  request,
  seconds,
  send,
  server,
  service,
  setUp,
  udp,
  VIP,
} from './testing/flows.js';
import { packet, TCP } from './testing/packets.js';

const { syn, ack, fin, rst } = TCP;
const BEYOND_SHARE = 15;

/** What the client may begin: flows that may wait for answers, and flows at all; at once, and each second. */
function share(waiting: number, all: number): void {
  node.pipeline.meterSet('new_flows_0', client.port, {
    cir: BigInt(waiting),
    cbs: BigInt(waiting),
    pir: BigInt(all),
    pbs: BigInt(all),
  });
}

beforeEach(() => setUp());

describe('a pod without a share', () => {
  it('begins as many flows as it likes', () => {
    service(6, [server]);
    for (let port = 1000; port < 3000; port++) expect(request(syn, port)?.target).toBe(server.ip);
    expect(node.drops(BEYOND_SHARE)).toBe(0);
  });
});

describe('a pod with a share of new flows', () => {
  beforeEach(() => void service(6, [server]));

  it('begins no more than these, and others do not notice', () => {
    share(2, 5);
    const begun = Array.from({ length: 20 }, (_, i) => request(syn, 1000 + i) !== undefined);
    expect(begun.filter(Boolean)).toHaveLength(5);
    expect(node.drops(BEYOND_SHARE)).toBe(15);
    for (let port = 1000; port < 1020; port++)
      expect(send(other, packetOf(other.ip, port, syn))?.target).toBe(server.ip);
    node.now += 1000;
    expect(request(syn, 2000)?.target).toBe(server.ip);
  });

  it('keeps its flows: what is known costs nothing', () => {
    share(1, 1);
    request(syn);
    for (let i = 0; i < 50; i++) {
      expect(reply(syn | ack)?.source).toBe(VIP);
      expect(request(ack)?.target).toBe(server.ip);
    }
    expect(node.drops(BEYOND_SHARE)).toBe(0);
  });

  it('may be answered without having asked', () => {
    share(1, 1);
    request(syn);
    for (let port = 1000; port < 1020; port++)
      expect(send(other, packetOf(other.ip, port, syn, client.ip))?.target).toBe(client.ip);
  });

  it('pays for no packet that is not allowed', () => {
    share(1, 1);
    node.isolate('egress', client, 7);
    for (let port = 1000; port < 1020; port++) expect(request(syn, port)).toBeUndefined();
    expect(node.drops(BEYOND_SHARE)).toBe(0);
    expect(node.drops(5)).toBe(20);
  });
});

describe('a flow beyond those that may wait for answers', () => {
  beforeEach(() => {
    share(1, 100);
    service(6, [server]);
    service(17, [server]);
    send(client, udp(client.ip, 1, other.ip, 1));
    node.now += 500;
  });

  it('makes way after 5 s, however often it asks', () => {
    request(syn);
    expect(seconds()).toEqual([29.5, 29.5, 5, 5]);
    node.now += 4000;
    request(syn);
    expect(seconds().slice(2)).toEqual([5, 5]);
    node.now += 4000;
    request(fin | ack);
    expect(seconds().slice(2)).toEqual([5, 5]);
    node.now += 5001;
    expect(seconds()).toHaveLength(2);
  });

  it('is like any other once it is answered', () => {
    request(syn);
    reply(syn | ack);
    expect(seconds().slice(2)).toEqual([60, 60]);
    request(ack);
    expect(seconds().slice(2)).toEqual([86_400, 86_400]);
    request(fin | ack);
    expect(seconds().slice(2)).toEqual([3600, 3600]);
  });

  it('of TCP that was picked up in the middle, too', () => {
    request(ack);
    expect(seconds().slice(2)).toEqual([5, 5]);
    reply(ack);
    expect(seconds().slice(2)).toEqual([86_400, 86_400]);
  });

  it('of UDP and ICMP, too', () => {
    ask();
    expect(seconds().slice(2)).toEqual([5, 5]);
    answer();
    expect(seconds().slice(2)).toEqual([120, 120]);
    node.now += 100;
    const echo = (source: string, target: string, type: 0 | 8) =>
      packet({ source, target, icmpEcho: { type, identifier: 9 } });
    node.send(client.port, echo(client.ip, other.ip, 8));
    expect(seconds().slice(4)).toEqual([5, 5]);
    node.send(other.port, echo(other.ip, client.ip, 0));
    expect(seconds().slice(4)).toEqual([30, 30]);
  });

  it('that is reset ends as any other', () => {
    request(syn);
    reply(rst | ack);
    expect(seconds().slice(2)).toEqual([10, 10]);
  });
});

describe('a connection that was not answered', () => {
  it('does not become one of an hour because its client closes', () => {
    service(6, [server]);
    request(syn);
    request(fin | ack);
    expect(seconds()).toEqual([120, 120]);
    reply(syn | ack);
    request(fin | ack);
    expect(seconds()).toEqual([3600, 3600]);
  });
});

const packetOf = (source: string, sourcePort: number, flags: number, target = VIP): Uint8Array =>
  packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort: 80, flags } });
