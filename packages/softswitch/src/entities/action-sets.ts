import type { P4ActionProfile, SelectorSize } from '@infra-offload/p4info';
import {
  type ActionProfileActionSet,
  ActionProfileActionSet_ActionSelectionMode as ActionSelectionMode,
  ActionProfileActionSet_SizeSemantics as SizeSemantics,
} from '@infra-offload/p4rt/proto';
import { fail } from '../errors.js';

/** UNIMPLEMENTED for what SWX cannot do, INVALID_ARGUMENT for what P4Runtime does not have. */
export function checkSelectionMode(
  what: string,
  { actionSelectionMode, groupAction }: ActionProfileActionSet,
): void {
  const { DEFAULT_MODE_DETERMINED_BY_ACTION_SELECTOR, HASH, RANDOM } = ActionSelectionMode;
  if (actionSelectionMode === RANDOM) fail('UNIMPLEMENTED', `${what}: SWX selects by hash, not at random`);
  if (actionSelectionMode !== DEFAULT_MODE_DETERMINED_BY_ACTION_SELECTOR && actionSelectionMode !== HASH)
    fail('INVALID_ARGUMENT', `${what}: unknown action_selection_mode ${String(actionSelectionMode)}`);
  if (groupAction !== undefined) fail('UNIMPLEMENTED', `${what}: SWX has no actions of whole groups`);
}

/** What the size of an action set counts: as the set says, or as the selector does. */
export function setCounts(
  what: string,
  { sizeSemantics }: ActionProfileActionSet,
  { selectorSize }: P4ActionProfile,
): SelectorSize['counts'] {
  switch (sizeSemantics) {
    case SizeSemantics.DEFAULT_SIZE_DETERMINED_BY_ACTION_SELECTOR:
      return selectorSize.counts;
    case SizeSemantics.SUM_OF_WEIGHTS:
      return 'weights';
    case SizeSemantics.SUM_OF_MEMBERS:
      return 'members';
    default:
      return fail('INVALID_ARGUMENT', `${what}: unknown size_semantics ${String(sizeSemantics)}`);
  }
}
