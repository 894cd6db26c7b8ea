import type {
  P4Action,
  P4ActionProfile,
  P4ActionRef,
  P4Counter,
  P4DirectCounter,
  P4Field,
  P4MatchField,
  P4Meter,
  P4Program,
  P4Register,
  P4Table,
} from '@infra-offload/p4info';
import type { Value } from '../dataplane/dataplane.js';

/** A P4 program tied to the SWX program that implements it: of each object what P4Info says, and where the target has it. */
export interface BoundProgram {
  readonly p4: P4Program;
  readonly tables: ReadonlyMap<number, BoundTable>;
  readonly profiles: ReadonlyMap<number, BoundProfile>;
  readonly counters: ReadonlyMap<number, BoundCounter>;
  readonly registers: ReadonlyMap<number, BoundRegister>;
  readonly meters: ReadonlyMap<number, BoundMeter>;
  /** What the program cannot do although P4Info has it. */
  readonly warnings: readonly string[];
}

/** A parameter or a match field. */
export interface BoundValue<Field extends P4Field = P4Field> {
  readonly p4: Field;
  /** What its values may have: a translated type may be wider for the controller than in the program. */
  readonly width: number;
  /** What it has in the program: `width` or more. */
  readonly targetWidth: number;
  /** Its values are bigints: the program has more than 32 bits. */
  readonly wide: boolean;
}

/** A match field of a kind that SWX tables have. */
export type MatchableField = P4MatchField & { readonly kind: 'exact' | 'lpm' | 'ternary' | 'optional' };

export type BoundField = BoundValue<MatchableField>;

/** An action as one table, or one action profile, knows it. */
export interface BoundAction {
  readonly p4: P4Action;
  readonly scope: P4ActionRef['scope'];
  /** Its name in the program. */
  readonly target: string;
  readonly params: readonly BoundValue[];
}

export interface BoundTable {
  readonly p4: P4Table;
  readonly target: string;
  readonly kind: 'table' | 'learner';
  /** In the order of P4Info, which is that of the program. */
  readonly fields: readonly BoundField[];
  /** Where a field is, by its id. */
  readonly fieldIndex: ReadonlyMap<number, number>;
  /** No field masks anything, so that entries of the program have no priority. */
  readonly exact: boolean;
  readonly actions: ReadonlyMap<number, BoundAction>;
  readonly size: number;
  /** Fixed by P4Info, by the program, or because the table is indirect. */
  readonly constDefault: boolean;
  readonly defaultAction: { readonly action: BoundAction; readonly args: readonly Value[] } | undefined;
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
  readonly p4: P4ActionProfile;
  /** The table of the members. */
  readonly target: string;
  readonly actions: ReadonlyMap<number, BoundAction>;
  readonly size: number;
  readonly selector: { readonly target: string; readonly groups: number; readonly slots: number } | undefined;
}

export interface BoundCounter {
  readonly p4: P4Counter | P4DirectCounter;
  /** Number of cells; for direct counters, of entries and the miss. */
  readonly size: number;
  /** The register arrays, where the program keeps them. */
  readonly packets: string | undefined;
  readonly bytes: string | undefined;
}

export interface BoundRegister {
  readonly p4: P4Register;
  readonly size: number;
  /** Of a cell, in bits; 0 if that is no plain bit string. */
  readonly width: number;
  readonly target: string | undefined;
}

export interface BoundMeter {
  readonly p4: P4Meter;
  readonly size: number;
  /** The meter array; undefined if the program has none that does what P4Info says. */
  readonly target: string | undefined;
  /** Why there is none. */
  readonly unsupported: string;
}
