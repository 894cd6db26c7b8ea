import type { P4Program, P4Table } from '@infra-offload/p4info';
import type { PipelineSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import { bindActions, bindFields } from './bind-actions.js';
import { bindCounter, bindMeter, bindProfile, bindRegister } from './bind-externs.js';
import { type BindInput, findTable } from './bind-input.js';
import type { BoundCounter, BoundProfile, BoundProgram, BoundTable } from './bound.js';
import type { TargetContext } from './context.js';

/**
 * Ties a P4 program to the SWX program that p4c made with it, through context.json and the program itself. Nothing is
 * taken on trust: key widths, actions, parameters and sizes have to agree. INVALID_ARGUMENT names what does not.
 */
export function bindProgram(p4: P4Program, context: TargetContext, schema: PipelineSchema): BoundProgram {
  checkReferences(p4);
  const input: BindInput = { context, schema, warnings: [] };
  const profiles = new Map<number, BoundProfile>();
  for (const profile of p4.actionProfiles) {
    const [owner] = profile.tables;
    if (owner === undefined) input.warnings.push(`action profile ${profile.name} belongs to no table`);
    else profiles.set(profile.id, bindProfile(input, profile, owner));
  }
  const counters = new Map(p4.counters.map((counter) => [counter.id, bindCounter(input, counter)]));
  const directCounters = new Map(
    p4.directCounters.map((counter) => [counter.id, bindCounter(input, counter)]),
  );
  return {
    p4,
    tables: new Map(p4.tables.map((table) => [table.id, bindTable(input, table, profiles, directCounters)])),
    profiles,
    counters,
    registers: new Map(p4.registers.map((register) => [register.id, bindRegister(input, register)])),
    meters: new Map(p4.meters.map((meter) => [meter.id, bindMeter(input, meter)])),
    warnings: input.warnings,
  };
}

/** Refuses what P4Program lets pass with a warning: who reads a program can do without it, who runs it cannot. */
function checkReferences(p4: P4Program): void {
  const profiles = new Set(p4.actionProfiles.map(({ id }) => id));
  for (const { preamble, actionRefs, implementationId } of p4.p4info.tables) {
    const what = `table ${preamble?.alias || preamble?.name}`;
    for (const { id } of actionRefs) {
      if (p4.findAction(id) === undefined) fail('INVALID_ARGUMENT', `${what}: P4Info has no action ${id}`);
    }
    if (implementationId !== 0 && !profiles.has(implementationId)) {
      fail('INVALID_ARGUMENT', `${what}: P4Info has no action profile ${implementationId}`);
    }
  }
  const ids = new Set<number>();
  const entities = [p4.tables, p4.actions, p4.actionProfiles, p4.counters, p4.directCounters, p4.registers];
  for (const { id, name } of [...entities, p4.meters, p4.directMeters, p4.digests].flat()) {
    if (ids.has(id)) fail('INVALID_ARGUMENT', `P4Info uses the id ${id} twice (${name})`);
    ids.add(id);
  }
}

function bindTable(
  input: BindInput,
  table: P4Table,
  profiles: ReadonlyMap<number, BoundProfile>,
  directCounters: ReadonlyMap<number, BoundCounter>,
): BoundTable {
  const schema = findTable(input, table);
  const fields = bindFields(table, schema);
  const profile = table.actionProfile && profiles.get(table.actionProfile.id);
  const actions = bindActions(`table ${table.alias}`, table.actions, schema, profile !== undefined);
  const initial = [...actions.values()].find(({ target }) => target === schema.defaultAction.action);
  return {
    p4: table,
    target: schema.name,
    kind: schema.kind,
    fields,
    fieldIndex: new Map(fields.map((field, i) => [field.p4.id, i])),
    exact: schema.key.every((field) => field.match === 'exact'),
    actions,
    size: schema.size,
    constDefault:
      table.constDefaultAction !== undefined || schema.defaultAction.isConst || profile !== undefined,
    defaultAction: initial === undefined ? undefined : { action: initial, args: schema.defaultAction.args },
    directCounter: table.directCounter && directCounters.get(table.directCounter.id),
    indirect: profile === undefined ? undefined : { profile, ...groupActions(table.alias, schema, profile) },
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
