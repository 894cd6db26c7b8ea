import type {
  Instruction,
  SpecActionRef,
  SpecDefaultAction,
  SpecKeyField,
  SwxSpec,
} from '@infra-offload/swx';
import type { ActionSchema, MeterSchema, PipelineSchema, SelectorSchema, TableSchema } from './dataplane.js';

/** What a control plane needs to know of an SWX specification. */
export function schemaOf(spec: SwxSpec): PipelineSchema {
  const actions = new Map<string, ActionSchema>();
  for (const { name, args } of spec.actions.values()) {
    const params = args?.fields.map((field) => ({ name: field.name, width: field.bits })) ?? [];
    actions.set(name, { name, params });
  }
  const tables = new Map<string, TableSchema>();
  for (const table of spec.tables.values()) tables.set(table.name, tableSchema('table', table, actions));
  for (const learner of spec.learners.values())
    tables.set(learner.name, tableSchema('learner', learner, actions));
  const selectors = new Map<string, SelectorSchema>();
  for (const { name, groups, slots } of spec.selectors.values()) selectors.set(name, { name, groups, slots });
  const registers = new Map<string, number>();
  for (const { name, size } of spec.registers.values()) registers.set(name, size);
  return { tables, selectors, registers, meters: meterSchemas(spec) };
}

function meterSchemas(spec: SwxSpec): Map<string, MeterSchema> {
  const all = [spec.apply, ...[...spec.actions.values()].map(({ instructions }) => instructions)].flat();
  const ofLengths = new Set(all.flatMap((instruction) => metersLength(instruction) ?? []));
  return new Map(
    [...spec.meters.values()].map(({ name, size }) => [name, { size, perPacket: !ofLengths.has(name) }]),
  );
}

/** The meter array that is given something else than the number 1 as a packet's length. */
function metersLength(instruction: Instruction): string | undefined {
  if (instruction.op !== 'meter') return undefined;
  const { array, length } = instruction;
  return length.kind === 'immediate' && length.value === 1n ? undefined : array;
}

interface SpecTableLike {
  readonly name: string;
  readonly key: readonly SpecKeyField[];
  readonly actions: readonly SpecActionRef[];
  readonly defaultAction: SpecDefaultAction;
  readonly size: number;
}

function tableSchema(
  kind: TableSchema['kind'],
  table: SpecTableLike,
  actions: ReadonlyMap<string, ActionSchema>,
): TableSchema {
  const own = new Map<string, ActionSchema>();
  for (const { name } of table.actions) {
    const action = actions.get(name);
    if (action !== undefined) own.set(name, action);
  }
  const { name: action, args, isConst } = table.defaultAction;
  const params = actions.get(action)?.params ?? [];
  return {
    name: table.name,
    kind,
    key: table.key.map((field) => ({
      name: field.text,
      width: field.operand.field.bits,
      match: field.match,
    })),
    actions: own,
    size: table.size,
    defaultAction: {
      action,
      args: args.map((value, i) => ((params[i]?.width ?? 64) <= 32 ? Number(value) : value)),
      isConst,
    },
  };
}
