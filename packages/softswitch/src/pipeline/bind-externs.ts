import type {
  P4ActionProfile,
  P4Counter,
  P4DirectCounter,
  P4Meter,
  P4Object,
  P4Register,
  P4Table,
} from '@infra-offload/p4info';
import { fail } from '../errors.js';
import { bindActions } from './bind-actions.js';
import { type BindInput, findTable } from './bind-input.js';
import type { BoundCounter, BoundMeter, BoundProfile, BoundRegister } from './bound.js';

/** The program's objects for an action profile: the member table, and the selector if it has groups. */
export function bindProfile(input: BindInput, profile: P4ActionProfile, owner: P4Table): BoundProfile {
  const members = findTable(input, profile);
  return {
    p4: profile,
    target: members.name,
    actions: bindActions(`action profile ${profile.alias}`, profile.actions, members, false),
    size: profile.size > 0 ? Math.min(profile.size, members.size) : members.size,
    selector: profile.withSelector ? bindSelector(input, profile, owner) : undefined,
  };
}

function bindSelector(
  { context, schema }: BindInput,
  profile: P4ActionProfile,
  owner: P4Table,
): BoundProfile['selector'] {
  const wanted = context.tables.get(owner.name)?.selection_table_refs?.[0]?.name ?? `${profile.name}_sel`;
  const target = context.selectors.get(wanted)?.target_name ?? `${profile.alias}_sel`;
  const selector = schema.selectors.get(target);
  if (selector === undefined) {
    fail('INVALID_ARGUMENT', `action profile ${profile.name}: the program has no selector '${target}'`);
  }
  return { target, groups: selector.groups, slots: selector.slots };
}

/** The register arrays of a counter: `X` for one unit, `X_packets` and `X_bytes` for both. */
export function bindCounter(input: BindInput, counter: P4Counter | P4DirectCounter): BoundCounter {
  const { unit } = counter;
  const base = externTarget(input, counter);
  const { registers } = input.schema;
  const find = (only: 'packets' | 'bytes'): string | undefined => {
    const names = unit === only ? [base, `${base}_${only}`] : [`${base}_${only}`];
    return unit === only || unit === 'both' ? names.find((name) => registers.has(name)) : undefined;
  };
  const packets = find('packets');
  const bytes = find('bytes');
  if (packets === undefined && bytes === undefined) {
    input.warnings.push(`the program does not keep the counter ${counter.name}`);
  }
  const sizes = [packets, bytes].flatMap((name) => (name === undefined ? [] : (registers.get(name) ?? 0)));
  const size = 'size' in counter ? counter.size : Number.POSITIVE_INFINITY;
  return { p4: counter, size: Math.min(size, ...sizes), packets, bytes };
}

export function bindRegister(input: BindInput, register: P4Register): BoundRegister {
  const target = externTarget(input, register);
  const size = input.schema.registers.get(target);
  if (size === undefined) input.warnings.push(`the program does not keep the register ${register.name}`);
  const { type, bitwidth = 0 } = register.dataType;
  return {
    p4: register,
    size: Math.min(register.size, size ?? register.size),
    width: type === `bit<${bitwidth}>` ? bitwidth : 0,
    target: size === undefined ? undefined : target,
  };
}

/** p4c-dpdk compiles a meter of packets like one of bytes: it is one of packets if the program gives 1 as each length. */
export function bindMeter(input: BindInput, meter: P4Meter): BoundMeter {
  const target = externTarget(input, meter);
  const schema = input.schema.meters.get(target);
  const size = Math.min(meter.size, schema?.size ?? meter.size);
  let unsupported = '';
  if (schema === undefined) unsupported = 'the program does not have it';
  else if (meter.unit === 'packets' && !schema.perPacket)
    unsupported =
      'P4Info says that it meters packets, but the program gives it lengths other than the constant 1';
  if (unsupported === '') return { p4: meter, size, target, unsupported };
  input.warnings.push(`meter ${meter.name}: ${unsupported}`);
  return { p4: meter, size, target: undefined, unsupported };
}

function externTarget({ context }: BindInput, { name, alias }: P4Object): string {
  return context.externs.get(name)?.target_name ?? `${alias}_0`;
}
