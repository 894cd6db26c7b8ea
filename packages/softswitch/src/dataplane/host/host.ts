import type { PacketHandler } from '../../ports/provider.js';
import type { Description, Greeting, Operation } from './protocol.js';
import type { ByteReader } from './wire.js';

/** One run of a data plane host, with a program, as its client sees it. */
export interface Host {
  readonly greeting: Greeting;
  readonly description: Description;
  /** Settles when the host is gone, with the reason. */
  readonly ended: Promise<string>;
  /** UNAVAILABLE if the host is gone; what it refuses, with its code. */
  request(operation: Operation, body?: Uint8Array): Promise<ByteReader>;
  /** The same, holding up this process until the answer is there. */
  requestNow(operation: Operation, body?: Uint8Array, descriptor?: number): ByteReader;
  /** Tells when the device of a port is gone. */
  onPortLost(listener: (port: number) => void): void;
  /** Ends it, and waits until it is gone. */
  stop(): Promise<void>;
  /** Goes away from it; it runs on, if it can do that by itself. */
  leave(): void;
}

/** Packets that reach a host, and leave it, by plain calls. */
export interface InProcess {
  readonly receive: PacketHandler;
  /** Who takes the packets; `packet` is only valid during the call. */
  deliver(transmit: (port: number, packet: Uint8Array) => void): void;
}

/** Where hosts come from. */
export interface HostSource {
  /** What they are called in messages. */
  readonly name: string;
  /** Whether entries of ternary and lpm tables keep their index, so that these can have direct counters. */
  readonly steadyRules: boolean;
  /** Where packets of this process go in and come out, if hosts are in it, too. */
  readonly inProcess: InProcess | undefined;
  /** The host that runs already; the same one each time, undefined once it was ended. */
  readonly left: Host | undefined;
  /** Starts a program. UNAVAILABLE if the host does not come up, INVALID_ARGUMENT if it refuses the program. */
  start(spec: string): Promise<Host>;
  /** Lets go of what it holds, once no host is used any more. */
  close(): Promise<void>;
}
