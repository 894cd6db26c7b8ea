import {
  decodeBigint,
  formatValue,
  guessFormat,
  type P4Program,
  type ProgramDescriptor,
} from '@infra-offload/p4info';
import { inOrder } from './entity-key.js';
import {
  type Action,
  type Entity,
  type FieldMatch,
  type TableAction,
  type TableEntry,
  type Update,
  Update_Type,
} from './gen/p4/v1/p4runtime.js';
import { ProgramNames, type ValueNames } from './program-names.js';

/** Where names come from: a model, a typed program, or a descriptor. */
export type ProgramLike = P4Program | ProgramDescriptor | { readonly descriptor: ProgramDescriptor };

/**
 * An entity in words, for logs and errors:
 * `service dst_ip=10.96.0.10 protocol=6 dst_port=80 -> set_service(group_id=7, flags=0)`.
 * Without a program, or for objects that it does not have, ids stand for names. Never throws on odd entities.
 */
export function formatEntity(program: ProgramLike | undefined, entity: Entity): string {
  return new EntityFormatter(ProgramNames.of(program)).entity(entity);
}

/** An update in words: `INSERT service dst_ip=...`. */
export function formatUpdate(program: ProgramLike | undefined, update: Update): string {
  const type = Update_Type[update.type] ?? String(update.type);
  return `${type} ${update.entity === undefined ? 'nothing' : formatEntity(program, update.entity)}`;
}

/** Parts of entities in words. */
export class EntityFormatter {
  readonly #names: ProgramNames;

  constructor(names: ProgramNames) {
    this.#names = names;
  }

  entity(entity: Entity): string {
    const one = entity.entity;
    switch (one?.$case) {
      case 'tableEntry':
        return this.#tableEntry(one.value);
      case 'actionProfileMember': {
        const { actionProfileId, memberId, action } = one.value;
        const profile = this.#names.name('actionProfiles', actionProfileId);
        return `${profile} member ${memberId}${action === undefined ? '' : ` -> ${this.#action(action)}`}`;
      }
      case 'actionProfileGroup': {
        const { actionProfileId, groupId, members, maxSize } = one.value;
        const list = members.map(({ memberId, weight }) => `${memberId}*${weight}`).join(', ');
        const size = maxSize === 0 ? '' : ` max_size=${maxSize}`;
        return `${this.#names.name('actionProfiles', actionProfileId)} group ${groupId}${size} {${list}}`;
      }
      case 'counterEntry': {
        const { counterId, index, data } = one.value;
        const count = data === undefined ? '' : ` packets=${data.packetCount} bytes=${data.byteCount}`;
        return `${this.#names.name('counters', counterId)}[${index?.index ?? '*'}]${count}`;
      }
      case 'directCounterEntry': {
        const { tableEntry, data } = one.value;
        const count = data === undefined ? '' : ` packets=${data.packetCount} bytes=${data.byteCount}`;
        return `counter of ${tableEntry === undefined ? 'nothing' : this.#tableEntry(tableEntry)}${count}`;
      }
      case 'meterEntry':
        return `${this.#names.name('meters', one.value.meterId)}[${one.value.index?.index ?? '*'}]`;
      case 'directMeterEntry':
        return `meter of ${one.value.tableEntry === undefined ? 'nothing' : this.#tableEntry(one.value.tableEntry)}`;
      case 'registerEntry': {
        const data = one.value.data?.data;
        const value = data?.$case === 'bitstring' ? ` = ${formatValue(64, data.value)}` : '';
        return `${this.#names.name('registers', one.value.registerId)}[${one.value.index?.index ?? '*'}]${value}`;
      }
      case 'digestEntry':
        return `digest ${this.#names.name('digests', one.value.digestId)}`;
      case 'valueSetEntry':
        return `value set ${this.#names.name('valueSets', one.value.valueSetId)}`;
      case 'packetReplicationEngineEntry': {
        const type = one.value.type;
        if (type === undefined) return 'empty packet replication entry';
        return type.$case === 'multicastGroupEntry'
          ? `multicast group ${type.value.multicastGroupId}`
          : `clone session ${type.value.sessionId}`;
      }
      case 'externEntry':
        return `extern ${one.value.externId} of type ${one.value.externTypeId}`;
      case undefined:
        return 'empty entity';
      default:
        return one satisfies never;
    }
  }

  #tableEntry(entry: TableEntry): string {
    const table = this.#names.table(entry.tableId);
    const parts = [table.name];
    if (entry.isDefaultAction) parts.push('default');
    for (const [id, value] of this.matches(entry)) parts.push(`${table.fields.get(id)?.name ?? id}=${value}`);
    if (entry.priority !== 0) parts.push(`priority=${entry.priority}`);
    if (entry.action !== undefined) parts.push('->', this.tableAction(entry.action));
    return parts.join(' ');
  }

  tableAction(action: TableAction): string {
    const type = action.type;
    switch (type?.$case) {
      case 'action':
        return this.#action(type.value);
      case 'actionProfileMemberId':
        return `member ${type.value}`;
      case 'actionProfileGroupId':
        return `group ${type.value}`;
      case 'actionProfileActionSet': {
        const actions = type.value.actionProfileActions;
        const list = actions.map(
          (one) => `${one.action === undefined ? '?' : this.#action(one.action)}*${one.weight}`,
        );
        return `{${list.join(', ')}}`;
      }
      case undefined:
        return 'no action';
      default:
        return type satisfies never;
    }
  }

  /** What an entry matches, by the ids of its keys and in their order. */
  matches({ tableId, match }: TableEntry): ReadonlyMap<number, string> {
    const { fields } = this.#names.table(tableId);
    return new Map(inOrder(match).map((one) => [one.fieldId, formatMatch(fields.get(one.fieldId), one)]));
  }

  actionParts(action: Action): {
    readonly name: string;
    readonly params: readonly { readonly name: string; readonly value: string }[];
  } {
    const names = this.#names.action(action.actionId);
    const params = action.params.map(({ paramId, value }) => {
      const param = names.params.get(paramId);
      return { name: param?.name ?? String(paramId), value: text(param, value) };
    });
    return { name: names.name, params };
  }

  #action(action: Action): string {
    const { name, params } = this.actionParts(action);
    return `${name}(${params.map((param) => `${param.name}=${param.value}`).join(', ')})`;
  }
}

function formatMatch(field: ValueNames | undefined, match: FieldMatch): string {
  const type = match.fieldMatchType;
  switch (type?.$case) {
    case 'exact':
    case 'optional':
      return text(field, type.value.value);
    case 'lpm':
      return `${text(field, type.value.value)}/${type.value.prefixLen}`;
    case 'ternary':
      if (field !== undefined && isAllOnes(type.value.mask, field.bitwidth)) {
        return text(field, type.value.value);
      }
      return `${formatValue(64, type.value.value)}&&&${formatValue(64, type.value.mask)}`;
    case 'range':
      return `${text(field, type.value.low)}..${text(field, type.value.high)}`;
    case 'other':
      return type.value.typeUrl;
    case undefined:
      return '?';
    default:
      return type satisfies never;
  }
}

function isAllOnes(mask: Uint8Array, bitwidth: number): boolean {
  return mask.length > 0 && bitwidth > 0 && decodeBigint(mask) === (1n << BigInt(bitwidth)) - 1n;
}

/** A value by its name and width; in hexadecimal if these are not known. */
function text(value: ValueNames | undefined, bytes: Uint8Array): string {
  return value === undefined
    ? formatValue(64, bytes)
    : formatValue(value.bitwidth, bytes, guessFormat(value));
}
