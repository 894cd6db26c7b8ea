import type { P4Info } from '@infra-offload/p4info/proto';
import type { Value } from '../dataplane/dataplane.js';

/** A number with `width` bits in P4Info, and `targetWidth`, which may be more, in the program. */
export interface BoundValue {
  readonly id: number;
  readonly name: string;
  readonly width: number;
  readonly targetWidth: number;
  /** Its values are bigints: the program has more than 32 bits. */
  readonly wide: boolean;
}

export type MatchKind = 'exact' | 'lpm' | 'ternary' | 'optional';

export interface BoundField extends BoundValue {
  readonly kind: MatchKind;
}

export type ActionScope = 'both' | 'table' | 'default';

/** An action as one table, or one action profile, knows it. */
export interface BoundAction {
  readonly id: number;
  readonly name: string;
  /** Its name in the program. */
  readonly target: string;
  readonly scope: ActionScope;
  readonly params: readonly BoundValue[];
}

export interface BoundTable {
  readonly id: number;
  readonly name: string;
  readonly target: string;
  readonly kind: 'table' | 'learner';
  readonly fields: readonly BoundField[];
  readonly fieldIndex: ReadonlyMap<number, number>;
  readonly needsPriority: boolean;
  /** No field masks anything, so that entries of the program have no priority. */
  readonly exact: boolean;
  readonly actions: ReadonlyMap<number, BoundAction>;
  readonly size: number;
  readonly isConst: boolean;
  readonly constDefault: boolean;
  readonly defaultAction: { readonly action: BoundAction; readonly args: readonly Value[] } | undefined;
  readonly supportsIdleTimeout: boolean;
  readonly hasDirectMeter: boolean;
  readonly directCounter: BoundCounter | undefined;
  readonly indirect:
    | {
        readonly profile: BoundProfile;
        readonly setMember: string | undefined;
        readonly setGroup: string | undefined;
      }
    | undefined;
}

export interface BoundProfile {
  readonly id: number;
  readonly name: string;
  /** The table of the members. */
  readonly target: string;
  readonly actions: ReadonlyMap<number, BoundAction>;
  readonly size: number;
  readonly maxGroupSize: number;
  readonly sizeSemantics: 'weights' | 'members';
  /** Largest weight; 0 is no limit. */
  readonly maxMemberWeight: number;
  readonly weightsDisallowed: boolean;
  readonly selector: { readonly target: string; readonly groups: number; readonly slots: number } | undefined;
}

export interface BoundCounter {
  readonly id: number;
  readonly name: string;
  /** Number of cells; for direct counters, of entries and the miss. */
  readonly size: number;
  /** The register arrays, where the program keeps them. */
  readonly packets: string | undefined;
  readonly bytes: string | undefined;
}

export interface BoundRegister {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly width: number;
  readonly target: string | undefined;
}

/** A P4 program tied to the SWX program that implements it. */
export interface BoundProgram {
  readonly p4info: P4Info;
  readonly tables: ReadonlyMap<number, BoundTable>;
  readonly profiles: ReadonlyMap<number, BoundProfile>;
  readonly counters: ReadonlyMap<number, BoundCounter>;
  readonly directCounters: ReadonlyMap<number, BoundTable>;
  readonly registers: ReadonlyMap<number, BoundRegister>;
  readonly meterIds: ReadonlySet<number>;
  readonly digestIds: ReadonlySet<number>;
  /** Whether the program has headers for packets to or from the controller. */
  readonly hasPacketIo: boolean;
  /** What the program cannot do although P4Info has it; worth a line in the log. */
  readonly warnings: readonly string[];
}
