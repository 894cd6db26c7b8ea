import {
  type Action,
  type Action_Param,
  type MatchField,
  MatchField_MatchType,
  type P4Info,
  type Preamble,
} from '@infra-offload/p4info/proto';
import type { ActionSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { ActionScope, BoundAction, BoundField, BoundValue, MatchKind } from './bound.js';

/** An action of P4Info, by itself. */
export interface ActionShape {
  readonly id: number;
  readonly name: string;
  /** Names it may have in the program, the likeliest first. */
  readonly targets: readonly string[];
  readonly params: readonly Action_Param[];
}

type Unique = (preamble: Preamble | undefined, kind: string) => Preamble;

export function readActions(actions: readonly Action[], unique: Unique): Map<number, ActionShape> {
  return new Map(
    actions.map((action) => {
      const { id, name, alias } = unique(action.preamble, 'action');
      const targets = [
        alias,
        name,
        alias.replaceAll('.', '_'),
        name.replaceAll('.', '_'),
        name.split('.').at(-1) ?? name,
      ];
      return [id, { id, name: alias || name, targets, params: action.params }];
    }),
  );
}

/**
 * The actions of a table, or of a member table, as the program names them. In an indirect table the program has other
 * actions than P4Info; those that it does not have are left out there.
 */
export function bindActions(
  owner: string,
  refs: readonly { readonly id: number; readonly scope: ActionScope }[],
  actions: ReadonlyMap<number, ActionShape>,
  schema: TableSchema,
  indirect: boolean,
): Map<number, BoundAction> {
  const free = new Map(schema.actions);
  const bound = new Map<number, BoundAction>();
  const left: { shape: ActionShape; scope: ActionScope }[] = [];
  for (const { id, scope } of refs) {
    const shape = actions.get(id) ?? fail('INVALID_ARGUMENT', `${owner}: P4Info has no action ${id}`);
    const target = shape.targets.map((name) => free.get(name)).find((action) => action !== undefined);
    if (target === undefined) left.push({ shape, scope });
    else {
      free.delete(target.name);
      bound.set(id, bindAction(owner, shape, scope, target));
    }
  }
  if (indirect) return bound;
  // p4c renames actions that it had to copy (`count` becomes `count_1`), but keeps their order.
  const spare = [...free.values()];
  for (const [i, { shape, scope }] of left.entries()) {
    const target = spare.length === left.length ? spare[i] : undefined;
    if (target === undefined) {
      fail(
        'INVALID_ARGUMENT',
        `${owner}: the program has no action '${shape.name}' there; it has ${[...schema.actions.keys()].join(', ')}`,
      );
    }
    bound.set(shape.id, bindAction(owner, shape, scope, target));
  }
  return bound;
}

function bindAction(
  owner: string,
  shape: ActionShape,
  scope: ActionScope,
  target: ActionSchema,
): BoundAction {
  const what = `${owner}, action ${shape.name}`;
  if (shape.params.length !== target.params.length) {
    fail(
      'INVALID_ARGUMENT',
      `${what}: P4Info has ${shape.params.length} parameters, the program ${target.params.length}`,
    );
  }
  const params = shape.params.map((param, i): BoundValue => {
    const width = target.params[i]?.width ?? 0;
    return bindValue(`${what}, parameter ${param.name}`, param.id, param.name, param.bitwidth, width);
  });
  rejectDuplicates(what, params);
  return { id: shape.id, name: shape.name, target: target.name, scope, params };
}

/** The match fields of a table, in the order of the program's key. */
export function bindFields(
  p4info: P4Info,
  table: string,
  fields: readonly MatchField[],
  schema: TableSchema,
): BoundField[] {
  if (fields.length !== schema.key.length) {
    fail(
      'INVALID_ARGUMENT',
      `table ${table}: P4Info has ${fields.length} match fields, the program ${schema.key.length}`,
    );
  }
  const bound = fields.map((field, i): BoundField => {
    const what = `table ${table}, match field ${field.name}`;
    const target = schema.key[i] ?? fail('INTERNAL', what);
    const kind = matchKind(what, field);
    const fits =
      target.match === 'wildcard' || kind === 'exact' || (kind === 'lpm' && target.match === 'lpm');
    if (!fits)
      fail('INVALID_ARGUMENT', `${what}: P4Info says ${kind}, the program ${target.match} (${target.name})`);
    const named = field.typeName === undefined ? undefined : p4info.typeInfo?.newTypes[field.typeName.name];
    if (
      named?.representation?.$case === 'translatedType' &&
      named.representation.value.sdnType?.$case === 'sdnString'
    ) {
      fail(
        'INVALID_ARGUMENT',
        `${what}: values that are strings (${field.typeName?.name}) are not supported`,
      );
    }
    return { ...bindValue(what, field.id, field.name, field.bitwidth, target.width), kind };
  });
  rejectDuplicates(`table ${table}`, bound);
  return bound;
}

function matchKind(what: string, field: MatchField): MatchKind {
  const type = field.match?.$case === 'matchType' ? field.match.value : undefined;
  switch (type) {
    case MatchField_MatchType.EXACT:
      return 'exact';
    case MatchField_MatchType.LPM:
      return 'lpm';
    case MatchField_MatchType.TERNARY:
      return 'ternary';
    case MatchField_MatchType.OPTIONAL:
      return 'optional';
    case MatchField_MatchType.RANGE:
      return fail('INVALID_ARGUMENT', `${what}: SWX pipelines cannot match ranges`);
    default:
      return fail('INVALID_ARGUMENT', `${what}: unknown match type`);
  }
}

function bindValue(what: string, id: number, name: string, width: number, targetWidth: number): BoundValue {
  if (width < 1) fail('INVALID_ARGUMENT', `${what}: P4Info gives no width`);
  // A translated type may be wider for the controller than in the program: values are checked against the smaller one.
  return { id, name, width: Math.min(width, targetWidth), targetWidth, wide: targetWidth > 32 };
}

function rejectDuplicates(what: string, values: readonly BoundValue[]): void {
  const ids = new Set(values.map((value) => value.id));
  if (ids.size !== values.length || ids.has(0))
    fail('INVALID_ARGUMENT', `${what}: P4Info uses an id twice, or 0`);
}
