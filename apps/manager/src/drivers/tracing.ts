import type { Flow, TraceResponse } from '@infra-offload/infra-api';
import type { IPv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import type { Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import type { OfflineTarget } from '@infra-offload/softswitch/offline';
import type { Trace } from '@infra-offload/swx';
import type { NodeObject, PodObject, ServiceObject } from '../model/objects.js';
import type { FlowTuple } from './flow-table.js';

/** How the rows and the program of a target say what happens to a packet. */
export interface Tracing<Row> {
  /** The port at which the packets of a pod come in, if the device has it. */
  port(pod: PodObject, rows: readonly Row[]): number | undefined;
  /** What a device may have learned, beside flows, that decides about a packet: to be read from it. */
  learned(tuple: FlowTuple, rows: readonly Row[]): readonly Entity[];
  /** Has a program without a device know a flow of one. */
  adopt(shadow: OfflineTarget, flow: LearnedFlow): void;
  /** What a trace says, in the words of Kubernetes. */
  explain(trace: Trace, question: TraceQuestion, world: TraceWorld): Explanation;
}

/** Both entries of a flow and its cell, as read from a device. */
export interface LearnedFlow {
  readonly original: Entity;
  readonly reply: Entity;
  readonly cell: Entity;
}

export interface TraceQuestion {
  readonly pod: PodObject;
  readonly tuple: FlowTuple;
  /** Whoever asks has named no source port. */
  readonly isAnyPort: boolean;
  /** That the packet belongs to, as far as the device knows. */
  readonly flow: Flow | undefined;
}

/** What a trace comes to; the rest of the answer does not depend on the program. */
export interface Explanation
  extends Pick<TraceResponse, 'verdict' | 'summary' | 'remedy' | 'steps' | 'receiver' | 'notes'> {
  /** As it arrives. */
  readonly received: FlowTuple | undefined;
}

/** What addresses and numbers stand for. */
export interface TraceWorld {
  readonly node: NodeObject | undefined;
  pod(address: IPv4): PodObject | undefined;
  /** The service with an id of the device. */
  service(id: number): ServiceObject | undefined;
  /** The ports of services that have an address. */
  servicesAt(address: IPv4): readonly ServiceObject[];
  /** What policies say; undefined: none isolates the pod in that direction. */
  judge(pod: PodObject, direction: Direction, packet: PolicyPacket): Judgement | undefined;
}

/** What the policies of a pod say of a packet. */
export interface Judgement {
  readonly isAllowed: boolean;
  /** Names of the policies that isolate the pod. */
  readonly policies: readonly string[];
  /** What decides; undefined: no rule matches, and the rest is denied. `policy` is undefined for what no policy can deny. */
  readonly rule: { readonly policy: string | undefined; readonly text: string } | undefined;
}
