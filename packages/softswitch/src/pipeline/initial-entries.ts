import { messageOf } from '@infra-offload/base';
import { type TableEntry, Update_Type, WriteRequest } from '@infra-offload/p4rt/proto';
import { fail, SoftswitchError } from '../errors.js';

/** An entry that a table begins with. */
export interface InitialEntry {
  /** Its number among the entries of the device config. */
  readonly number: number;
  readonly entry: TableEntry;
}

/** The entries of a program, in p4c's form: a WriteRequest with inserts. INVALID_ARGUMENT if they are anything else. */
export function readInitialEntries(bytes: Uint8Array): InitialEntry[] {
  return decode(bytes).updates.map(({ type, entity }, number) => {
    const one = entity?.entity;
    if (type !== Update_Type.INSERT || one?.$case !== 'tableEntry' || one.value.isDefaultAction) {
      fail('INVALID_ARGUMENT', `p4_device_config, entries: update #${number} does not insert a table entry`);
    }
    return { number, entry: one.value };
  });
}

function decode(bytes: Uint8Array): WriteRequest {
  try {
    return WriteRequest.decode(bytes);
  } catch (error) {
    throw new SoftswitchError(
      'INVALID_ARGUMENT',
      `p4_device_config: the entries are no p4.v1.WriteRequest in binary: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
