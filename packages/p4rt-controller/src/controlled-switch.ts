import type { P4RuntimeSession } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';

/** A switch of a controller: its session, and what is wanted of it. Made by `P4RuntimeController.add`. */
export interface ControlledSwitch {
  readonly name: string;
  /**
   * The session, to read counters, send packets and write what the controller does not keep; undefined until the switch has
   * answered for the first time. Whoever closes it ends the switch's part in the controller: use `remove` instead.
   */
  readonly session: P4RuntimeSession | undefined;
  readonly isPrimary: boolean;
  /** Whether the switch holds what is wanted, as far as it is known. */
  readonly isInSync: boolean;
  /**
   * Replaces what is wanted: table entries, default entries, members and groups, made with a typed program. The difference is
   * written at once if this controller is the primary of the switch, else when it is. Members are written before groups, groups before
   * entries, and all are deleted in the opposite order; what is no longer wanted goes after what is wanted instead has come.
   * Default entries that are no longer wanted are reset to the program's own.
   * @throws ControllerError INVALID for an entity of another kind or of a table that is not kept, one that comes twice, or one that
   *   names a member or group that is not among them; what was wanted before is still wanted then
   */
  setWanted(entities: readonly Entity[]): void;
  /**
   * Reads what the switch holds now instead of at the next `auditMs`, and repairs what differs.
   * @returns how many entities differed; 0 if this controller is not the primary of the switch
   * @throws P4rtError if the switch cannot be read
   */
  audit(): Promise<number>;
}
