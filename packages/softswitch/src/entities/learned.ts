import type { Entity, TableEntry } from '@infra-offload/p4rt/proto';
import type { LearnedEntry } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import { formatAction } from './actions.js';
import { formatKey, parseKey } from './keys.js';
import { bareEntry } from './messages.js';
import type { TableStore } from './tables.js';

/** The entries that the data plane has learned itself, as it goes through them. */
export function readLearned(store: TableStore, filter: TableEntry): Iterable<Entity> {
  const { table } = store;
  if (filter.isDefaultAction) {
    const message = bareEntry(table.id);
    message.isDefaultAction = true;
    message.isConst = table.constDefault;
    const call = store.defaultEntry.call;
    if (call !== undefined) message.action = { type: { $case: 'action', value: formatAction(call) } };
    return [{ entity: { $case: 'tableEntry', value: message } }];
  }
  if (filter.action !== undefined || filter.priority !== 0) {
    fail(
      'INVALID_ARGUMENT',
      `table ${table.name} is filled by the data plane: it can be read whole or by key`,
    );
  }
  const wanted = filter.match.length > 0 ? parseKey(table, filter.match, 0).text : undefined;
  return entries();

  function* entries(): Generator<Entity> {
    const actions = new Map([...table.actions.values()].map((action) => [action.target, action]));
    for (const learned of store.pipeline.learnedEntries(table.target)) {
      if (wanted !== undefined && keyText(learned) !== wanted) continue;
      const action = actions.get(learned.action);
      const message = bareEntry(table.id);
      message.match = formatKey(
        table,
        learned.key.map((value) => ({ value })),
      );
      if (action !== undefined) {
        message.action = { type: { $case: 'action', value: formatAction({ action, args: learned.args }) } };
      }
      yield { entity: { $case: 'tableEntry', value: message } };
    }
  }
}

/** As {@link parseKey} writes a key that is exact throughout. */
function keyText(entry: LearnedEntry): string {
  return entry.key.map((value) => `,${value}`).join('');
}
