import type { TableLookup } from '@infra-offload/infra-api';
import { encode, formatValue, guessFormat, type P4Program } from '@infra-offload/p4info';
import type { Trace, TraceStep, TraceValue } from '@infra-offload/swx';

/** What a packet is asked about, one after the other. */
export const STAGES = [
  'port',
  'flow',
  'service',
  'endpoint',
  'egress',
  'ingress',
  'route',
  'refusal',
  'memory',
  'answer',
] as const;
export type Stage = (typeof STAGES)[number];

/** A look-up of a table, a group or a learner, or something learned. */
export interface Lookup {
  readonly table: string;
  readonly hit: boolean;
  readonly action: string;
  /** In the order of the program. */
  readonly key: readonly number[];
  readonly args: Readonly<Record<string, number>>;
  readonly shown: TableLookup;
}

/** The stages of tables that are asked in one only. */
const STAGE_OF: Readonly<Record<string, Stage>> = {
  port_table: 'port',
  service: 'service',
  affinity: 'endpoint',
  endpoint_group: 'endpoint',
  endpoint_selector_sel: 'endpoint',
  endpoint_selector: 'endpoint',
  endpoint: 'endpoint',
  policy_egress: 'egress',
  policy_ingress: 'ingress',
  pod_forward: 'route',
  service_address: 'refusal',
  answer_source: 'answer',
};

/** The look-ups of a trace by stage, in their order. */
export function lookupsOf({ steps }: Trace, program: P4Program): ReadonlyMap<Stage, readonly Lookup[]> {
  const stages = new Map<Stage, Lookup[]>();
  let last: Stage = 'port';
  for (const step of steps) {
    const lookup = lookupOf(step, program);
    if (lookup === undefined) continue;
    last = STAGE_OF[lookup.table] ?? sharedStage(lookup.table, last);
    const others = stages.get(last);
    if (others === undefined) stages.set(last, [lookup]);
    else others.push(lookup);
  }
  return stages;
}

/** The stage of a table that is asked in more than one. */
function sharedStage(table: string, last: Stage): Stage {
  switch (table) {
    case 'policy_peer':
    case 'policy_cidr':
    case 'policy_port':
      return last;
    case 'route_table':
      return last === 'refusal' ? last : 'route';
    case 'flow_epoch':
      return 'flow';
    default:
      return last === 'port' || last === 'flow' ? 'flow' : 'memory';
  }
}

function lookupOf(step: TraceStep, program: P4Program): Lookup | undefined {
  switch (step.kind) {
    case 'table': {
      const { table, hit, action, args } = step;
      return lookup(program, table, step.key, hit, action, args, callText(action, args));
    }
    case 'learn': {
      const { learner, action, args } = step;
      return lookup(program, learner, step.key, false, action, args, `learned: ${callText(action, args)}`);
    }
    case 'select': {
      const { selector, group, member } = step;
      const key = [{ name: 'group', bits: 32, value: group }];
      return lookup(program, selector, key, true, 'select', [], `member ${member}`);
    }
    default:
      return undefined;
  }
}

function lookup(
  program: P4Program,
  table: string,
  key: readonly TraceValue[],
  hit: boolean,
  action: string,
  args: readonly TraceValue[],
  text: string,
): Lookup {
  const fields = program.findTable(table)?.matchFields;
  const named = key.map((field, i) => ({ ...field, name: fields?.[i]?.name ?? lastPart(field.name) }));
  return {
    table,
    hit,
    action,
    key: key.map(({ value }) => Number(value)),
    args: Object.fromEntries(args.map(({ name, value }) => [name, Number(value)])),
    shown: { table, key: named.map(valueText).join(' '), hit, action: text },
  };
}

function callText(action: string, args: readonly TraceValue[]): string {
  return `${action}(${args.map(valueText).join(', ')})`;
}

function valueText({ name, bits, value }: TraceValue): string {
  return `${name}=${formatValue(bits, encode(bits, value), guessFormat({ name, bitwidth: bits }))}`;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
