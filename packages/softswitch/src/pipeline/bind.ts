import {
  ActionRef_Scope,
  type P4Info,
  type Preamble,
  type Table,
  Table_IdleTimeoutBehavior,
} from '@infra-offload/p4info/proto';
import type { PipelineSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import { type ActionShape, bindActions, bindFields, readActions } from './bind-actions.js';
import { bindCounter, bindProfile, bindRegister } from './bind-externs.js';
import { type BindInput, findTable } from './bind-input.js';
import type { BoundCounter, BoundProfile, BoundProgram, BoundTable } from './bound.js';
import type { TargetContext } from './context.js';

/**
 * Ties a P4Info to the SWX program that p4c made with it, through context.json and the program itself. Nothing is
 * taken on trust: key widths, actions, parameters and sizes have to agree. INVALID_ARGUMENT names what does not.
 */
export function bindProgram(p4info: P4Info, context: TargetContext, schema: PipelineSchema): BoundProgram {
  const metered = new Set(p4info.directMeters.map(({ directTableId }) => directTableId));
  const input: BindInput = { p4info, context, schema, metered, warnings: [] };
  const ids = new Set<number>();
  const unique = (preamble: Preamble | undefined, kind: string): Preamble => {
    if (preamble === undefined || preamble.id === 0)
      fail('INVALID_ARGUMENT', `P4Info has a ${kind} without an id`);
    if (ids.has(preamble.id))
      fail('INVALID_ARGUMENT', `P4Info uses the id ${preamble.id} twice (${preamble.name})`);
    ids.add(preamble.id);
    return preamble;
  };

  const actions = readActions(p4info.actions, unique);
  const profiles = new Map<number, BoundProfile>();
  const owners = new Map(p4info.tables.toReversed().map((table) => [table.implementationId, table]));
  for (const profile of p4info.actionProfiles) {
    const preamble = unique(profile.preamble, 'action profile');
    const owner = owners.get(preamble.id);
    if (owner === undefined) {
      input.warnings.push(`action profile ${preamble.name} belongs to no table`);
      continue;
    }
    profiles.set(preamble.id, bindProfile(input, profile, preamble, owner, actions));
  }

  const counters = new Map<number, BoundCounter>();
  for (const counter of p4info.counters) {
    const preamble = unique(counter.preamble, 'counter');
    counters.set(preamble.id, bindCounter(input, preamble, counter.spec?.unit, Number(counter.size)));
  }
  const directCounters = new Map<number, BoundCounter>();
  for (const counter of p4info.directCounters) {
    const preamble = unique(counter.preamble, 'direct counter');
    directCounters.set(
      preamble.id,
      bindCounter(input, preamble, counter.spec?.unit, Number.POSITIVE_INFINITY),
    );
  }

  const tables = new Map<number, BoundTable>();
  const counted = new Map<number, BoundTable>();
  for (const table of p4info.tables) {
    const preamble = unique(table.preamble, 'table');
    const bound = bindTable(input, table, preamble, actions, profiles, directCounters);
    tables.set(preamble.id, bound);
    if (bound.directCounter !== undefined) counted.set(bound.directCounter.id, bound);
  }

  return {
    p4info,
    tables,
    profiles,
    counters,
    directCounters: counted,
    registers: new Map(
      p4info.registers.map((register) => {
        const preamble = unique(register.preamble, 'register');
        return [preamble.id, bindRegister(input, preamble, register)];
      }),
    ),
    meterIds: new Set(
      [...p4info.meters, ...p4info.directMeters].map((meter) => unique(meter.preamble, 'meter').id),
    ),
    digestIds: new Set(p4info.digests.map((digest) => unique(digest.preamble, 'digest').id)),
    hasPacketIo: p4info.controllerPacketMetadata.length > 0,
    warnings: input.warnings,
  };
}

function bindTable(
  input: BindInput,
  table: Table,
  preamble: Preamble,
  actions: ReadonlyMap<number, ActionShape>,
  profiles: ReadonlyMap<number, BoundProfile>,
  directCounters: ReadonlyMap<number, BoundCounter>,
): BoundTable {
  const name = preamble.alias || preamble.name;
  const schema = findTable(input, preamble);
  const fields = bindFields(input.p4info, name, table.matchFields, schema);
  const profile = table.implementationId === 0 ? undefined : profiles.get(table.implementationId);
  if (table.implementationId !== 0 && profile === undefined) {
    fail('INVALID_ARGUMENT', `table ${name}: P4Info has no action profile ${table.implementationId}`);
  }
  const scoped = table.actionRefs.map((ref) => ({ id: ref.id, scope: scopeOf(ref.scope) }));
  const bound = bindActions(`table ${name}`, scoped, actions, schema, profile !== undefined);
  const byTarget = new Map([...bound.values()].map((action) => [action.target, action]));
  const initial = byTarget.get(schema.defaultAction.action);
  return {
    id: preamble.id,
    name,
    target: schema.name,
    kind: schema.kind,
    fields,
    fieldIndex: new Map(fields.map((field, i) => [field.id, i])),
    needsPriority: fields.some((field) => field.kind === 'ternary' || field.kind === 'optional'),
    exact: schema.key.every((field) => field.match === 'exact'),
    actions: bound,
    size: schema.size,
    isConst: table.isConstTable,
    constDefault: table.constDefaultActionId !== 0 || schema.defaultAction.isConst || profile !== undefined,
    defaultAction: initial === undefined ? undefined : { action: initial, args: schema.defaultAction.args },
    supportsIdleTimeout: table.idleTimeoutBehavior === Table_IdleTimeoutBehavior.NOTIFY_CONTROL,
    hasDirectMeter: input.metered.has(preamble.id),
    directCounter: table.directResourceIds
      .map((id) => directCounters.get(id))
      .find((counter) => counter !== undefined),
    indirect: profile === undefined ? undefined : { profile, ...groupActions(name, schema, profile) },
  };
}

/**
 * p4c gives an indirect table actions of its own in place of the program's: they set the member or the group. Older
 * compilers leave out the one for members where there are groups.
 */
function groupActions(
  name: string,
  schema: TableSchema,
  profile: BoundProfile,
): { setMember: string | undefined; setGroup: string | undefined } {
  const find = (suffix: string): string | undefined => {
    const found = [...schema.actions.values()].filter(
      (action) => action.name.endsWith(suffix) && action.params.length === 1,
    );
    if (found.length > 1)
      fail('INVALID_ARGUMENT', `table ${name}: the program has ${found.length} actions '…${suffix}'`);
    return found[0]?.name;
  };
  const actions = { setMember: find('_set_member_id'), setGroup: find('_set_group_id') };
  if (profile.selector === undefined ? actions.setMember === undefined : actions.setGroup === undefined) {
    const missing = profile.selector === undefined ? '_set_member_id' : '_set_group_id';
    fail('INVALID_ARGUMENT', `table ${name}: the program has no action '…${missing}' there`);
  }
  return actions;
}

function scopeOf(scope: ActionRef_Scope): 'both' | 'table' | 'default' {
  switch (scope) {
    case ActionRef_Scope.TABLE_ONLY:
      return 'table';
    case ActionRef_Scope.DEFAULT_ONLY:
      return 'default';
    default:
      return 'both';
  }
}
