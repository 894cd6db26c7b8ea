import { descriptorOf, entityEquals, entityKey, type ProgramLike, typedProgram } from '@infra-offload/p4rt';
import type { Entity, TableEntry } from '@infra-offload/p4rt/proto';
import type { RowModel } from '@infra-offload/reconciler';
import { invalid } from './errors.js';

/** An entity of a switch, as the planner sees it. */
export interface Row {
  readonly key: string;
  readonly entity: Entity;
  /** Keys of the members and groups that it names. */
  readonly requires: readonly string[];
  /** 0 for members, 1 for groups, 2 for entries. */
  readonly phase: number;
}

export const rowModel: RowModel<Row> = {
  phases: 3,
  key: ({ key }) => key,
  // All tables are read and compared as one.
  table: () => '',
  phase: ({ phase }) => phase,
  equal: (a, b) => entityEquals(a.entity, b.entity),
  requires: ({ requires }) => requires,
  // What is to change, changes before what names it is written.
  usable: () => false,
  without: () => undefined,
  // The session divides what is too large for one Write.
  bytes: () => 0,
};

/** Which entities of a switch are kept, and how they depend on each other. */
export class Contents {
  /** Profile of each table that is kept; undefined if it has none. */
  readonly #profileOf = new Map<number, number | undefined>();
  readonly #profiles = new Set<number>();
  readonly #wildcards: Entity[] = [];

  /** @throws ControllerError INVALID for a table that the program does not have, or that is const */
  constructor(program: ProgramLike, names: readonly string[] | undefined) {
    const { descriptor, tables, actionProfiles } = typedProgram(descriptorOf(program));
    const kept = names ?? Object.keys(descriptor.tables).filter((name) => !descriptor.tables[name]?.isConst);
    for (const name of kept) {
      const table = descriptor.tables[name];
      if (table === undefined) throw invalid(`there is no table '${name}' in program '${descriptor.name}'`);
      if (table.isConst) throw invalid(`table '${name}' is const: the program fixes its entries`);
      const profile =
        table.actionProfile === undefined ? undefined : descriptor.actionProfiles[table.actionProfile];
      this.#profileOf.set(table.id, profile?.id);
      // A table without keys has a default entry only.
      if (Object.keys(table.match).length > 0) this.#wildcards.push(...wildcards(tables[name]?.all()));
      if (profile === undefined || this.#profiles.has(profile.id)) continue;
      this.#profiles.add(profile.id);
      const typed = actionProfiles[table.actionProfile ?? ''];
      this.#wildcards.push(...wildcards(typed?.members()));
      if (profile.withSelector) this.#wildcards.push(...wildcards(typed?.groups()));
    }
  }

  /** What to read: everything that is kept, but of default entries only those that are wanted. */
  reads(wanted: readonly Row[]): Entity[] {
    const defaults = wanted.flatMap(({ entity }) => {
      const entry = entity.entity;
      if (entry?.$case !== 'tableEntry' || !entry.value.isDefaultAction) return [];
      return [withEntry({ ...entry.value, action: undefined })];
    });
    return [...this.#wildcards, ...defaults];
  }

  /** The row of an entity that was read; undefined if the program fixes it. */
  found(entity: Entity): Row | undefined {
    if (entity.entity?.$case === 'tableEntry' && entity.entity.value.isConst) return undefined;
    return this.#row(entity);
  }

  /** @throws ControllerError INVALID for what cannot be kept, comes twice, or names a member or group that is not there */
  wanted(entities: readonly Entity[], describe: (entity: Entity) => string): Row[] {
    const rows = new Map<string, Row>();
    for (const entity of entities) {
      const row = this.#row(entity);
      if (row === undefined) {
        throw invalid(
          `${describe(entity)} cannot be kept: entries, members and groups of the tables that the controller keeps can; ` +
            'write others to the session of the switch',
        );
      }
      if (rows.has(row.key)) throw invalid(`${describe(entity)} is wanted twice`);
      rows.set(row.key, row);
    }
    for (const { requires, entity } of rows.values()) {
      const missing = requires.find((key) => !rows.has(key));
      if (missing !== undefined) throw invalid(`${describe(entity)} names ${missing}, which is not wanted`);
    }
    return [...rows.values()];
  }

  #row(entity: Entity): Row | undefined {
    const one = entity.entity;
    const key = entityKey(entity);
    switch (one?.$case) {
      case 'tableEntry': {
        const { tableId } = one.value;
        if (!this.#profileOf.has(tableId)) return undefined;
        const requires = this.#namedBy(one.value, this.#profileOf.get(tableId));
        return { key, entity, phase: 2, requires };
      }
      case 'actionProfileGroup': {
        const { actionProfileId, members } = one.value;
        if (!this.#profiles.has(actionProfileId)) return undefined;
        const requires = members.map(({ memberId }) => memberKey(actionProfileId, memberId));
        return { key, entity, phase: 1, requires };
      }
      case 'actionProfileMember':
        return this.#profiles.has(one.value.actionProfileId)
          ? { key, entity, phase: 0, requires: [] }
          : undefined;
      default:
        return undefined;
    }
  }

  #namedBy({ action }: TableEntry, profile: number | undefined): readonly string[] {
    if (profile === undefined) return [];
    if (action?.type?.$case === 'actionProfileMemberId') return [memberKey(profile, action.type.value)];
    if (action?.type?.$case === 'actionProfileGroupId') return [groupKey(profile, action.type.value)];
    return [];
  }
}

function wildcards(entity: Entity | undefined): Entity[] {
  return entity === undefined ? [] : [entity];
}

function withEntry(value: TableEntry): Entity {
  return { entity: { $case: 'tableEntry', value } };
}

function memberKey(actionProfileId: number, memberId: number): string {
  const value = { actionProfileId, memberId, action: undefined };
  return entityKey({ entity: { $case: 'actionProfileMember', value } });
}

function groupKey(actionProfileId: number, groupId: number): string {
  const value = { actionProfileId, groupId, members: [], maxSize: 0 };
  return entityKey({ entity: { $case: 'actionProfileGroup', value } });
}
