/** What the testbed asks the process inside a pod, one JSON object a line, and what it answers. */
export type Protocol = 'tcp' | 'udp';

export interface Target {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** Of the client; a TCP connection then ends with a reset, so that the port can be used again at once. */
  readonly localPort?: number;
}

/** A packet that nobody answers. */
export interface Probe {
  /** 32 bits. */
  readonly id: number;
  readonly address: string;
  /** ICMP (an echo request), TCP (a SYN), UDP or SCTP. */
  readonly protocol: number;
  /** Of ICMP the identifier. */
  readonly sourcePort: number;
  /** Of ICMP nothing. */
  readonly port: number;
}

/** Packets that nobody answers, each of another flow. */
export interface Flood {
  readonly address: string;
  /** UDP or TCP. */
  readonly protocol: number;
  readonly count: number;
  /** The number of the first flow, to go on where an earlier flood has ended. */
  readonly from?: number;
}

export type PodCommand =
  /** Sends a flood. */
  | ({ readonly kind: 'flood' } & Flood)
  /** Sends probes. */
  | { readonly kind: 'probe'; readonly probes: readonly Probe[] }
  /** Answers with the probes that have arrived since it was asked last, or began to look. */
  | { readonly kind: 'probed' }
  /** Answers every TCP connection and UDP datagram at this port with who it is. */
  | { readonly kind: 'serve'; readonly protocol: Protocol; readonly port: number }
  /** Stops serving; open connections stay. */
  | { readonly kind: 'unserve'; readonly protocol: Protocol; readonly port: number }
  /** Makes `count` new connections and asks each once who answered. */
  | ({ readonly kind: 'spread'; readonly count: number; readonly timeoutMs: number } & Target)
  /** Opens a connection that stays, under a name. */
  | ({ readonly kind: 'open'; readonly connection: string; readonly timeoutMs: number } & Target)
  /** Asks over a connection that was opened. */
  | { readonly kind: 'ask'; readonly connection: string; readonly timeoutMs: number }
  | { readonly kind: 'close'; readonly connection: string }
  /** Sends pseudo-random bytes to an echo over TCP for so long, and compares what comes back. */
  | ({ readonly kind: 'transfer'; readonly durationMs: number } & Target);

/** What a pod's server says to whoever asks. */
export interface Answer {
  /** The pod that answered. */
  readonly server: string;
  /** The client's address as the server sees it. */
  readonly clientAddress: string;
  readonly clientPort: number;
}

export interface Spread {
  /** Connections by the pod that answered. */
  readonly servers: Record<string, number>;
  /** Failures by their message. */
  readonly failures: Record<string, number>;
  /** Client addresses that the servers saw. */
  readonly clientAddresses: readonly string[];
}

export interface Transfer {
  readonly bytes: number;
  readonly server: string;
  /** Longest time between two pieces of data, in milliseconds. */
  readonly longestGapMs: number;
}

export type PodReply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };
