import type { ManagerReason, WarningReason } from '@infra-offload/infra-api';
import type { GroupPlan, GroupView } from '@infra-offload/lb-model';
import type { IPv4, Mac } from '@infra-offload/net';
import type { P4Program } from '@infra-offload/p4info';
import type { Entity } from '@infra-offload/p4rt/proto';
import type { Direction, PolicyProfile } from '@infra-offload/policy-compiler';
import type { RowKey, RowModel } from '@infra-offload/reconciler';
import type { Condition } from '../model/condition.js';
import type {
  Endpoint,
  Frontend,
  NodeObject,
  ObjectKey,
  PodObject,
  Protocol,
  RowObject,
  ServiceObject,
} from '../model/objects.js';
import type { FlowEpochs } from '../reconciler/epochs.js';
import type { FlowTable } from './flow-table.js';
import type { Tracing } from './tracing.js';

/** What an object becomes on the device. */
export interface Compiled<Row> {
  readonly rows: readonly Row[];
  readonly conditions: readonly Condition[];
}

/** Where an interface of the target is, as far as known. */
export type PortLookup =
  | { readonly kind: 'known'; readonly port: number }
  /** Not asked yet, or no answer. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'missing'; readonly message: string };

/**
 * Something that only one object can have, such as an address or a frontend. The first that claims it keeps it; the
 * others are told, and get it when the first goes.
 */
export interface Claim {
  /** Unique among everything that can be claimed. */
  readonly key: string;
  /** For messages: "address 10.244.1.7". */
  readonly what: string;
  /** The reason reported to those who come too late. */
  readonly reason: ManagerReason;
}

/** What the driver is told beside the object itself. */
export interface CompileContext {
  /** The epoch (see {@link FlowEpochs}) at which a pod came, or its address or interface changed hands; later ones are greater. */
  readonly since: number;
  /** Port of an interface. */
  port(interfaceName: string): PortLookup;
  /** Ids of the profiles that a pod is under; undefined: it is not isolated in that direction. */
  profiles(pod: PodObject): { readonly [direction in Direction]: number | undefined };
  /** Who holds a claim, if it is another object. */
  holder(claimKey: string): ObjectKey | undefined;
  /** Who has an address on this node, once the port is known. What asks is compiled anew when the answer changes. */
  resident(address: IPv4): Resident | undefined;
}

/** An interface of a pod or of the node. */
export interface Resident {
  readonly mac: Mac;
  readonly port: number;
}

/** The ids of a service, stable for its life. */
export interface ServiceAllocation {
  /** 1 to `Driver.limits.serviceIds`. */
  readonly id: number;
  readonly plan: GroupPlan;
  /** The slot of each hash bucket; see `bucketSlots`. Empty when the driver has no buckets. */
  readonly buckets: readonly number[];
  readonly protocol: Protocol;
  /** The first frontend, or the one that a deleted service had. */
  readonly frontend: Frontend | undefined;
}

/** A service as a device has it: what its id and slots stand for. */
export interface FoundService {
  readonly id: number;
  readonly frontends: readonly { readonly frontend: Frontend; readonly protocol: Protocol }[];
  readonly view: GroupView;
  /** As in {@link ServiceAllocation}. */
  readonly buckets: readonly number[];
}

/** A pod as a device has it. */
export interface FoundPod {
  readonly ip: IPv4;
  readonly mac: Mac;
  /** See {@link CompileContext.since}. */
  readonly since: number;
}

/** A counter array of the program. */
export interface CounterFace {
  readonly name: string;
  /** The entity that reads one cell. */
  cell(index: number): Entity;
  decode(entity: Entity): { readonly index: bigint; readonly packets: bigint; readonly bytes: bigint };
}

export interface DropCounter extends CounterFace {
  readonly reasons: readonly DropReason[];
}

/** Why packets are dropped, or answered. */
export interface DropReason {
  /** The index of its cell. */
  readonly reason: number;
  readonly text: string;
  /** What the node suffers from while packets are dropped for this reason; most are dropped as they should be. */
  readonly warning?: WarningReason | undefined;
}

/** Packets that a device has dropped or refused for a reason, since its program was started. */
export interface ReasonCount extends DropReason {
  readonly packets: number;
}

/** A policy profile in the form of one kind of target. */
export interface CompiledProfile<Row> {
  /** Profiles with equal content are interchangeable, and share one id. */
  readonly content: string;
  /**
   * One profile may become another of the same frame in place, row by row: every packet then meets either the old or
   * the new verdict. For another frame it takes a new id, to which pods are moved once all its rows are there.
   */
  readonly frame: string;
  rows(id: number): readonly Row[];
  /** What of it could not be expressed; it is denied. */
  readonly conditions: readonly Condition[];
  /** What is counted separately, in the order of the counters. */
  readonly classes: readonly RuleClass[];
}

/** Ports that rules of a profile allow to some peers. */
export interface RuleClass {
  /** For people: "tcp 80, tcp 443". */
  readonly ports: string;
  /** Policies with rules that allow some of them. */
  readonly policies: readonly string[];
}

/** How a device counts what profiles allow and deny. */
export interface PolicyCounters {
  /** New flows, and packets that belong to no flow, by {@link cellOf}. */
  readonly allowed: CounterFace;
  /** Classes that a profile can have. */
  readonly classes: number;
  /** The cell of a class of a profile. */
  cellOf(profile: number, ruleClass: number): number;
  /** Packets, by profile. */
  readonly denied: CounterFace;
}

/** Network policy on one kind of target. */
export interface PolicyDriver<Row> {
  /** Profile ids are 1 to `ids`. */
  readonly limits: { readonly ids: number };
  /** Key of the bundle that the rows of a profile are; see RowModel. */
  bundle(id: number): RowKey;
  /** Pure, and the same for equal profiles. */
  compile(profile: PolicyProfile): CompiledProfile<Row>;
  /**
   * The rows that put a pod under profiles; undefined: it is not isolated in that direction. Rows that let the pod
   * send or receive must require them, so that it is never open before.
   */
  isolation(
    pod: PodObject,
    profiles: { readonly [direction in Direction]: number | undefined },
  ): readonly Row[];
}

/** A packet that a policy has denied. */
export interface DeniedPacket {
  /** The profile that denied it, which is that of `pod`. */
  readonly profile: number;
  readonly pod: IPv4;
  readonly peer: IPv4;
  /** The number in IPv4 headers. */
  readonly protocol: number;
  /** Of the destination; 0 for protocols without ports. */
  readonly port: number;
}

/**
 * Where a device remembers the last packets that policies have denied. They have numbers from 0 on; packet n is at place n
 * modulo `places`, and written before it is counted. A place may be written while it is read.
 */
export interface DenialRing {
  readonly places: number;
  /** Has the device tell how many packets there were. */
  readonly count: Entity;
  countOf(entity: Entity): bigint;
  /** The cells of a place. */
  cells(place: number): readonly Entity[];
  decode(cells: readonly Entity[]): DeniedPacket | undefined;
}

/** How much of a service a target takes. */
export interface DriverLimits {
  /** Service ids are 1 to this. */
  readonly serviceIds: number;
  /** Numbers for the endpoints of one service: those that take new flows, drain, or rest. */
  readonly slots: number;
  /** Endpoints of one service that take new flows. */
  readonly endpointsPerService: number;
  /** Hash buckets of a service; 0 for a target with groups of members. */
  readonly buckets: number;
}

/** What a device is told once, beside rows. */
export interface DeviceSetting {
  readonly read: Entity;
  /** Whether what {@link read} has answered says that nothing is to be written. */
  isSet(entity: Entity): boolean;
  /** To be written with MODIFY. */
  readonly entity: Entity;
  /** Whether it makes a difference if a device cannot have it. */
  readonly isRequired: boolean;
  /** What a device has that cannot: "no …: what follows". */
  readonly without: string;
}

/** Pure functions from one wanted object to the rows of one kind of target, and what those rows mean in P4. */
export interface Driver<Row> extends RowModel<Row> {
  readonly program: P4Program;
  readonly deviceConfig: Uint8Array;
  /** Tables and action profiles that this driver writes, by alias: what is read back and compared. */
  readonly tables: readonly string[];
  readonly limits: DriverLimits;
  /** Absent: none. */
  readonly settings?: readonly DeviceSetting[];
  readonly policy: PolicyDriver<Row>;
  /** Absent: the target asks for each packet. */
  readonly flows?: FlowEpochs<Row>;
  /** Absent: the target does not tell its flows. */
  readonly flowTable?: FlowTable;
  /** Absent: what the program does with a packet cannot be told. */
  readonly tracing?: Tracing<Row>;
  /** Seconds for which flows may remember the endpoint of a service, so that its number must not be reused. */
  memorySeconds(service: ServiceObject): number;
  /** Endpoints that packets can be sent to; the others are left out of plans. */
  reachable(service: ServiceObject, context: CompileContext): readonly Endpoint[];
  /** Whether a client may be sent to a draining endpoint again, which then must not drain. */
  remembersClients(service: ServiceObject): boolean;
  /** Why this kind of service cannot be served at all, if that is so. */
  refusal(service: ServiceObject): Condition | undefined;

  /** What is there before any object. */
  base(): readonly Row[];
  node(node: NodeObject, context: CompileContext): Compiled<Row>;
  pod(pod: PodObject, context: CompileContext): Compiled<Row>;
  /** `service` is undefined when it is deleted and old flows still drain. */
  service(
    service: ServiceObject | undefined,
    allocation: ServiceAllocation,
    context: CompileContext,
  ): Compiled<Row>;
  /** The services that rows read from a device stand for, so that they can have the same ids when nobody remembers them. */
  services(rows: readonly Row[]): readonly FoundService[];
  /** The pods that rows read from a device stand for, so that their flows remain theirs when nobody remembers them. */
  pods(rows: readonly Row[]): readonly FoundPod[];
  /** What an object needs for itself, in any order. Interfaces count by port as well, once that is known. */
  claims(object: RowObject, context: CompileContext): readonly Claim[];
  /** Interfaces of the target that an object names. */
  interfaces(object: RowObject): readonly string[];

  toEntity(row: Row): Entity;
  /** The row of an entity read from the device; undefined for what is no row, such as a default entry. */
  fromEntity(entity: Entity): Row | undefined;
  /** Reads everything in one of `tables`. */
  readAll(table: string): readonly Entity[];
  /** Counts packets that did not go on and were not answered, by reason. */
  readonly drops: DropCounter | undefined;
  /** Counts those that were answered (TCP reset, ICMP error). Absent: the target answers none. */
  readonly rejects?: DropCounter;
  /** Absent: the target does not count it. */
  readonly policyCounters?: PolicyCounters;
  /** Absent: the target does not tell what it has denied. */
  readonly denials?: DenialRing;
  /** Counts new flows by service id. */
  readonly serviceFlows: CounterFace | undefined;
}
