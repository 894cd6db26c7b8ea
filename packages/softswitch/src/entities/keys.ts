import type { FieldMatch } from '@infra-offload/p4rt/proto';
import type { KeyField, Value } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundField, BoundTable } from '../pipeline/bound.js';
import {
  allOnes,
  exceedsMask,
  parseValue,
  prefixLength,
  prefixMask,
  refuseValue,
  writeValue,
} from './bytes.js';

/** A checked table key: what the data plane takes, and a text that is the same for the same key. */
export interface ParsedKey {
  readonly fields: readonly KeyField[];
  readonly text: string;
  readonly priority: number;
}

/** P4Runtime takes the highest priority first, SWX the lowest. */
const HIGHEST_PRIORITY = 0x7fff_ffff;

/**
 * Checks a match key ("Match Format"). INVALID_ARGUMENT for fields that are unknown, missing, given twice or not in
 * canonical form, and for a priority where none belongs or none where one does; OUT_OF_RANGE for values too large.
 */
export function parseKey(table: BoundTable, match: readonly FieldMatch[], priority: number): ParsedKey {
  if (table.p4.needsPriority ? priority <= 0 : priority !== 0) {
    fail(
      'INVALID_ARGUMENT',
      table.p4.needsPriority
        ? `table ${table.p4.alias}: priority must be above 0, because the key has ternary or optional fields`
        : `table ${table.p4.alias}: priority must be 0, because the key has no ternary or optional fields`,
    );
  }
  const { fields } = table;
  const key = parseFields(table, match);
  for (let i = 0; i < fields.length; i++) {
    if (key[i] !== undefined) continue;
    const field = fields[i] ?? fail('INTERNAL', 'field');
    if (field.p4.kind === 'exact')
      fail('INVALID_ARGUMENT', `${where(table, field)}: missing, and exact matches must be given`);
    key[i] = field.wide ? ANY_WIDE : ANY;
  }
  const whole = key as KeyField[];
  return { fields: whole, text: keyText(table, whole, priority), priority };
}

/** The fields of a match key that are given, in the order of the table. INVALID_ARGUMENT and OUT_OF_RANGE as above. */
export function parseFields(table: BoundTable, match: readonly FieldMatch[]): (KeyField | undefined)[] {
  const { fields } = table;
  const parsed: (KeyField | undefined)[] = new Array(fields.length).fill(undefined);
  for (let i = 0; i < match.length; i++) {
    const one = match[i];
    if (one === undefined) break;
    const at = fields[i]?.p4.id === one.fieldId ? i : table.fieldIndex.get(one.fieldId);
    const field = at === undefined ? undefined : fields[at];
    if (at === undefined || field === undefined) {
      const known = fields.map(({ p4 }) => `${p4.id} ${p4.name}`).join(', ') || 'none';
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: no match field ${one.fieldId}; it has ${known}`);
    }
    if (parsed[at] !== undefined) fail('INVALID_ARGUMENT', `${where(table, field)}: given twice`);
    parsed[at] = parseField(table, field, one);
  }
  return parsed;
}

/** The key of an entry that the data plane has. */
export function restoreKey(
  table: BoundTable,
  key: readonly KeyField[],
  priority: number | undefined,
): ParsedKey {
  const fields = key.map(({ value, mask }, i): KeyField => {
    // A program may match with a mask what P4Info says is exact.
    if (table.fields[i]?.p4.kind === 'exact' || mask === undefined) return { value };
    return { value, mask };
  });
  const own = table.p4.needsPriority ? HIGHEST_PRIORITY - (priority ?? 0) : 0;
  return { fields, text: keyText(table, fields, own), priority: own };
}

/** The same for the same key. */
function keyText(table: BoundTable, key: readonly KeyField[], priority: number): string {
  let text = table.p4.needsPriority ? `${priority}` : '';
  for (const { value, mask } of key) text += mask === undefined ? `,${value}` : `,${value}/${mask}`;
  return text;
}

/** Whether two keys match the same, with any priority. */
export function sameFields(a: readonly KeyField[], b: readonly KeyField[]): boolean {
  return a.every(({ value, mask }, i) => value === b[i]?.value && mask === b[i]?.mask);
}

const ANY: KeyField = { value: 0, mask: 0 };
const ANY_WIDE: KeyField = { value: 0n, mask: 0n };

function parseField(table: BoundTable, field: BoundField, match: FieldMatch): KeyField {
  const type = match.fieldMatchType;
  switch (field.p4.kind) {
    case 'exact':
      if (type?.$case !== 'exact') break;
      return { value: read(table, field, type.value.value) };
    case 'optional':
      if (type?.$case !== 'optional') break;
      return { value: read(table, field, type.value.value), mask: widen(field, allOnes(field.width)) };
    case 'lpm': {
      if (type?.$case !== 'lpm') break;
      const { prefixLen } = type.value;
      if (prefixLen < 1 || prefixLen > field.width) {
        const hint = prefixLen === 0 ? '; leave the field out to match anything' : '';
        fail(
          'INVALID_ARGUMENT',
          `${where(table, field)}: prefix length ${prefixLen} is not in 1..${field.width}${hint}`,
        );
      }
      const value = read(table, field, type.value.value);
      const mask = prefixMask(field.targetWidth, spareBits(field) + prefixLen);
      if (exceedsMask(value, mask))
        fail('INVALID_ARGUMENT', `${where(table, field)}: bits behind the prefix must be 0`);
      return { value, mask };
    }
    case 'ternary': {
      if (type?.$case !== 'ternary') break;
      const value = read(table, field, type.value.value);
      const mask = read(table, field, type.value.mask);
      if (BigInt(mask) === 0n) {
        fail('INVALID_ARGUMENT', `${where(table, field)}: mask 0; leave the field out to match anything`);
      }
      if (exceedsMask(value, mask))
        fail('INVALID_ARGUMENT', `${where(table, field)}: bits outside the mask must be 0`);
      return { value, mask };
    }
    default: {
      const never: never = field.p4.kind;
      return never;
    }
  }
  fail(
    'INVALID_ARGUMENT',
    `${where(table, field)}: it matches ${field.p4.kind}, not ${type?.$case ?? 'nothing'}`,
  );
}

function read(table: BoundTable, field: BoundField, bytes: Uint8Array): Value {
  return widen(field, parseValue(bytes, field.width) ?? refuseValue(bytes, field.width, where(table, field)));
}

function widen(field: BoundField, value: Value): Value {
  return field.wide && typeof value === 'number' ? BigInt(value) : value;
}

/** Bits that the program has and P4Info has not. They are 0, and part of every prefix. */
function spareBits(field: BoundField): number {
  return field.targetWidth - field.width;
}

function where(table: BoundTable, field: BoundField): string {
  return `table ${table.p4.alias}, match field ${field.p4.name}`;
}

/** The key as the wire has it: canonical, don't-care fields left out. */
export function formatKey(table: BoundTable, key: readonly KeyField[]): FieldMatch[] {
  const match: FieldMatch[] = [];
  for (let i = 0; i < table.fields.length; i++) {
    const field = table.fields[i];
    const part = key[i];
    if (field === undefined || part === undefined) break;
    const { value, mask } = part;
    const fieldId = field.p4.id;
    if (mask === undefined) {
      match.push({ fieldId, fieldMatchType: { $case: 'exact', value: { value: writeValue(value) } } });
      continue;
    }
    if (mask === 0 || mask === 0n) continue;
    switch (field.p4.kind) {
      case 'lpm': {
        const prefixLen = prefixLength(mask, field.targetWidth) - spareBits(field);
        match.push({
          fieldId,
          fieldMatchType: { $case: 'lpm', value: { value: writeValue(value), prefixLen } },
        });
        break;
      }
      case 'ternary': {
        const ternary = { value: writeValue(value), mask: writeValue(mask) };
        match.push({ fieldId, fieldMatchType: { $case: 'ternary', value: ternary } });
        break;
      }
      default:
        match.push({ fieldId, fieldMatchType: { $case: 'optional', value: { value: writeValue(value) } } });
    }
  }
  return match;
}

/**
 * The priority of an entry in the data plane, where the lowest wins: the P4Runtime priority turned round, or the
 * number of bits that a longest prefix match leaves open. None for exact tables.
 */
export function targetPriority(table: BoundTable, key: ParsedKey): number | undefined {
  if (table.exact) return undefined;
  if (table.p4.needsPriority) return HIGHEST_PRIORITY - key.priority;
  for (let i = 0; i < table.fields.length; i++) {
    const field = table.fields[i];
    const mask = key.fields[i]?.mask;
    if (field?.p4.kind === 'lpm' && mask !== undefined) {
      return field.targetWidth - (mask === 0 || mask === 0n ? 0 : prefixLength(mask, field.targetWidth));
    }
  }
  return 0;
}
