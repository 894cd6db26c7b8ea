import { MultiMap } from '@infra-offload/base';
import type { ActionScope } from '../descriptor.js';
import { type ActionProfile, type P4Info, type Table, Table_IdleTimeoutBehavior } from '../proto.js';
import {
  actionScope,
  checkUniqueFields,
  checkUniqueObjects,
  counterUnit,
  fieldOf,
  matchFieldOf,
  meterType,
  meterUnit,
  objectOf,
  ownerOf,
  sizeOf,
  type Warn,
} from './convert.js';
import { TypeResolver } from './data-type.js';
import { NameIndex } from './name-index.js';
import {
  P4Action,
  type P4ActionProfile,
  type P4ActionRef,
  type P4Counter,
  type P4Digest,
  type P4DirectCounter,
  type P4DirectMeter,
  type P4ExternInstance,
  type P4Meter,
  type P4Object,
  type P4PacketMetadata,
  type P4Register,
  P4Table,
  type P4ValueSet,
} from './objects.js';

export interface ProgramParts {
  readonly tables: readonly P4Table[];
  readonly actions: readonly P4Action[];
  readonly actionProfiles: readonly P4ActionProfile[];
  readonly counters: readonly P4Counter[];
  readonly directCounters: readonly P4DirectCounter[];
  readonly meters: readonly P4Meter[];
  readonly directMeters: readonly P4DirectMeter[];
  readonly registers: readonly P4Register[];
  readonly digests: readonly P4Digest[];
  readonly valueSets: readonly P4ValueSet[];
  readonly packetMetadata: readonly P4PacketMetadata[];
  readonly externs: readonly P4ExternInstance[];
}

/**
 * Makes the model. What would put wrong ids on the wire is an error (an id given twice); what only leaves something
 * unknown is a warning.
 */
export function buildProgram(p4info: P4Info, warn: Warn): ProgramParts {
  return new Builder(p4info, warn).build();
}

/** Objects that refer to each other are linked after all are made, and then no more. */
type Draft<T> = { -readonly [K in keyof T]: T[K] };
interface ProfileDraft extends P4ActionProfile {
  readonly tables: P4Table[];
  readonly actions: P4ActionRef[];
}

class Builder {
  readonly #p4info: P4Info;
  readonly #warn: Warn;
  readonly #types: TypeResolver;
  readonly #actions: ReadonlyMap<number, P4Action>;
  readonly #profiles: ReadonlyMap<number, ProfileDraft>;
  readonly #directCounters: ReadonlyMap<number, Draft<P4DirectCounter>>;
  readonly #directMeters: ReadonlyMap<number, Draft<P4DirectMeter>>;
  readonly #others: ReadonlySet<number>;

  constructor(p4info: P4Info, warn: Warn) {
    this.#p4info = p4info;
    this.#warn = warn;
    this.#types = new TypeResolver(p4info.typeInfo);
    this.#actions = this.#byId('action', 'actions', this.#makeActions());
    this.#profiles = this.#byId(
      'action profile',
      'action_profiles',
      p4info.actionProfiles.map((profile, i) => profileDraft(profile, i, warn)),
    );
    this.#directCounters = this.#byId(
      'direct counter',
      'direct_counters',
      p4info.directCounters.map((counter, i) => ({
        ...objectOf(counter.preamble, 'direct counter', `direct_counters[${i}]`),
        unit: counterUnit(counter.spec?.unit),
        table: undefined,
      })),
    );
    this.#directMeters = this.#byId(
      'direct meter',
      'direct_meters',
      p4info.directMeters.map((meter, i) => ({
        ...objectOf(meter.preamble, 'direct meter', `direct_meters[${i}]`),
        unit: meterUnit(meter.spec?.unit),
        type: meterType(meter.spec?.type),
        table: undefined,
      })),
    );
    this.#others = new Set(
      p4info.externs.flatMap(({ instances }) => instances.map((e) => e.preamble?.id ?? 0)),
    );
  }

  build(): ProgramParts {
    const tables = this.#p4info.tables.map((table, i) => this.#makeTable(table, i));
    const byId = this.#byId('table', 'tables', tables);
    this.#linkTables(byId);
    const parts: ProgramParts = {
      tables,
      actions: [...this.#actions.values()],
      actionProfiles: [...this.#profiles.values()],
      directCounters: [...this.#directCounters.values()],
      directMeters: [...this.#directMeters.values()],
      ...this.#makeIndirect(),
    };
    this.#checkIds(parts);
    return parts;
  }

  #makeActions(): P4Action[] {
    return this.#p4info.actions.map((action, i) => {
      const path = `actions[${i}]`;
      const object = objectOf(action.preamble, 'action', path);
      const owner = ownerOf(object, 'action', path);
      const params = action.params.map((param) => fieldOf(param, this.#types, 'parameter', owner));
      checkUniqueFields(params, 'parameter', owner, this.#warn);
      return new P4Action(object, params, new NameIndex(params, 'parameter', owner.text));
    });
  }

  #makeTable(table: Table, i: number): P4Table {
    const path = `tables[${i}]`;
    const object = objectOf(table.preamble, 'table', path);
    const owner = ownerOf(object, 'table', path);
    const matchFields = table.matchFields.map((field) => matchFieldOf(field, this.#types, owner, this.#warn));
    checkUniqueFields(matchFields, 'match field', owner, this.#warn);
    const refs = new Map<P4Action, P4ActionRef>();
    for (const ref of table.actionRefs) {
      const action = this.#actions.get(ref.id);
      if (action === undefined) {
        // p4c leaves `@hidden` actions out of P4Info, but not out of the tables that have them (for const entries).
        this.#missing(object, 'action', ref.id);
        continue;
      }
      const scope = actionScope(ref.scope);
      const other = refs.get(action);
      refs.set(action, { action, scope: other === undefined ? scope : mergedScope(scope, other.scope) });
    }
    const actions = [...refs.values()];
    const resources = new Set(table.directResourceIds);
    const direct = <T extends { readonly id: number }>(all: ReadonlyMap<number, T>) =>
      [...resources].map((id) => all.get(id)).find((resource) => resource !== undefined);
    for (const id of resources) {
      if (!this.#directCounters.has(id) && !this.#directMeters.has(id) && !this.#others.has(id)) {
        this.#missing(object, 'direct resource', id);
      }
    }
    const optional = <T>(
      all: ReadonlyMap<number, T>,
      what: string,
      id: number | undefined,
    ): T | undefined => {
      if (!id) return undefined;
      const found = all.get(id);
      if (found === undefined) this.#missing(object, what, id);
      return found;
    };
    const parts = {
      size: sizeOf(table.size, object, 'table', this.#warn),
      matchFields,
      actions,
      constDefaultAction: optional(this.#actions, 'const default action', table.constDefaultActionId),
      initialDefaultAction: optional(this.#actions, 'default action', table.initialDefaultAction?.actionId),
      actionProfile: optional(this.#profiles, 'implementation', table.implementationId),
      directCounter: direct(this.#directCounters),
      directMeter: direct(this.#directMeters),
      supportsIdleTimeout: table.idleTimeoutBehavior === Table_IdleTimeoutBehavior.NOTIFY_CONTROL,
      isConst: table.isConstTable,
      hasInitialEntries: table.hasInitialEntries,
    };
    const actionIndex = new NameIndex(
      actions.map((ref) => ({ id: ref.action.id, name: ref.action.name, alias: ref.action.alias, ref })),
      'action',
      owner.text,
    );
    return new P4Table(object, parts, new NameIndex(matchFields, 'match field', owner.text), actionIndex);
  }

  #linkTables(tables: ReadonlyMap<number, P4Table>): void {
    const actions = new MultiMap<ProfileDraft, P4Action>();
    for (const table of tables.values()) {
      const profile = table.actionProfile && this.#profiles.get(table.actionProfile.id);
      if (profile === undefined) continue;
      profile.tables.push(table);
      for (const ref of table.actions) {
        if (ref.scope === 'default' || ref.scope === 'group' || actions.get(profile).has(ref.action))
          continue;
        actions.add(profile, ref.action);
        profile.actions.push(ref);
      }
    }
    const link = (resource: Draft<P4DirectCounter> | Draft<P4DirectMeter>, tableId: number) => {
      resource.table = tables.get(tableId);
      if (resource.table === undefined) this.#missing(resource, 'table', tableId);
    };
    for (const { preamble, directTableId } of this.#p4info.directCounters) {
      const counter = this.#directCounters.get(preamble?.id ?? 0);
      if (counter !== undefined) link(counter, directTableId);
    }
    for (const { preamble, directTableId } of this.#p4info.directMeters) {
      const meter = this.#directMeters.get(preamble?.id ?? 0);
      if (meter !== undefined) link(meter, directTableId);
    }
    for (const { preamble, tableIds } of this.#p4info.actionProfiles) {
      const profile = this.#profiles.get(preamble?.id ?? 0);
      for (const id of tableIds)
        if (profile !== undefined && !tables.has(id)) this.#missing(profile, 'table', id);
    }
  }

  #makeIndirect() {
    const { counters, meters, registers, digests, valueSets, controllerPacketMetadata, externs } =
      this.#p4info;
    const warn = this.#warn;
    return {
      counters: counters.map((counter, i) => {
        const object = objectOf(counter.preamble, 'counter', `counters[${i}]`);
        return {
          ...object,
          size: sizeOf(counter.size, object, 'counter', warn),
          unit: counterUnit(counter.spec?.unit),
          ...indexType(counter.indexTypeName?.name),
        };
      }),
      meters: meters.map((meter, i) => {
        const object = objectOf(meter.preamble, 'meter', `meters[${i}]`);
        return {
          ...object,
          size: sizeOf(meter.size, object, 'meter', warn),
          unit: meterUnit(meter.spec?.unit),
          type: meterType(meter.spec?.type),
          ...indexType(meter.indexTypeName?.name),
        };
      }),
      registers: registers.map((register, i) => {
        const object = objectOf(register.preamble, 'register', `registers[${i}]`);
        return {
          ...object,
          size: sizeOf(register.size, object, 'register', warn),
          dataType: this.#types.resolve(register.typeSpec),
          ...indexType(register.indexTypeName?.name),
        };
      }),
      digests: digests.map((digest, i) => ({
        ...objectOf(digest.preamble, 'digest', `digests[${i}]`),
        dataType: this.#types.resolve(digest.typeSpec),
      })),
      valueSets: valueSets.map((valueSet, i) => {
        const path = `value_sets[${i}]`;
        const object = objectOf(valueSet.preamble, 'value set', path);
        const owner = ownerOf(object, 'value set', path);
        const matchFields = valueSet.match.map((field) => matchFieldOf(field, this.#types, owner, warn));
        checkUniqueFields(matchFields, 'match field', owner, warn);
        return { ...object, size: sizeOf(valueSet.size, object, 'value set', warn), matchFields };
      }),
      packetMetadata: controllerPacketMetadata.map((header, i) => {
        const path = `controller_packet_metadata[${i}]`;
        const object = objectOf(header.preamble, 'packet metadata header', path);
        const owner = ownerOf(object, 'packet metadata header', path);
        const fields = header.metadata.map((field) => fieldOf(field, this.#types, 'field', owner));
        checkUniqueFields(fields, 'field', owner, warn);
        return { ...object, fields };
      }),
      externs: externs.flatMap((extern, i) =>
        extern.instances.map((instance, j) => ({
          ...objectOf(instance.preamble, 'extern instance', `externs[${i}].instances[${j}]`),
          typeId: extern.externTypeId,
          typeName: extern.externTypeName,
          info: instance.info,
        })),
      ),
    };
  }

  #byId<T extends P4Object>(kind: string, field: string, items: readonly T[]): Map<number, T> {
    checkUniqueObjects(items, kind, field, this.#warn);
    return new Map(items.map((item) => [item.id, item]));
  }

  #missing(object: P4Object, what: string, id: number): void {
    this.#warn({ message: `'${object.name}' names ${what} ${id}, which is not in this P4Info` });
  }

  /** Ids are unique in the whole program; objects of different kinds are told apart here all the same. */
  #checkIds(parts: ProgramParts): void {
    const { counters, meters, registers, digests, valueSets, packetMetadata } = parts;
    checkUniqueObjects(counters, 'counter', 'counters', this.#warn);
    checkUniqueObjects(meters, 'meter', 'meters', this.#warn);
    checkUniqueObjects(registers, 'register', 'registers', this.#warn);
    checkUniqueObjects(digests, 'digest', 'digests', this.#warn);
    checkUniqueObjects(valueSets, 'value set', 'value_sets', this.#warn);
    checkUniqueObjects(packetMetadata, 'packet metadata header', 'controller_packet_metadata', this.#warn);
    const seen = new Map<number, P4Object>();
    for (const item of Object.values<readonly P4Object[]>({ ...parts }).flat()) {
      const other = seen.get(item.id);
      if (other !== undefined)
        this.#warn({ message: `'${other.name}' and '${item.name}' have the same id ${item.id}` });
      seen.set(item.id, item);
    }
  }
}

/** Of an action that a table names twice. */
function mergedScope(a: ActionScope, b: ActionScope): ActionScope {
  if (a === b || b === 'group') return a;
  return a === 'group' ? b : 'both';
}

function profileDraft(profile: ActionProfile, i: number, warn: Warn): ProfileDraft {
  const object = objectOf(profile.preamble, 'action profile', `action_profiles[${i}]`);
  const semantics = profile.selectorSizeSemantics;
  return {
    ...object,
    size: sizeOf(profile.size, object, 'action profile', warn),
    withSelector: profile.withSelector,
    maxGroupSize: profile.maxGroupSize,
    selectorSize:
      semantics?.$case === 'sumOfMembers'
        ? { counts: 'members', maxMemberWeight: semantics.value.maxMemberWeight }
        : { counts: 'weights' },
    weightsDisallowed: profile.weightsDisallowed,
    tables: [],
    actions: [],
  };
}

function indexType(name: string | undefined): { readonly indexTypeName?: string } {
  return name === undefined ? {} : { indexTypeName: name };
}
