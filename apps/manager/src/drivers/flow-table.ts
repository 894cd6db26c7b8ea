import type { IPv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';

/** One end of a flow. ICMP echo has its identifier as the port of both. */
export interface FlowSocket {
  readonly address: IPv4;
  readonly port: number;
}

/** What the packets of one direction have when they come in. */
export interface FlowTuple {
  /** The number in IPv4 headers. */
  readonly protocol: number;
  readonly source: FlowSocket;
  readonly destination: FlowSocket;
}

/** What a device remembers of one direction of a flow, which tells how its packets are translated. */
export interface FlowEntry {
  readonly original: FlowTuple;
  readonly reply: FlowTuple;
  /** The direction that it is about. */
  readonly isReply: boolean;
  readonly idleMs: number;
  readonly timeoutMs: number;
  /** The state of the flow, as far as this tells it. */
  readonly state: string | undefined;
  /** It was never answered, or is over: nobody misses it. */
  readonly isDispensable: boolean;
  /** Where the device has the state. */
  readonly cell: { readonly read: Entity; readonly serial: number } | undefined;
}

/** A part of a device's flows that it can find by itself. */
export interface FlowSelection {
  readonly protocol?: number;
  readonly source?: Partial<FlowSocket>;
  readonly destination?: Partial<FlowSocket>;
  /** Only this direction. */
  readonly isReply?: boolean;
}

/** How flows are read from a device, and ended there. */
export interface FlowTable {
  read(selection: FlowSelection): Entity;
  /** Has the device count entries. */
  count(selection: FlowSelection): Entity;
  /** How many entries an answer to {@link count} stands for. Devices that do not count answer with the entries. */
  countOf(entity: Entity): number;
  /** Has the device tell how many flows have begun at a port. */
  begun(port: number): Entity;
  /** What an answer to {@link begun} tells: all since the program of the device was started, or more. */
  begunOf(entity: Entity): bigint;
  /** The entry of one direction, to be read. */
  entry(tuple: FlowTuple): Entity;
  /** All that a device may have of one direction, to be deleted in this order. */
  remembered(tuple: FlowTuple): readonly Entity[];
  /** Undefined for what is no entry of a flow. */
  decode(entity: Entity): FlowEntry | undefined;
  /** What a cell says of the flow that it was read for; undefined if it is another flow's by now. */
  state(cell: Entity, entry: FlowEntry): string | undefined;
}
