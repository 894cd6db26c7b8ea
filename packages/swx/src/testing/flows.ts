import { expect } from 'vitest';
import { k8sSpec, Node, type Pod } from './k8s.js';
import { packet, read, TCP } from './packets.js';

const spec = k8sSpec();
export const VIP = '10.96.0.10';
export const LINK_LOCAL = '169.254.1.1';
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
const { syn, ack } = TCP;

export let node: Node;
export let client: Pod;
export let server: Pod;
export let other: Pod;

/** A node with three pods that know nothing of each other yet; to be called before each test. */
export function setUp(program = spec): void {
  node = new Node(program);
  client = node.addPod('10.244.0.1');
  server = node.addPod('10.244.0.2');
  other = node.addPod('10.244.0.3');
}

/** Sends a packet; undefined: it was dropped. */
export function send(from: Pod, bytes: Uint8Array) {
  const [first, ...more] = node.send(from.port, bytes);
  if (more.length > 0) throw new Error('one packet became several');
  if (first === undefined) return undefined;
  const out = read(first.packet);
  expect(out).toMatchObject({ ipChecksumOk: true, l4ChecksumOk: true });
  return { port: first.port, ...out };
}

export const tcp = (
  source: string,
  sourcePort: number,
  target: string,
  targetPort: number,
  flags: number,
): Uint8Array => packet({ source, target, l4: { protocol: 'tcp', sourcePort, targetPort, flags } });
export const udp = (source: string, sourcePort: number, target: string, targetPort: number): Uint8Array =>
  packet({ source, target, l4: { protocol: 'udp', sourcePort, targetPort } });

export const service = (protocol: 6 | 17, pods = [server, other], affinity = false) =>
  node.addService({
    vip: VIP,
    port: 80,
    protocol,
    endpoints: pods.map((pod) => ({ ip: pod.ip, port: 8080 })),
    affinity,
  });

export const request = (flags: number, port = 4000) => send(client, tcp(client.ip, port, VIP, 80, flags));
export const reply = (flags: number, from = server, port = 4000) =>
  send(from, tcp(from.ip, 8080, client.ip, port, flags));
export const ask = (port = 4000) => send(client, udp(client.ip, port, VIP, 80));
export const answer = (from = server, port = 4000) => send(from, udp(from.ip, 8080, client.ip, port));

export function connect(): void {
  request(syn);
  reply(syn | ack);
  request(ack);
}

export const seconds = (): number[] =>
  [...node.pipeline.learnerEntries('conntrack')].map(({ expiresInMs }) => expiresInMs / 1000);

export function connectDirectly(): void {
  send(client, tcp(client.ip, 4000, server.ip, 8080, syn));
  reply(syn | ack);
  send(client, tcp(client.ip, 4000, server.ip, 8080, ack));
}
