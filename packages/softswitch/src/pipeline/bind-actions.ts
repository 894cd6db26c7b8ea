import type { P4Action, P4ActionRef, P4Field, P4MatchField, P4Table } from '@infra-offload/p4info';
import type { ActionSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundAction, BoundField, BoundValue, MatchableField } from './bound.js';

/**
 * The actions of a table, or of a member table, as the program names them. In an indirect table the program has other
 * actions than P4Info; those that it does not have are left out there.
 */
export function bindActions(
  owner: string,
  refs: readonly P4ActionRef[],
  schema: TableSchema,
  indirect: boolean,
): Map<number, BoundAction> {
  const free = new Map(schema.actions);
  const bound = new Map<number, BoundAction>();
  const left: P4ActionRef[] = [];
  for (const ref of refs) {
    const target = likelyTargets(ref.action)
      .map((name) => free.get(name))
      .find((action) => action !== undefined);
    if (target === undefined) left.push(ref);
    else {
      free.delete(target.name);
      bound.set(ref.action.id, bindAction(owner, ref, target));
    }
  }
  if (indirect) return bound;
  // p4c renames actions that it had to copy (`count` becomes `count_1`), but keeps their order.
  const spare = [...free.values()];
  for (const [i, ref] of left.entries()) {
    const target = spare.length === left.length ? spare[i] : undefined;
    if (target === undefined) {
      fail(
        'INVALID_ARGUMENT',
        `${owner}: the program has no action '${ref.action.alias}' there; it has ${[...schema.actions.keys()].join(', ')}`,
      );
    }
    bound.set(ref.action.id, bindAction(owner, ref, target));
  }
  return bound;
}

/** Names that an action may have in the program, the likeliest first. */
function likelyTargets({ name, alias }: P4Action): readonly string[] {
  return [alias, name, alias.replaceAll('.', '_'), name.replaceAll('.', '_'), name.split('.').at(-1) ?? name];
}

function bindAction(owner: string, { action, scope }: P4ActionRef, target: ActionSchema): BoundAction {
  const what = `${owner}, action ${action.alias}`;
  if (action.params.length !== target.params.length) {
    fail(
      'INVALID_ARGUMENT',
      `${what}: P4Info has ${action.params.length} parameters, the program ${target.params.length}`,
    );
  }
  const params = action.params.map((param, i) =>
    bindValue(`${what}, parameter ${param.name}`, param, target.params[i]?.width ?? 0),
  );
  return { p4: action, scope, target: target.name, params };
}

/** The match fields of a table, in the order of the program's key. */
export function bindFields({ alias, matchFields }: P4Table, schema: TableSchema): BoundField[] {
  if (matchFields.length !== schema.key.length) {
    fail(
      'INVALID_ARGUMENT',
      `table ${alias}: P4Info has ${matchFields.length} match fields, the program ${schema.key.length}`,
    );
  }
  return matchFields.map((field, i): BoundField => {
    const what = `table ${alias}, match field ${field.name}`;
    const target = schema.key[i] ?? fail('INTERNAL', what);
    if (!isMatchable(field)) {
      const reason = field.kind === 'range' ? 'SWX pipelines cannot match ranges' : 'unknown match type';
      return fail('INVALID_ARGUMENT', `${what}: ${reason}`);
    }
    const { kind } = field;
    const fits =
      target.match === 'wildcard' || kind === 'exact' || (kind === 'lpm' && target.match === 'lpm');
    if (!fits)
      fail('INVALID_ARGUMENT', `${what}: P4Info says ${kind}, the program ${target.match} (${target.name})`);
    return bindValue(what, field, target.width);
  });
}

function isMatchable(field: P4MatchField): field is MatchableField {
  return field.kind !== 'range' && field.kind !== 'other';
}

function bindValue<Field extends P4Field>(
  what: string,
  field: Field,
  targetWidth: number,
): BoundValue<Field> {
  if (field.isString) {
    fail('INVALID_ARGUMENT', `${what}: values that are strings (${field.typeName}) are not supported`);
  }
  if (field.bitwidth < 1) fail('INVALID_ARGUMENT', `${what}: P4Info gives no width`);
  return {
    p4: field,
    width: Math.min(field.bitwidth, targetWidth),
    targetWidth,
    wide: targetWidth > 32,
  };
}
