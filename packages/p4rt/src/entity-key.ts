import { hex, isZero } from './bytes.js';
import type { Entity, FieldMatch, Index, TableEntry } from './gen/p4/v1/p4runtime.js';

/**
 * The identity of an entity (P4Runtime 1.5, "Entity keys"): two entities have the same key exactly if a server takes
 * them for the same. Actions, members, counts and other contents do not count, nor do the order of match fields, leading
 * zero bytes, bits outside a mask, or don't-care matches that are spelt out. Keys are readable, but their form may change.
 *
 * Two things need the width of a field, which an entity does not tell: a range that is spelt out but covers all values,
 * and bits of a value behind its prefix. P4Runtime forbids both.
 */
export function entityKey(entity: Entity): string {
  const one = entity.entity;
  switch (one?.$case) {
    case 'tableEntry':
      return tableKey(one.value);
    case 'actionProfileMember':
      return `member:${one.value.actionProfileId}:${one.value.memberId}`;
    case 'actionProfileGroup':
      return `group:${one.value.actionProfileId}:${one.value.groupId}`;
    case 'meterEntry':
      return `meter:${one.value.meterId}:${indexKey(one.value.index)}`;
    case 'directMeterEntry':
      return `directMeter:${one.value.tableEntry === undefined ? '' : tableKey(one.value.tableEntry)}`;
    case 'counterEntry':
      return `counter:${one.value.counterId}:${indexKey(one.value.index)}`;
    case 'directCounterEntry':
      return `directCounter:${one.value.tableEntry === undefined ? '' : tableKey(one.value.tableEntry)}`;
    case 'packetReplicationEngineEntry': {
      const type = one.value.type;
      switch (type?.$case) {
        case 'multicastGroupEntry':
          return `multicastGroup:${type.value.multicastGroupId}`;
        case 'cloneSessionEntry':
          return `cloneSession:${type.value.sessionId}`;
        case undefined:
          return 'packetReplicationEngine:';
        default:
          return type satisfies never;
      }
    }
    case 'valueSetEntry':
      return `valueSet:${one.value.valueSetId}`;
    case 'registerEntry':
      return `register:${one.value.registerId}:${indexKey(one.value.index)}`;
    case 'digestEntry':
      return `digest:${one.value.digestId}`;
    case 'externEntry':
      // What identifies an extern's entry is up to the architecture: all of its bytes do.
      return `extern:${one.value.externTypeId}:${one.value.externId}:${one.value.entry?.typeUrl ?? ''}:${rawHex(one.value.entry?.value)}`;
    case undefined:
      return '';
    default:
      return one satisfies never;
  }
}

function indexKey(index: Index | undefined): string {
  return index === undefined ? '*' : String(index.index);
}

function rawHex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('hex');
}

function tableKey(entry: TableEntry): string {
  if (entry.isDefaultAction) return `table:${entry.tableId}:default`;
  let key = `table:${entry.tableId}:${entry.priority}`;
  for (const match of inOrder(entry.match)) {
    const part = matchKey(match);
    if (part !== '') key += `:${match.fieldId}${part}`;
  }
  return key;
}

/** Match fields by id; builders and most servers have them in that order already. */
export function inOrder(match: readonly FieldMatch[]): readonly FieldMatch[] {
  for (let i = 1; i < match.length; i++) {
    if ((match[i - 1]?.fieldId ?? 0) > (match[i]?.fieldId ?? 0)) {
      return [...match].sort((a, b) => a.fieldId - b.fieldId);
    }
  }
  return match;
}

/** What a match says, or '' if it matches everything. */
function matchKey(match: FieldMatch): string {
  const type = match.fieldMatchType;
  switch (type?.$case) {
    case 'exact':
      return `=${hex(type.value.value)}`;
    case 'optional':
      return `?${hex(type.value.value)}`;
    case 'lpm':
      return type.value.prefixLen === 0 ? '' : `/${hex(type.value.value)}/${type.value.prefixLen}`;
    case 'ternary':
      return isZero(type.value.mask)
        ? ''
        : `&${maskedHex(type.value.value, type.value.mask)}&${hex(type.value.mask)}`;
    case 'range':
      return `-${hex(type.value.low)}-${hex(type.value.high)}`;
    case 'other':
      return `!${type.value.typeUrl}!${rawHex(type.value.value)}`;
    case undefined:
      return '';
    default:
      return type satisfies never;
  }
}

/** The value without the bits that its mask leaves out. */
function maskedHex(value: Uint8Array, mask: Uint8Array): string {
  const masked = value.slice();
  for (let i = 1; i <= masked.length; i++) {
    masked[masked.length - i] = (masked[masked.length - i] ?? 0) & (mask[mask.length - i] ?? 0);
  }
  return hex(masked);
}
