import type { ActionScope, CounterUnit } from './descriptor.js';
import type { P4DataType } from './model/data-type.js';
import type { P4Action, P4ActionRef, P4Field, P4MatchField, P4Table } from './model/objects.js';
import type { P4Program } from './model/program.js';

/**
 * A program as text for people: its tables with keys and actions, profiles, counters and so on, one object a line. Objects
 * are named by alias, with the full name after it where it differs.
 */
export function formatProgram(program: P4Program): string {
  const unused = unusedActions(program);
  const sections = [
    [header(program)],
    ...program.tables.map((table) => [formatTable(table)]),
    unused.length === 0
      ? []
      : ['Actions that no table uses', ...unused.map((action) => `  ${actionText(action)}`)],
    section('Action profiles', program.actionProfiles, (profile) => {
      const group = profile.maxGroupSize > 0 ? `groups of up to ${profile.maxGroupSize}` : 'groups';
      const tables = profile.tables.map(({ alias }) => alias).join(', ');
      return `size ${profile.size}, ${profile.withSelector ? group : 'members only'}, tables: ${tables || 'none'}`;
    }),
    section('Counters', program.counters, ({ unit, size }) => `${size} x ${unitText(unit)}`),
    section(
      'Direct counters',
      program.directCounters,
      ({ unit, table }) => `${unitText(unit)}, ${tableText(table)}`,
    ),
    section('Meters', program.meters, ({ unit, size, type }) => `${size} x ${unitText(unit)}, ${type}`),
    section('Direct meters', program.directMeters, ({ unit, type, table }) => {
      return `${unitText(unit)}, ${type}, ${tableText(table)}`;
    }),
    section('Registers', program.registers, ({ dataType, size }) => `${size} x ${typeText(dataType)}`),
    section('Digests', program.digests, ({ dataType }) => typeText(dataType)),
    section(
      'Value sets',
      program.valueSets,
      ({ size, matchFields }) => `size ${size}: ${matchFields.map(keyText).join(', ')}`,
    ),
    section('Packet metadata', program.packetMetadata, ({ fields }) => fields.map(fieldText).join(', ')),
    section('Extern instances', program.externs, ({ typeName }) => typeName),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function header({ name, arch, p4info, tables, actions }: P4Program): string {
  const version = p4info.pkgInfo?.version;
  const title = `${name || 'P4 program'}${version ? ` ${version}` : ''}${arch ? ` (${arch})` : ''}`;
  return `${title}: ${count(tables, 'table')}, ${count(actions, 'action')}`;
}

function count(items: readonly unknown[], what: string): string {
  return `${items.length} ${what}${items.length === 1 ? '' : 's'}`;
}

function unitText(unit: CounterUnit): string {
  if (unit === 'unspecified') return 'unit not told';
  return unit === 'both' ? 'packets and bytes' : unit;
}

function tableText(table: P4Table | undefined): string {
  return `table ${table?.alias ?? 'not told'}`;
}

interface Listed {
  readonly name: string;
  readonly alias: string;
}

function section<T extends Listed>(title: string, items: readonly T[], text: (item: T) => string): string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${nameText(item)}: ${text(item)}`)];
}

function formatTable(table: P4Table): string {
  const traits = [
    table.size > 0 ? `size ${table.size}` : '',
    table.needsPriority ? 'with priority' : '',
    table.isConst ? 'const entries' : table.hasInitialEntries ? 'with initial entries' : '',
    table.supportsIdleTimeout ? 'idle timeouts' : '',
    table.actionProfile ? `action profile ${table.actionProfile.alias}` : '',
    table.directCounter ? `counter ${table.directCounter.alias}` : '',
    table.directMeter ? `meter ${table.directMeter.alias}` : '',
  ].filter((trait) => trait !== '');
  const keys = table.matchFields.map(keyText);
  const lines = [
    `Table ${nameText(table)}${traits.length > 0 ? ` [${traits.join(', ')}]` : ''}`,
    ...keyLines(keys),
  ];
  for (const ref of table.actions) lines.push(`  ${actionText(ref.action)}${remark(table, ref)}`);
  return lines.join('\n');
}

/** On one line if it is short. */
function keyLines(keys: readonly string[]): string[] {
  const inline = keys.length === 0 ? 'none' : keys.join(', ');
  return inline.length <= 90 ? [`  key: ${inline}`] : ['  key:', ...keys.map((key) => `    ${key}`)];
}

const SCOPE_TEXT: Readonly<Record<ActionScope, string>> = {
  both: '',
  table: 'entries only',
  default: 'default only',
  group: 'of a group only',
};

function remark(table: P4Table, { action, scope }: P4ActionRef): string {
  const parts = [SCOPE_TEXT[scope]];
  if (table.constDefaultAction === action) parts.push('const default');
  else if (table.initialDefaultAction === action) parts.push('default');
  const text = parts.filter((part) => part !== '').join(', ');
  return text === '' ? '' : ` [${text}]`;
}

function unusedActions({ tables, actions }: P4Program): P4Action[] {
  const used = new Set(tables.flatMap((table) => table.actions.map(({ action }) => action)));
  return actions.filter((action) => !used.has(action));
}

function actionText({ alias, params }: P4Action): string {
  return `${alias}(${params.map(fieldText).join(', ')})`;
}

function keyText(field: P4MatchField): string {
  return `${fieldText(field)} ${field.kind === 'other' ? (field.otherKind ?? 'other') : field.kind}`;
}

function fieldText({ name, bitwidth, isString }: P4Field): string {
  return `${name}: ${isString ? 'string' : `bit<${bitwidth}>`}`;
}

function typeText({ type, fields }: P4DataType): string {
  if (fields === undefined) return type;
  return `${type} { ${fields.map((field) => `${field.name} ${field.type}`).join(', ')} }`;
}

function nameText({ name, alias }: Listed): string {
  return alias === name ? name : `${alias} (${name})`;
}
