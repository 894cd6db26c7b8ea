import type { TableLookup } from '@infra-offload/infra-api';
import { encode, formatValue, guessFormat, type P4Program } from '@infra-offload/p4info';
import type { k8sDp } from '@infra-offload/p4src';
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
  /** Of classes, which a policy's tables give; 0 for others. */
  readonly mask: bigint;
  readonly shown: TableLookup;
}

type Table = keyof typeof k8sDp.tables | 'endpoint_selector_sel' | 'endpoint_selector';

/** The stages of tables. Those of `shared` ones depend on the stage before; `none` are not asked about IPv4 packets. */
const STAGE_OF: Readonly<Record<string, Stage | 'shared' | 'none'>> = {
  port_table: 'port',
  arp_table: 'none',
  // Without a key: a variable.
  flow_epoch: 'none',
  established: 'shared',
  conntrack: 'shared',
  fragments: 'shared',
  service: 'service',
  affinity: 'endpoint',
  endpoint_group: 'endpoint',
  endpoint_selector_sel: 'endpoint',
  endpoint_selector: 'endpoint',
  endpoint: 'endpoint',
  policy_egress: 'egress',
  policy_ingress: 'ingress',
  policy_peer: 'shared',
  policy_cidr: 'shared',
  policy_port: 'shared',
  pod_forward: 'route',
  route_table: 'shared',
  service_address: 'refusal',
  answer_source: 'answer',
} satisfies Record<Table, Stage | 'shared' | 'none'>;

/** The look-ups of a trace by stage, in their order. */
export function lookupsOf({ steps }: Trace, program: P4Program): ReadonlyMap<Stage, readonly Lookup[]> {
  const stages = new Map<Stage, Lookup[]>();
  let last: Stage = 'port';
  for (const step of steps) {
    const lookup = lookupOf(step, program);
    if (lookup === undefined) continue;
    const stage = STAGE_OF[lookup.table] ?? 'none';
    if (stage === 'none') continue;
    last = stage === 'shared' ? sharedStage(lookup.table, last) : stage;
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
    default:
      return last === 'port' || last === 'flow' ? 'flow' : 'memory';
  }
}

function lookupOf(step: TraceStep, program: P4Program): Lookup | undefined {
  switch (step.kind) {
    case 'table': {
      const { table, key, hit, action, args } = step;
      const call = `${action}(${args.map(valueText).join(', ')})`;
      const shown = { table, key: keyText(table, key, program), hit, action: call, learned: false };
      return { table, hit, action, key: numbers(key), args: record(args), mask: maskOf(args), shown };
    }
    case 'learn': {
      const { learner: table, key, action, args } = step;
      const call = `${action}(${args.map(valueText).join(', ')})`;
      const shown = { table, key: keyText(table, key, program), hit: false, action: call, learned: true };
      return { table, hit: false, action, key: numbers(key), args: record(args), mask: 0n, shown };
    }
    case 'select': {
      const { selector: table, group, member } = step;
      const action = `member ${member}`;
      const shown = { table, key: `group=${group}`, hit: true, action, learned: false };
      return { table, hit: true, action, key: [group], args: {}, mask: 0n, shown };
    }
    default:
      return undefined;
  }
}

function numbers(values: readonly TraceValue[]): number[] {
  return values.map(({ value }) => Number(value));
}

function record(values: readonly TraceValue[]): Record<string, number> {
  return Object.fromEntries(values.map(({ name, value }) => [name, Number(value)]));
}

function maskOf(args: readonly TraceValue[]): bigint {
  return BigInt(args.find(({ name }) => name === 'mask')?.value ?? 0);
}

/** The key with the names of P4Info, which the table of an action profile's members does not have. */
function keyText(table: string, key: readonly TraceValue[], program: P4Program): string {
  const fields = program.findTable(table)?.matchFields;
  return key.map((field, i) => valueText({ ...field, name: fields?.[i]?.name ?? 'member' })).join(' ');
}

function valueText({ name, bits, value }: TraceValue): string {
  return `${name}=${formatValue(bits, encode(bits, value), guessFormat({ name, bitwidth: bits }))}`;
}
