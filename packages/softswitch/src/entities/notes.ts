import {
  ActionProfileActionSet,
  ActionProfileGroup,
  ForwardingPipelineConfig,
  TableEntry,
} from '@infra-offload/p4rt/proto';

/**
 * What P4Runtime knows and the program does not, as notes in the data plane: with them the entities can be made again from
 * what packets see, by whoever takes the data plane over. Entries without metadata need none.
 */

/** The ForwardingPipelineConfig of the program. */
export const CONFIG_NOTE = 'config';

export function encodeConfig(config: ForwardingPipelineConfig): Uint8Array {
  return ForwardingPipelineConfig.encode(config).finish();
}

export function decodeConfig(note: Uint8Array): ForwardingPipelineConfig {
  return ForwardingPipelineConfig.decode(note);
}

/** Takes a note away. */
export const NO_NOTE = new Uint8Array(0);

/** What the target keeps for the controller without looking at it. */
export interface Attached {
  readonly metadata: Uint8Array;
  readonly controllerMetadata: bigint;
}

export const entryNote = (tableId: number, keyText: string): string => `entry/${tableId}/${keyText}`;
export const defaultNote = (tableId: number): string => `default/${tableId}`;

export function encodeAttached({ metadata, controllerMetadata }: Attached): Uint8Array {
  return TableEntry.encode(TableEntry.fromPartial({ metadata, controllerMetadata })).finish();
}

export function decodeAttached(note: Uint8Array | undefined): Attached {
  const { metadata, controllerMetadata } = TableEntry.decode(note ?? NO_NOTE);
  return { metadata, controllerMetadata };
}

/** Which member of P4Runtime has a number in the program; members of one-shot action sets have no id, and no note. */
export const memberNotes = (profileId: number): string => `member/${profileId}/`;

export function encodeMember(id: number): Uint8Array {
  const note = Buffer.alloc(4);
  note.writeUInt32LE(id);
  return note;
}

export function decodeMember(note: Uint8Array): number {
  return Buffer.from(note).readUInt32LE();
}

/** Which group of P4Runtime has a number in the program. */
export const groupNotes = (profileId: number): string => `group/${profileId}/`;

export function encodeGroup(groupId: number, maxSize: number): Uint8Array {
  return ActionProfileGroup.encode(ActionProfileGroup.fromPartial({ groupId, maxSize })).finish();
}

export function decodeGroup(note: Uint8Array): { readonly groupId: number; readonly maxSize: number } {
  return ActionProfileGroup.decode(note);
}

/** Which one-shot action set is the group of a number. */
export const setNotes = (profileId: number): string => `set/${profileId}/`;

export function encodeSet(set: ActionProfileActionSet): Uint8Array {
  return ActionProfileActionSet.encode(set).finish();
}

export function decodeSet(note: Uint8Array): ActionProfileActionSet {
  return ActionProfileActionSet.decode(note);
}
