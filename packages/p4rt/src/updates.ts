import { type Entity, type Update, Update_Type } from './gen/p4/v1/p4runtime.js';

/** Adds an entity that must not exist (`ALREADY_EXISTS` otherwise). */
export function insert(entity: Entity): Update {
  return { type: Update_Type.INSERT, entity };
}

/** Changes an entity that must exist (`NOT_FOUND` otherwise). Counters, registers and default entries are only ever modified. */
export function modify(entity: Entity): Update {
  return { type: Update_Type.MODIFY, entity };
}

/** Deletes an entity that must exist (`NOT_FOUND` otherwise). Only its key counts. */
export function remove(entity: Entity): Update {
  return { type: Update_Type.DELETE, entity };
}
