import { formatColumns } from '@infra-offload/base';
import { EntityFormatter, formatEntity, type ProgramLike } from './format.js';
import type { Entity, TableEntry } from './gen/p4/v1/p4runtime.js';
import { ProgramNames } from './program-names.js';

/**
 * Table entries for people: for each table its name and a column for each key, the priority, the counts and the action, in the order of
 * the entities. Keys that match anything are `*`; columns that no entry fills are left out. Values are written as
 * {@link formatEntity} does, which also writes whatever is no table entry, a line each, after the tables.
 *
 * @returns lines without one at the end; '' for no entities
 */
export function formatTable(program: ProgramLike | undefined, entities: Iterable<Entity>): string {
  const tables = new Map<number, TableEntry[]>();
  const others: string[] = [];
  for (const entity of entities) {
    const one = entity.entity;
    if (one?.$case !== 'tableEntry') {
      others.push(formatEntity(program, entity));
      continue;
    }
    const entries = tables.get(one.value.tableId) ?? [];
    entries.push(one.value);
    tables.set(one.value.tableId, entries);
  }
  const names = ProgramNames.of(program);
  const blocks = [...tables].map(([id, entries]) => tableText(names, id, entries));
  return [...blocks, ...(others.length === 0 ? [] : [others.join('\n')])].join('\n\n');
}

/**
 * One table entry for people, a line for each key, parameter and whatever else it has; other entities as {@link formatEntity}
 * writes them.
 *
 * @returns lines without one at the end
 */
export function formatEntry(program: ProgramLike | undefined, entity: Entity): string {
  if (entity.entity?.$case !== 'tableEntry') return formatEntity(program, entity);
  const entry = entity.entity.value;
  const names = ProgramNames.of(program);
  const table = names.table(entry.tableId);
  const formatter = new EntityFormatter(names);
  const { counterData: count } = entry;
  return formatColumns([
    ['table', table.name],
    ...(entry.isDefaultAction ? [['default', 'yes']] : []),
    ...keyCells(names, entry),
    ...(entry.priority === 0 ? [] : [['priority', `${entry.priority}`]]),
    ...(entry.action === undefined ? [] : actionRows(formatter, entry)),
    ...(entry.idleTimeoutNs === 0n ? [] : [['idle timeout', `${entry.idleTimeoutNs} ns`]]),
    ...(entry.metadata.length === 0
      ? []
      : [['metadata', `0x${Buffer.from(entry.metadata).toString('hex')}`]]),
    ...(count === undefined
      ? []
      : [
          ['packets', `${count.packetCount}`],
          ['bytes', `${count.byteCount}`],
        ]),
  ]);
}

function actionRows(formatter: EntityFormatter, { action }: TableEntry): string[][] {
  if (action?.type?.$case !== 'action')
    return [['action', formatter.tableAction(action ?? { type: undefined })]];
  const { name, params } = formatter.actionParts(action.type.value);
  return [['action', name], ...params.map(({ name: param, value }) => [`  ${param}`, value])];
}

/** Name and value of each key of the table; `*` where anything matches. */
function keyCells(names: ProgramNames, entry: TableEntry): string[][] {
  if (entry.isDefaultAction) return [];
  const formatter = new EntityFormatter(names);
  const matches = formatter.matches(entry);
  const keys = names.table(entry.tableId).fields;
  const cells = [...keys].map(([id, { name }]) => [name, matches.get(id) ?? '*']);
  const unknown = [...matches].filter(([id]) => !keys.has(id)).map(([id, value]) => [String(id), value]);
  return [...cells, ...unknown];
}

function tableText(names: ProgramNames, id: number, entries: readonly TableEntry[]): string {
  const formatter = new EntityFormatter(names);
  const rows = entries.map((entry) => ({
    keys: new Map(keyCells(names, entry).map(([name = '', value = '']) => [name, value] as const)),
    rest: [
      entry.priority === 0 ? '' : `${entry.priority}`,
      `${entry.counterData?.packetCount ?? ''}`,
      `${entry.counterData?.byteCount ?? ''}`,
      (entry.isDefaultAction ? 'default: ' : '') +
        (entry.action === undefined ? '' : formatter.tableAction(entry.action)),
    ],
  }));
  const keys = [...new Set(rows.flatMap((row) => [...row.keys.keys()]))];
  const rest = ['priority', 'packets', 'bytes', 'action'];
  const header = [...keys, ...rest];
  const cells = rows.map((row) => [...keys.map((key) => row.keys.get(key) ?? ''), ...row.rest]);
  const filled = header.map((_, column) => cells.some((row) => row[column] !== ''));
  const shown = [header, ...cells].map((row) => row.filter((_, column) => filled[column]));
  const count = `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}`;
  return `${names.table(id).name}: ${count}\n${formatColumns(shown)}`;
}
