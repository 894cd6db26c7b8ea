import type {
  ActionDescriptor,
  ActionProfileDescriptor,
  MatchDescriptor,
  MatchKind,
  P4Value,
  ProgramDescriptor,
  TableDescriptor,
} from '@infra-offload/p4info';
import type { PortInput } from '../bytes.js';
import type { Action, Entity, MeterConfig, TableAction } from '../gen/p4/v1/p4runtime.js';

export type {
  ActionDescriptor,
  ActionProfileDescriptor,
  MatchDescriptor,
  MatchKind,
  ProgramDescriptor,
  TableDescriptor,
};

/**
 * What a builder takes as a value: a non-negative integer, a string (`10.96.0.10` for 32 bits, `02:00:00:00:00:01`
 * for 48, an IPv6 address for 128, `0x..` or decimal for any width; the string itself for `sdn_string` fields), or
 * bytes in network order. A value that does not fit its bit width is refused.
 */
export type Value = P4Value;

/** What a builder takes for a field of that width: numbers are no values of `sdn_string` fields, whose width is 0. */
export type ValueOf<Bits extends number> = Bits extends 0 ? string | Uint8Array : Value;

/** A prefix: a value (all bits count), `address/length`, or both apart. Length 0 matches everything. */
export type LpmInput = Value | { readonly value: Value; readonly prefixLength: number };
/** A value (all bits count), or a value and the mask of the bits that count. Mask 0 matches everything. */
export type TernaryInput<V extends Value = Value> = V | { readonly value: V; readonly mask: V };
/** A value, or an inclusive range. The full range matches everything. */
export type RangeInput<V extends Value = Value> = V | { readonly low: V; readonly high: V };

interface MatchInputs<V extends Value> {
  readonly exact: V;
  readonly lpm: LpmInput;
  readonly ternary: TernaryInput<V>;
  readonly range: RangeInput<V>;
  readonly optional: V;
  /** Architecture specific kinds cannot be built; leave them out. */
  readonly other: never;
}
export type MatchInput<K extends MatchKind, V extends Value = Value> = MatchInputs<V>[K];
type MatchInputOf<D extends MatchDescriptor> = MatchInput<D['kind'], ValueOf<D['bitwidth']>>;

type Simplify<T> = { [K in keyof T]: T[K] };
type IsDynamic<R> = string extends keyof R ? true : false;

/** What has match fields: tables and value sets. */
export interface Matching {
  readonly match: Readonly<Record<string, MatchDescriptor>>;
}

/** The match of a table: exact keys are required, all others may be left out, which means "don't care". */
export type Match<T extends Matching> =
  IsDynamic<T['match']> extends true
    ? { readonly [field: string]: MatchInput<MatchKind> | undefined }
    : Simplify<
        {
          readonly [F in keyof T['match'] as T['match'][F]['kind'] extends 'exact' ? F : never]: ValueOf<
            T['match'][F]['bitwidth']
          >;
        } & {
          readonly [F in keyof T['match'] as T['match'][F]['kind'] extends 'exact' ? never : F]?:
            | MatchInputOf<T['match'][F]>
            | undefined;
        }
      >;

type PriorityOption<T extends TableDescriptor> = boolean extends T['needsPriority']
  ? { readonly priority?: number }
  : T['needsPriority'] extends true
    ? {
        /** 1 to 2^31 - 1; the highest priority wins. */
        readonly priority: number;
      }
    : { readonly priority?: never };

export type KeyOptions<T extends TableDescriptor> = PriorityOption<T>;
export type EntryOptions<T extends TableDescriptor> = PriorityOption<T> & {
  /** Nanoseconds without a hit until an idle timeout notification; 0 (the default) is never. */
  readonly idleTimeoutNs?: bigint | number;
  /** Bytes that the server stores and returns. */
  readonly metadata?: Uint8Array;
};

/** An options argument that is required exactly when the table needs a priority. */
type OptionsArgument<T extends TableDescriptor, O> = boolean extends T['needsPriority']
  ? [options?: O]
  : T['needsPriority'] extends true
    ? [options: O]
    : [options?: O];

declare const actionName: unique symbol;
declare const profileName: unique symbol;

/** An action with its parameters. The type remembers the action's name, so that it fits only tables that have it. */
export type BuiltAction<Name extends string = string> = Action & { readonly [actionName]: Name };
/** A member, group or action set of the action profile `Profile`. */
export type IndirectAction<Profile extends string = string> = TableAction & {
  readonly [profileName]: Profile;
};

type ParamsOf<A extends ActionDescriptor> = {
  readonly [P in keyof A['params']]: ValueOf<A['params'][P]['bitwidth']>;
};
/** Makes an action from its parameters, all of them and by name. */
export type ActionBuilder<Name extends string, A extends ActionDescriptor> =
  IsDynamic<A['params']> extends true
    ? (params?: Readonly<Record<string, Value>>) => BuiltAction<Name>
    : keyof A['params'] extends never
      ? (params?: Readonly<Record<string, never>>) => BuiltAction<Name>
      : (params: ParamsOf<A>) => BuiltAction<Name>;

type Actions = Readonly<Record<string, ActionDescriptor>>;
type NotForEntries = 'default' | 'group';
type NotForDefault = 'table' | 'group';
type NamesWithout<A extends Actions, Scope extends string> = {
  [N in keyof A & string]: A[N]['scope'] extends Scope ? never : N;
}[keyof A & string];
/** Over all keys, with `as`, so that the docstrings of the descriptor are those of the builders. */
type Builders<A extends Actions, Scope extends string> = {
  readonly [N in keyof A as A[N]['scope'] extends Scope ? never : N & string]: ActionBuilder<
    N & string,
    A[N]
  >;
};

/** What an entry of the table may do: an action, or for tables with an action profile a member, group or action set. */
export type EntryAction<T extends TableDescriptor> =
  IsDynamic<T['actions']> extends true
    ? BuiltAction | IndirectAction
    : T extends { readonly actionProfile: infer P extends string }
      ? IndirectAction<P>
      : BuiltAction<NamesWithout<T['actions'], NotForEntries>>;

/** One action of a one-shot action set. */
export interface WeightedAction<Name extends string = string> {
  readonly action: BuiltAction<Name>;
  /** At least 1 (the default). */
  readonly weight?: number;
  /** The action is skipped while this port is down. */
  readonly watchPort?: PortInput;
}

/** One member of a group. */
export interface GroupMember {
  readonly member: number;
  /** At least 1 (the default). */
  readonly weight?: number;
  /** The member is skipped while this port is down. */
  readonly watchPort?: PortInput;
}

// biome-ignore format: a list of numbers
type SmallWidth = 1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30|31|32;

/** A value read back: number up to 32 bits, bigint above, string for `sdn_string` (bit width 0). */
export type DecodedValue<Width extends number> = number extends Width
  ? number | bigint | string
  : Width extends 0
    ? string
    : Width extends SmallWidth
      ? number
      : bigint;

export interface DecodedMatches<V> {
  readonly exact: V;
  readonly lpm: { readonly value: V; readonly prefixLength: number };
  readonly ternary: { readonly value: V; readonly mask: V };
  readonly range: { readonly low: V; readonly high: V };
  readonly optional: V;
  readonly other: Uint8Array;
}
export type DecodedMatchField<F extends MatchDescriptor> = DecodedMatches<
  DecodedValue<F['bitwidth']>
>[F['kind']];

/** A match read back; don't-care fields are absent. */
export type DecodedMatch<T extends Matching> =
  IsDynamic<T['match']> extends true
    ? { readonly [field: string]: DecodedMatchField<MatchDescriptor> }
    : Simplify<
        {
          readonly [F in keyof T['match'] as T['match'][F]['kind'] extends 'exact'
            ? F
            : never]: DecodedMatchField<T['match'][F]>;
        } & {
          readonly [F in keyof T['match'] as T['match'][F]['kind'] extends 'exact'
            ? never
            : F]?: DecodedMatchField<T['match'][F]>;
        }
      >;

/** An action read back, with its name as discriminant. */
export type DecodedActionOf<A extends Actions> = {
  [N in keyof A & string]: {
    readonly kind: 'action';
    readonly name: N;
    readonly params: { readonly [P in keyof A[N]['params']]: DecodedValue<A[N]['params'][P]['bitwidth']> };
  };
}[keyof A & string];

export type DecodedIndirect<A extends Actions> =
  | { readonly kind: 'member'; readonly member: number }
  | { readonly kind: 'group'; readonly group: number }
  | {
      readonly kind: 'actionSet';
      readonly actionSet: readonly {
        readonly action: DecodedActionOf<A>;
        readonly weight: number;
        readonly watchPort?: Uint8Array;
      }[];
    };

export type DecodedTableAction<T extends TableDescriptor> = true extends
  | IsDynamic<T['actions']>
  | (T extends { readonly actionProfile: string } ? true : false)
  ? DecodedActionOf<T['actions']> | DecodedIndirect<T['actions']>
  : DecodedActionOf<T['actions']>;

export interface CounterValue {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A table entry read back. */
export interface DecodedEntry<T extends TableDescriptor> {
  readonly match: DecodedMatch<T>;
  /** Absent in an entry that is only a key. */
  readonly action?: DecodedTableAction<T>;
  /** 0 when the table has no priorities. */
  readonly priority: number;
  readonly isDefault: boolean;
  readonly isConst: boolean;
  readonly idleTimeoutNs: bigint;
  readonly metadata: Uint8Array;
  /** Present when the server reports the time since the last hit. */
  readonly idleNs?: bigint;
  /** Present when the server reports the entry's direct counter. */
  readonly counter?: CounterValue;
}

interface TableBase<T extends TableDescriptor> {
  readonly id: number;
  readonly name: string;
  /** What an entry may do. Actions that only the default entry may use are not here. */
  readonly actions: Builders<T['actions'], NotForEntries>;
  /** What the default entry may do. Actions that only other entries may use are not here. */
  readonly defaultActions: Builders<T['actions'], NotForDefault>;
  /**
   * An entry, with values in canonical form and don't-care matches left out.
   * @throws P4rtError INVALID, UNKNOWN_NAME
   */
  entry(match: Match<T>, action: EntryAction<T>, ...options: OptionsArgument<T, EntryOptions<T>>): Entity;
  /** The key of an entry, to read or remove it. @throws P4rtError INVALID, UNKNOWN_NAME */
  key(match: Match<T>, ...options: OptionsArgument<T, KeyOptions<T>>): Entity;
  /** Wildcard: every entry of the table, to read. Never for tables that the data plane fills. */
  all(): Entity;
  /** The default entry, to modify; without an action, to read it or to set it back to the program's own. */
  defaultEntry(action?: BuiltAction<NamesWithout<T['actions'], NotForDefault>>): Entity;
  /** An entry of this table in terms of the program. @throws P4rtError INVALID, MALFORMED */
  decode(entity: Entity): DecodedEntry<T>;
}

interface IndirectTable<T extends TableDescriptor, P extends string> {
  member(id: number): IndirectAction<P>;
  group(id: number): IndirectAction<P>;
  /** A one-shot action set: the server makes the group (P4Runtime 1.5, "One Shot Action Selector Programming"). */
  actionSet(actions: readonly WeightedAction<NamesWithout<T['actions'], NotForEntries>>[]): IndirectAction<P>;
}

interface CountedTable<T extends TableDescriptor> {
  /** The direct counter of one entry, or of all entries without a match. With `data`, to modify it. */
  counter(match?: Match<T>, options?: { readonly priority?: number; readonly data?: CounterValue }): Entity;
  decodeCounter(
    entity: Entity,
  ): { readonly match: DecodedMatch<T>; readonly priority: number } & CounterValue;
}

interface MeteredTable<T extends TableDescriptor> {
  /** The direct meter of one entry, or of all entries without a match. With `config`, to modify it. */
  meter(match?: Match<T>, options?: { readonly priority?: number; readonly config?: MeterConfig }): Entity;
}

/** A table of a typed program. */
export type TypedTable<T extends TableDescriptor> = TableBase<T> &
  (T extends { readonly actionProfile: infer P extends string }
    ? IndirectTable<T, P>
    : IsDynamic<T['match']> extends true
      ? IndirectTable<T, string>
      : unknown) &
  (T extends { readonly directCounter: string }
    ? CountedTable<T>
    : IsDynamic<T['match']> extends true
      ? CountedTable<T>
      : unknown) &
  (T extends { readonly directMeter: string }
    ? MeteredTable<T>
    : IsDynamic<T['match']> extends true
      ? MeteredTable<T>
      : unknown);
