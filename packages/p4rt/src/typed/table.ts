import { noBytes } from '../bytes.js';
import { invalid, malformed } from '../errors.js';
import type {
  Action,
  Entity,
  FieldMatch,
  MeterConfig,
  TableAction,
  TableEntry,
} from '../gen/p4/v1/p4runtime.js';
import { ActionSet } from './action.js';
import { counterData, counterValue } from './counter-data.js';
import {
  actionSetAction,
  groupAction,
  int32,
  memberAction,
  type WeightedActionInput,
  watchedPort,
} from './indirect.js';
import { MatchFields, type MatchRecord } from './match-fields.js';
import type { CounterValue, TableDescriptor, Value } from './types.js';

interface Options {
  readonly priority?: number;
  readonly idleTimeoutNs?: bigint | number;
  readonly metadata?: Uint8Array;
}

const NO_OPTIONS: Options = {};

/** A table at run time. Its typed face is `TypedTable`. */
export class RuntimeTable {
  readonly name: string;
  readonly id: number;
  readonly actions: ReturnType<ActionSet['builders']>;
  readonly defaultActions: ReturnType<ActionSet['builders']>;
  readonly #fields: MatchFields;
  readonly #actionSet: ActionSet;
  readonly #where: string;
  readonly #needsPriority: boolean;
  readonly #indirect: boolean;
  readonly #descriptor: TableDescriptor;

  constructor(name: string, descriptor: TableDescriptor) {
    this.name = name;
    this.id = descriptor.id;
    this.#where = `table '${name}'`;
    this.#actionSet = new ActionSet(this.#where, descriptor.actions);
    this.actions = this.#actionSet.builders('entry');
    this.defaultActions = this.#actionSet.builders('default');
    this.#fields = new MatchFields(this.#where, descriptor.match);
    this.#needsPriority = descriptor.needsPriority;
    this.#indirect = descriptor.actionProfile !== undefined;
    this.#descriptor = descriptor;
  }

  entry(match: MatchRecord, action: Action | TableAction, options: Options = NO_OPTIONS): Entity {
    if (this.#descriptor.isConst) throw invalid(`${this.#where} is const: the program fixes its entries`);
    const tableAction = this.#tableAction(action);
    const entry = this.#entry(this.#match(match), this.#priority(options.priority), tableAction, false);
    if (options.idleTimeoutNs !== undefined) entry.idleTimeoutNs = this.#timeout(options.idleTimeoutNs);
    if (options.metadata !== undefined) entry.metadata = options.metadata;
    return { entity: { $case: 'tableEntry', value: entry } };
  }

  key(match: MatchRecord, options: Options = NO_OPTIONS): Entity {
    const entry = this.#entry(this.#match(match), this.#priority(options.priority), undefined, false);
    return { entity: { $case: 'tableEntry', value: entry } };
  }

  all(): Entity {
    return { entity: { $case: 'tableEntry', value: this.#entry([], 0, undefined, false) } };
  }

  defaultEntry(action?: Action): Entity {
    if (action !== undefined) {
      const fixed = this.#descriptor.constDefaultAction;
      if (fixed !== undefined)
        throw invalid(`${this.#where}: the program fixes its default action '${fixed}'`);
      this.#actionSet.check(action, 'default');
    }
    const type: TableAction | undefined = action && { type: { $case: 'action', value: action } };
    return { entity: { $case: 'tableEntry', value: this.#entry([], 0, type, true) } };
  }

  member(id: number): TableAction {
    this.#requireProfile();
    return memberAction(this.#where, id);
  }

  group(id: number): TableAction {
    this.#requireProfile();
    return groupAction(this.#where, id);
  }

  actionSet(actions: readonly WeightedActionInput[]): TableAction {
    this.#requireProfile();
    for (const { action } of actions) this.#actionSet.check(action, 'entry');
    return actionSetAction(this.#where, actions);
  }

  counter(
    match?: MatchRecord,
    options: { readonly priority?: number; readonly data?: CounterValue } = {},
  ): Entity {
    if (this.#descriptor.directCounter === undefined) throw invalid(`${this.#where} has no direct counter`);
    const tableEntry = this.#keyOrAll(match, options.priority);
    return {
      entity: {
        $case: 'directCounterEntry',
        value: { tableEntry, data: options.data && counterData(options.data) },
      },
    };
  }

  meter(
    match?: MatchRecord,
    options: { readonly priority?: number; readonly config?: MeterConfig } = {},
  ): Entity {
    if (this.#descriptor.directMeter === undefined) throw invalid(`${this.#where} has no direct meter`);
    const tableEntry = this.#keyOrAll(match, options.priority);
    return {
      entity: {
        $case: 'directMeterEntry',
        value: { tableEntry, config: options.config, counterData: undefined },
      },
    };
  }

  /** An action by a name from elsewhere. @throws P4rtError UNKNOWN_NAME, INVALID */
  action(name: string, params?: Readonly<Record<string, Value>>): Action {
    return this.#actionSet.build(name, params);
  }

  decode(entity: Entity) {
    if (entity.entity?.$case !== 'tableEntry') {
      throw invalid(
        `${this.#where}: expected a table entry, got ${entity.entity?.$case ?? 'an empty entity'}`,
      );
    }
    const entry = entity.entity.value;
    this.#requireId(entry);
    return {
      match: this.#fields.decode(entry.match),
      ...(entry.action === undefined ? {} : { action: this.#decodeAction(entry.action) }),
      priority: entry.priority,
      isDefault: entry.isDefaultAction,
      isConst: entry.isConst,
      idleTimeoutNs: entry.idleTimeoutNs,
      metadata: entry.metadata,
      ...(entry.timeSinceLastHit === undefined ? {} : { idleNs: entry.timeSinceLastHit.elapsedNs }),
      ...(entry.counterData === undefined ? {} : { counter: counterValue(entry.counterData) }),
    };
  }

  decodeCounter(entity: Entity) {
    const entry = entity.entity?.$case === 'directCounterEntry' ? entity.entity.value : undefined;
    if (entry?.tableEntry === undefined) {
      throw invalid(
        `${this.#where}: expected a direct counter entry, got ${entity.entity?.$case ?? 'an empty entity'}`,
      );
    }
    this.#requireId(entry.tableEntry);
    return {
      match: this.#fields.decode(entry.tableEntry.match),
      priority: entry.tableEntry.priority,
      ...counterValue(entry.data),
    };
  }

  #entry(
    match: FieldMatch[],
    priority: number,
    action: TableAction | undefined,
    isDefault: boolean,
  ): TableEntry {
    return {
      tableId: this.id,
      match,
      action,
      priority,
      controllerMetadata: 0n,
      meterConfig: undefined,
      counterData: undefined,
      meterCounterData: undefined,
      isDefaultAction: isDefault,
      idleTimeoutNs: 0n,
      timeSinceLastHit: undefined,
      metadata: noBytes(),
      isConst: false,
    };
  }

  #keyOrAll(match: MatchRecord | undefined, priority: number | undefined): TableEntry {
    if (match === undefined) return this.#entry([], 0, undefined, false);
    return this.#entry(this.#match(match), this.#priority(priority), undefined, false);
  }

  #match(values: MatchRecord): FieldMatch[] {
    const match = this.#fields.encode(values);
    if (match.length > 0 || this.#fields.count > 0) return match;
    throw invalid(`${this.#where} has no match fields, so it has only the default entry`);
  }

  #priority(priority: number | undefined): number {
    if (!this.#needsPriority) {
      if (priority === undefined) return 0;
      throw invalid(`${this.#where} has no ternary, range or optional field: an entry takes no priority`, {
        priority,
      });
    }
    if (priority === undefined) {
      throw invalid(
        `${this.#where} has ternary, range or optional fields: an entry needs a priority of at least 1`,
      );
    }
    return int32(priority, 1, `${this.#where}: priority`);
  }

  #tableAction(action: Action | TableAction): TableAction {
    if (typeof action !== 'object' || action === null || !('actionId' in action || 'type' in action)) {
      throw invalid(`${this.#where}: an entry needs an action, made by the table's own builders`);
    }
    if ('actionId' in action) {
      if (this.#indirect) {
        throw invalid(
          `${this.#where} has an action profile: an entry takes member(id), group(id) or actionSet([..])`,
        );
      }
      this.#actionSet.check(action, 'entry');
      return { type: { $case: 'action', value: action } };
    }
    this.#requireProfile();
    return action;
  }

  #decodeAction(action: TableAction) {
    const type = action.type;
    switch (type?.$case) {
      case 'action':
        return this.#actionSet.decode(type.value);
      case 'actionProfileMemberId':
        return { kind: 'member' as const, member: type.value };
      case 'actionProfileGroupId':
        return { kind: 'group' as const, group: type.value };
      case 'actionProfileActionSet':
        return {
          kind: 'actionSet' as const,
          actionSet: type.value.actionProfileActions.map(({ action: member, weight, watchKind }) => ({
            action: this.#actionSet.decode(member ?? { actionId: 0, params: [] }),
            weight,
            ...watchedPort(watchKind),
          })),
        };
      case undefined:
        throw malformed(`${this.#where}: the entry's action is empty`);
      default: {
        const never: never = type;
        return never;
      }
    }
  }

  #requireId(entry: TableEntry): void {
    if (entry.tableId !== this.id) {
      throw invalid(`${this.#where} has id ${this.id}, but the entry is of table ${entry.tableId}`, {});
    }
  }

  #requireProfile(): void {
    if (!this.#indirect) throw invalid(`${this.#where} has no action profile: an entry takes an action`);
  }

  #timeout(nanoseconds: bigint | number): bigint {
    if (!this.#descriptor.supportsIdleTimeout) throw invalid(`${this.#where} does not support idle timeouts`);
    const value =
      typeof nanoseconds === 'bigint' || Number.isInteger(nanoseconds) ? BigInt(nanoseconds) : -1n;
    if (value >= 0n && value < 1n << 63n) return value;
    throw invalid(`${this.#where}: idle timeout ${nanoseconds} ns is not within 0..2^63-1`, { nanoseconds });
  }
}
