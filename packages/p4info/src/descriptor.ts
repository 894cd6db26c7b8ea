/**
 * A P4 program as plain data: what a control plane needs to name tables, keys, actions and parameters and to put them on
 * the wire. `p4info-codegen` writes it as a constant (`as const satisfies ProgramDescriptor`), so that TypeScript knows
 * every name; `P4Program.describe()` makes the same at run time.
 *
 * Records are keyed by alias, or by full name where two objects share an alias. Their order is that of P4Info, but for
 * keys that are whole numbers, which JavaScript puts first; ids tell the order on the wire.
 */
export interface ProgramDescriptor {
  readonly name: string;
  readonly tables: Readonly<Record<string, TableDescriptor>>;
  readonly actionProfiles: Readonly<Record<string, ActionProfileDescriptor>>;
  readonly counters: Readonly<Record<string, CounterDescriptor>>;
  readonly directCounters: Readonly<Record<string, DirectCounterDescriptor>>;
  readonly meters: Readonly<Record<string, MeterDescriptor>>;
  readonly directMeters: Readonly<Record<string, DirectMeterDescriptor>>;
  readonly registers: Readonly<Record<string, RegisterDescriptor>>;
  readonly digests: Readonly<Record<string, DigestDescriptor>>;
  readonly valueSets: Readonly<Record<string, ValueSetDescriptor>>;
  /** The headers `packet_in` and `packet_out` of the program. */
  readonly packetMetadata: Readonly<Record<string, PacketMetadataDescriptor>>;
}

/** How a key is matched; `other` is an architecture's own kind (`other_match_type`), which P4Runtime carries as Any. */
export type MatchKind = 'exact' | 'lpm' | 'ternary' | 'range' | 'optional' | 'other';

/**
 * Where an action may be used: in entries (`table`), as default action (`default`), in both, or only as the action of a whole
 * group (`group`, P4Runtime 1.6).
 */
export type ActionScope = 'both' | 'table' | 'default' | 'group';

/** `unspecified` is what P4Info says of resources whose unit the architecture leaves open. */
export type CounterUnit = 'packets' | 'bytes' | 'both' | 'unspecified';
export type MeterUnit = 'packets' | 'bytes' | 'unspecified';
export type MeterType = 'two-rate-three-color' | 'single-rate-three-color' | 'single-rate-two-color';

export interface TableDescriptor {
  readonly id: number;
  /** Number of entries asked for in the program; a target may hold fewer or more. 0: not told. */
  readonly size: number;
  /** Whether entries carry a priority: there is a ternary, range or optional key (P4Runtime 1.5, "TableEntry"). */
  readonly needsPriority: boolean;
  /** Whether entries are fixed in the program and cannot be written. */
  readonly isConst: boolean;
  readonly supportsIdleTimeout: boolean;
  readonly match: Readonly<Record<string, MatchDescriptor>>;
  readonly actions: Readonly<Record<string, ActionDescriptor>>;
  /** Default action that the program fixes: it cannot be written. */
  readonly constDefaultAction?: string;
  readonly actionProfile?: string;
  readonly directCounter?: string;
  readonly directMeter?: string;
}

export interface ParamDescriptor {
  readonly id: number;
  /** 0 for values translated to `sdn_string`. */
  readonly bitwidth: number;
}

export interface MatchDescriptor extends ParamDescriptor {
  readonly kind: MatchKind;
}

export interface ActionDescriptor {
  readonly id: number;
  readonly scope: ActionScope;
  readonly params: Readonly<Record<string, ParamDescriptor>>;
}

export interface ActionProfileDescriptor {
  readonly id: number;
  readonly size: number;
  /** Whether it has groups (P4's ActionSelector) and not only members. */
  readonly withSelector: boolean;
  /** Largest size of a group; 0: the target decides. */
  readonly maxGroupSize: number;
  readonly tables: readonly string[];
  /** The actions that members may have: those that the tables of the profile allow in entries. */
  readonly actions: Readonly<Record<string, ActionDescriptor>>;
}

export interface CounterDescriptor {
  readonly id: number;
  readonly size: number;
  readonly unit: CounterUnit;
}

export interface DirectCounterDescriptor {
  readonly id: number;
  readonly table: string;
  readonly unit: CounterUnit;
}

export interface MeterDescriptor {
  readonly id: number;
  readonly size: number;
  readonly unit: MeterUnit;
  readonly type: MeterType;
}

export interface DirectMeterDescriptor {
  readonly id: number;
  readonly table: string;
  readonly unit: MeterUnit;
  readonly type: MeterType;
}

export interface RegisterDescriptor {
  readonly id: number;
  readonly size: number;
  /** P4 type of a cell, such as `bit<32>` or `struct flow_t`. */
  readonly type: string;
  /** Width of a cell, if it is one number. */
  readonly bitwidth?: number;
}

export interface DigestDescriptor {
  readonly id: number;
  readonly type: string;
  /** Fields of the struct that a digest carries, in order, if it is a struct of P4Info's type information. */
  readonly fields?: readonly TypedFieldDescriptor[];
}

export interface TypedFieldDescriptor {
  readonly name: string;
  readonly type: string;
  readonly bitwidth?: number;
}

export interface ValueSetDescriptor {
  readonly id: number;
  readonly size: number;
  readonly match: Readonly<Record<string, MatchDescriptor>>;
}

export interface PacketMetadataDescriptor {
  readonly id: number;
  readonly fields: Readonly<Record<string, ParamDescriptor>>;
}
