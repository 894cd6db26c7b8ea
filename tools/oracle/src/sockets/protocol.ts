/** What is asked of the process with a pod's sockets, one JSON object a line, and what it tells. */

/** Of SCTP there are only packets that begin a flow, from the client. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** The client opened the flow. */
export type Side = 'client' | 'server';

export interface Peer {
  readonly address: string;
  readonly port: number;
}

interface OfFlow {
  /** Unique among all flows that ever were. */
  readonly flow: string;
  readonly side: Side;
}

export type SocketCommand =
  /** Takes part in every flow that arrives at this port, or in no more of them. */
  | { readonly kind: 'listen' | 'unlisten'; readonly protocol: Protocol; readonly port: number }
  /** TCP: connects, and says which flow it is; the server greets. UDP: makes the socket. */
  | {
      readonly kind: 'open';
      readonly flow: string;
      readonly protocol: Protocol;
      readonly to: Peer;
      readonly localPort: number;
    }
  /** Sends message `number` of the flow, `size` bytes of it. */
  | ({ readonly kind: 'send'; readonly number: number; readonly size: number } & OfFlow)
  /** TCP: sends FIN, and goes on receiving. */
  | ({ readonly kind: 'end' } & OfFlow)
  | ({ readonly kind: 'close' } & OfFlow)
  /** TCP: ends with RST. */
  | ({ readonly kind: 'reset' } & OfFlow)
  /** Removes the socket without a packet, as a machine does that loses its power. */
  | ({ readonly kind: 'vanish' } & OfFlow);

/** What a socket saw. */
export type SocketEvent = OfFlow &
  (
    | { readonly event: 'accepted'; readonly peer: Peer }
    /** The server's greeting has come: packets pass both ways. */
    | { readonly event: 'greeted' }
    | { readonly event: 'received'; readonly number: number; readonly size: number; readonly peer: Peer }
    /** FIN has come. */
    | { readonly event: 'ended' }
    /** `ECONNRESET`, `ECONNREFUSED`, … */
    | { readonly event: 'failed'; readonly error: string }
  );

export type SocketMessage =
  | { readonly id: number; readonly ok: true }
  | { readonly id: number; readonly ok: false; readonly error: string }
  | SocketEvent;

/** A message: its flow and number, and as many bytes more as are wanted. */
export function messageOf(flow: string, number: number, size: number): string {
  return `${flow} ${number} `.padEnd(size, '.');
}

export function readMessage(text: string): { readonly flow: string; readonly number: number } {
  const [flow = '', number] = text.split(' ', 2);
  return { flow, number: Number(number) };
}
