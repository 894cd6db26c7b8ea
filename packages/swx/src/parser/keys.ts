import type { SpecKeyField, SpecTable, SwxSpec } from '../spec.js';
import { semanticError } from './lexer.js';

/** RTE_SWX_TABLE_LEARNER_N_KEY_TIMEOUTS_MAX */
const MAX_TIMEOUTS = 16;

/** DPDK's rules for keys of tables, learners and selectors, the same in all its versions. */
export function checkKeys({ tables, learners, selectors, file }: SwxSpec): void {
  for (const table of tables.values()) {
    checkFields(file, `table '${table.name}'`, table.line, table.key);
    checkPrefixes(file, table);
  }
  for (const { name, line, key, size, timeouts } of learners.values()) {
    const what = `learner '${name}'`;
    checkFields(file, what, line, key);
    if (!isContiguous(key)) {
      const message = `${what}: the key fields must follow one another in their struct, in any order`;
      throw semanticError(file, line, message, name);
    }
    if (size === 0) throw semanticError(file, line, `${what} has size 0`, name);
    if (timeouts.length > MAX_TIMEOUTS) {
      const message = `${what} has ${timeouts.length} timeouts, and at most ${MAX_TIMEOUTS} are possible`;
      throw semanticError(file, line, message, name);
    }
  }
  for (const { name, line, fields } of selectors.values())
    checkFields(file, `selector '${name}'`, line, fields);
}

function checkFields(file: string, what: string, line: number, fields: readonly SpecKeyField[]): void {
  const seen = new Set<string>();
  for (const { text, operand } of fields) {
    if (seen.has(text)) throw semanticError(file, line, `${what}: '${text}' is given twice`, text);
    seen.add(text);
    if (structOf(operand) !== structOf(fields[0]?.operand ?? operand)) {
      const message = `${what}: '${fields[0]?.text}' and '${text}' are not in the same header, nor both metadata`;
      throw semanticError(file, line, message, text);
    }
  }
}

function structOf(operand: SpecKeyField['operand']): string {
  return operand.kind === 'header' ? operand.header.name : '';
}

function checkPrefixes(file: string, { name, line, key }: SpecTable): void {
  if (!key.some(({ match }) => match === 'lpm')) return;
  const others = key.filter(({ match }) => match !== 'exact');
  if (others.length === 1) return;
  const message = `table '${name}': beside an lpm field, all others must be exact`;
  throw semanticError(file, line, message, others[1]?.text);
}

function isContiguous(key: readonly SpecKeyField[]): boolean {
  const fields = key.map(({ operand }) => operand.field).toSorted((a, b) => a.offset - b.offset);
  return fields.every((field, i) => {
    const next = fields[i + 1];
    return next === undefined || next.offset === field.offset + field.bits / 8;
  });
}
