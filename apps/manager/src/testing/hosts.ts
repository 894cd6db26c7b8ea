import type { MemoryPorts } from '@infra-offload/softswitch';
import { decodeFrame, encodeFrame, type Frame, TcpFlags } from './frames.js';

/** A machine on a port: pod `i` of the tests on port `i`, the node on port 0. */
export interface Host {
  readonly port: number;
  readonly mac: string;
  readonly ip: string;
}

/** Pod number `i`, as `pod(i)` of agent.ts makes it. */
export function podHost(i: number): Host {
  return { port: i, mac: `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`, ip: `10.244.1.${i}` };
}

export const NODE_HOST: Host = { port: 0, mac: '02:00:00:00:00:01', ip: '10.244.1.254' };
/** What pods learn for their gateway: the node's side of its interface. */
const GATEWAY_MAC = NODE_HOST.mac;

/** An open connection: who serves it, as the packets tell. */
export interface Connection {
  readonly protocol: 'tcp' | 'udp';
  readonly client: Host;
  readonly to: string;
  readonly toPort: number;
  readonly srcPort: number;
  readonly server: Host;
  readonly serverPort: number;
}

/** Machines that talk through the target's in-memory ports, packet by packet. */
export class Hosts {
  readonly #ports: () => MemoryPorts;
  readonly #hosts: readonly Host[];
  #nextPort = 20_000;

  constructor(ports: () => MemoryPorts, hosts: readonly Host[]) {
    this.#ports = ports;
    this.#hosts = hosts;
  }

  /** Sends raw bytes; returns what came out, by port. */
  raw(port: number, bytes: Uint8Array): readonly { readonly port: number; readonly bytes: Uint8Array }[] {
    const ports = this.#ports();
    for (const host of this.#hosts) ports.drain(host.port);
    ports.send(port, bytes);
    return this.#hosts.flatMap((host) => ports.drain(host.port).map((bytes) => ({ port: host.port, bytes })));
  }

  /** Sends one packet; returns who got it and as what. Throws when more than one did, or when the MAC addresses are wrong. */
  send(
    from: Host,
    packet: Omit<Frame, 'srcMac' | 'dstMac'>,
  ): { readonly host: Host; readonly frame: Frame } | undefined {
    const out = this.raw(from.port, encodeFrame({ ...packet, srcMac: from.mac, dstMac: GATEWAY_MAC }));
    const [got, ...more] = out;
    if (more.length > 0) throw new Error(`one packet in, ${out.length} out`);
    if (got === undefined) return undefined;
    const host = this.#hosts.find(({ port }) => port === got.port);
    const frame = decodeFrame(got.bytes);
    if (host === undefined || frame === undefined) throw new Error(`no IPv4 at port ${got.port}`);
    if (frame.dstMac !== host.mac) throw new Error(`port ${got.port} got a packet for ${frame.dstMac}`);
    return { host, frame };
  }

  /** Whether an echo request is answered. */
  ping(from: Host, to: Host): boolean {
    const id = this.#nextPort++;
    const echo = { protocol: 'icmp', srcPort: id, dstPort: id } as const;
    const there = this.send(from, { ...echo, src: from.ip, dst: to.ip, flags: 8 });
    if (there === undefined) return false;
    const { src, dst } = there.frame;
    return this.send(there.host, { ...echo, src: dst, dst: src, flags: 0 })?.host.port === from.port;
  }

  /** Opens a connection: SYN, SYN-ACK, ACK and data each way, or a datagram each way. Undefined when it fails. */
  connect(
    client: Host,
    protocol: 'tcp' | 'udp',
    to: string,
    toPort: number,
    srcPort = this.#nextPort++,
  ): Connection | undefined {
    const { syn, ack } = TcpFlags;
    const there = this.send(client, {
      ...{ protocol, src: client.ip, dst: to, srcPort, dstPort: toPort },
      flags: protocol === 'tcp' ? syn : 0,
    });
    if (there === undefined) return undefined;
    const { host: server, frame } = there;
    const connection = { protocol, client, to, toPort, srcPort, server, serverPort: frame.dstPort };
    if (protocol === 'udp') return this.#answers(connection, 0) ? connection : undefined;
    if (!this.#answers(connection, syn + ack) || !this.#asks(connection, ack)) return undefined;
    return this.talks(connection) ? connection : undefined;
  }

  /** Whether data goes through in both directions, from and to the same addresses as ever. */
  talks(connection: Connection): boolean {
    const flags = connection.protocol === 'tcp' ? TcpFlags.psh + TcpFlags.ack : 0;
    return this.#asks(connection, flags) && this.#answers(connection, flags);
  }

  #asks({ protocol, client, to, toPort, srcPort, server, serverPort }: Connection, flags: number): boolean {
    const got = this.send(client, { protocol, src: client.ip, dst: to, srcPort, dstPort: toPort, flags });
    return got?.host.port === server.port && got.frame.dst === server.ip && got.frame.dstPort === serverPort;
  }

  #answers(
    { protocol, client, to, toPort, srcPort, server, serverPort }: Connection,
    flags: number,
  ): boolean {
    const got = this.send(server, {
      ...{ protocol, src: server.ip, dst: client.ip, srcPort: serverPort, dstPort: srcPort },
      flags,
    });
    if (got?.host.port !== client.port) return false;
    const { src, srcPort: from, dst, dstPort } = got.frame;
    return src === to && from === toPort && dst === client.ip && dstPort === srcPort;
  }
}
