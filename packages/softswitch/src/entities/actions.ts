import type { Action } from '@infra-offload/p4rt/proto';
import type { Value } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundAction } from '../pipeline/bound.js';
import { parseValue, refuseValue, writeValue } from './bytes.js';

/** A checked action with its arguments, in the order of the program. */
export interface ActionCall {
  readonly action: BoundAction;
  readonly args: readonly Value[];
}

/**
 * Checks an action ("Action Specification"): INVALID_ARGUMENT if `owner` does not have it or the parameters are not
 * exactly its own, PERMISSION_DENIED outside its scope, OUT_OF_RANGE for values too large.
 */
export function parseAction(
  owner: string,
  actions: ReadonlyMap<number, BoundAction>,
  action: Action,
  use: 'entry' | 'default',
): ActionCall {
  const bound = actions.get(action.actionId);
  if (bound === undefined) {
    const known = [...actions.values()].map(({ p4 }) => `${p4.id} ${p4.alias}`).join(', ');
    fail('INVALID_ARGUMENT', `${owner}: no action ${action.actionId}; it has ${known}`);
  }
  if (bound.scope === (use === 'entry' ? 'default' : 'table')) {
    const only = use === 'entry' ? 'the default action' : 'an entry';
    fail('PERMISSION_DENIED', `${owner}: action ${bound.p4.alias} may only be ${only}`);
  }
  const { params } = bound;
  const given = action.params;
  const args: Value[] = new Array(params.length);
  let filled = 0;
  for (let i = 0; i < given.length; i++) {
    const one = given[i];
    if (one === undefined) break;
    const at =
      params[i]?.p4.id === one.paramId ? i : params.findIndex((param) => param.p4.id === one.paramId);
    const param = params[at];
    if (param === undefined) {
      const known = params.map(({ p4 }) => `${p4.id} ${p4.name}`).join(', ') || 'none';
      fail(
        'INVALID_ARGUMENT',
        `${owner}, action ${bound.p4.alias}: no parameter ${one.paramId}; it has ${known}`,
      );
    }
    if (args[at] !== undefined)
      fail('INVALID_ARGUMENT', `${owner}, action ${bound.p4.alias}: ${param.p4.name} given twice`);
    const value =
      parseValue(one.value, param.width) ??
      refuseValue(one.value, param.width, `${owner}, action ${bound.p4.alias}, parameter ${param.p4.name}`);
    args[at] = param.wide && typeof value === 'number' ? BigInt(value) : value;
    filled++;
  }
  if (filled !== params.length) {
    const missing = params.filter((_, i) => args[i] === undefined).map((param) => param.p4.name);
    fail('INVALID_ARGUMENT', `${owner}, action ${bound.p4.alias}: parameters missing: ${missing.join(', ')}`);
  }
  return { action: bound, args };
}

export function formatAction({ action, args }: ActionCall): Action {
  return {
    actionId: action.p4.id,
    params: action.params.map((param, i) => ({ paramId: param.p4.id, value: writeValue(args[i] ?? 0) })),
  };
}

/** A text that is the same for the same action with the same arguments. */
export function actionText({ action, args }: ActionCall): string {
  return `${action.p4.id}(${args.join()})`;
}
