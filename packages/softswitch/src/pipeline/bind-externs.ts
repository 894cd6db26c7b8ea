import {
  type ActionProfile,
  ActionRef_Scope,
  CounterSpec_Unit,
  type Preamble,
  type Register,
  type Table,
} from '@infra-offload/p4info/proto';
import { fail } from '../errors.js';
import { type ActionShape, bindActions } from './bind-actions.js';
import { type BindInput, findTable } from './bind-input.js';
import type { BoundCounter, BoundProfile, BoundRegister } from './bound.js';

/** The program's objects for an action profile: the member table, and the selector if it has groups. */
export function bindProfile(
  input: BindInput,
  profile: ActionProfile,
  preamble: Preamble,
  owner: Table,
  actions: ReadonlyMap<number, ActionShape>,
): BoundProfile {
  const name = preamble.alias || preamble.name;
  const members = findTable(input, preamble);
  const refs = owner.actionRefs
    .filter((ref) => ref.scope !== ActionRef_Scope.DEFAULT_ONLY)
    .map((ref) => ({ id: ref.id, scope: 'both' as const }));
  return {
    id: preamble.id,
    name,
    target: members.name,
    actions: bindActions(`action profile ${name}`, refs, actions, members, false),
    size: profile.size > 0n ? Math.min(Number(profile.size), members.size) : members.size,
    maxGroupSize: profile.maxGroupSize,
    sizeSemantics: profile.selectorSizeSemantics?.$case === 'sumOfMembers' ? 'members' : 'weights',
    maxMemberWeight:
      profile.selectorSizeSemantics?.$case === 'sumOfMembers'
        ? profile.selectorSizeSemantics.value.maxMemberWeight
        : 0,
    weightsDisallowed: profile.weightsDisallowed,
    selector: profile.withSelector ? bindSelector(input, preamble, owner) : undefined,
  };
}

function bindSelector(input: BindInput, preamble: Preamble, owner: Table): BoundProfile['selector'] {
  const { context, schema } = input;
  const ownerEntry = context.tables.get(owner.preamble?.name ?? '');
  const wanted = ownerEntry?.selection_table_refs?.[0]?.name ?? `${preamble.name}_sel`;
  const entry = context.selectors.get(wanted);
  const target = entry?.target_name ?? `${preamble.alias}_sel`;
  const selector = schema.selectors.get(target);
  if (selector === undefined) {
    fail('INVALID_ARGUMENT', `action profile ${preamble.name}: the program has no selector '${target}'`);
  }
  return { target, groups: selector.groups, slots: selector.slots };
}

/** The register arrays of a counter: `X` for one unit, `X_packets` and `X_bytes` for both. */
export function bindCounter(
  input: BindInput,
  preamble: Preamble,
  unit: CounterSpec_Unit | undefined,
  size: number,
): BoundCounter {
  const base = externTarget(input, preamble);
  const { registers } = input.schema;
  const find = (suffix: string, only: CounterSpec_Unit): string | undefined => {
    const names = unit === only ? [base, `${base}_${suffix}`] : [`${base}_${suffix}`];
    return unit === only || unit === CounterSpec_Unit.BOTH
      ? names.find((name) => registers.has(name))
      : undefined;
  };
  const packets = find('packets', CounterSpec_Unit.PACKETS);
  const bytes = find('bytes', CounterSpec_Unit.BYTES);
  if (packets === undefined && bytes === undefined) {
    input.warnings.push(`the program does not keep the counter ${preamble.name}`);
  }
  const sizes = [packets, bytes].flatMap((name) => (name === undefined ? [] : (registers.get(name) ?? 0)));
  return {
    id: preamble.id,
    name: preamble.alias || preamble.name,
    size: Math.min(size, ...sizes),
    packets,
    bytes,
  };
}

export function bindRegister(input: BindInput, preamble: Preamble, register: Register): BoundRegister {
  const target = externTarget(input, preamble);
  const spec = register.typeSpec?.typeSpec;
  const bits = spec?.$case === 'bitstring' ? spec.value.typeSpec : undefined;
  const size = input.schema.registers.get(target);
  if (size === undefined) input.warnings.push(`the program does not keep the register ${preamble.name}`);
  return {
    id: preamble.id,
    name: preamble.alias || preamble.name,
    size: Math.min(register.size, size ?? register.size),
    width: bits?.$case === 'bit' ? bits.value.bitwidth : 0,
    target: size === undefined ? undefined : target,
  };
}

function externTarget(input: BindInput, preamble: Preamble): string {
  const entry = input.context.externs.get(preamble.name);
  return entry?.target_name ?? `${preamble.alias}_0`;
}
