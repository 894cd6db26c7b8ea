import type { P4Program, ProgramDescriptor, TableDescriptor } from '@infra-offload/p4info';
import { type RuntimeTable, typedProgram } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { ServiceError } from '@infra-offload/service';
import {
  CONTRACT,
  type ContractTable,
  type KeyValue,
  MARKS,
  TABLE_NAMES,
  type TableName,
} from './contract.js';

/** A program's way of saying one table of the contract. */
export interface BoundTable {
  readonly name: TableName;
  readonly table: RuntimeTable;
  /** Names and kinds of the keys, in the contract's order. */
  readonly keys: readonly { readonly name: string; readonly kind: 'exact' | 'lpm' | 'ternary' }[];
  readonly actions: ReadonlyMap<string, BoundAction>;
  readonly size: number;
  /** Bits of a key or parameter, by the contract's name; undefined when the program does not carry it. */
  bits(keyOrParam: string): number | undefined;
}

/** Parameters that the program takes, in the contract's order. */
export interface BoundAction {
  readonly params: readonly { readonly contract: string; readonly name: string }[];
}

/** A program that has the contract, or those parts of it that its package offers. */
export interface BoundProgram {
  readonly program: P4Program;
  readonly tables: ReadonlyMap<TableName, BoundTable>;
  readonly hasServices: boolean;
  readonly hasPolicy: boolean;
}

/** Whether a program is of the ES2K kind: it forwards through the contract's tables. */
export function isEs2kProgram(program: P4Program): boolean {
  return program.findTable(MARKS.forwarding) !== undefined;
}

/**
 * Finds the contract in a program. Keys and parameters are found by name; parameters by their order, too, if the names
 * are others, because only the order is what peers rely on. A package from before 24.01 lacks the source MAC of
 * `update_src_dst_mac`: what a program does not take is left out.
 *
 * @throws ServiceError CONFIG when the program lacks something that its tables need.
 */
export function bindContract(program: P4Program): BoundProgram {
  const descriptor: ProgramDescriptor = program.describe('es2k');
  const typed = typedProgram(descriptor);
  const has = (part: ContractTable['part']) => program.findTable(MARKS[part]) !== undefined;
  const parts = { forwarding: true, services: has('services'), policy: has('policy') };
  const tables = new Map<TableName, BoundTable>();
  for (const name of TABLE_NAMES) {
    const contract: ContractTable = CONTRACT[name];
    if (!parts[contract.part]) continue;
    const described = descriptor.tables[name];
    if (described === undefined)
      throw missing(`no table ${name}`, `it has ${Object.keys(descriptor.tables).join(', ')}`);
    tables.set(name, bindTable(name, contract, described, typed.table(name)));
  }
  return { program, tables, hasServices: parts.services, hasPolicy: parts.policy };
}

function bindTable(
  name: TableName,
  contract: ContractTable,
  described: TableDescriptor,
  table: RuntimeTable,
): BoundTable {
  const bits = new Map<string, number>();
  const keys = contract.match.map((wanted) => {
    const found = findKey(wanted, Object.keys(described.match));
    const match = found === undefined ? undefined : described.match[found];
    if (found === undefined || match === undefined)
      throw missing(`no key ${wanted} in table ${name}`, `it has ${Object.keys(described.match).join(', ')}`);
    if (match.kind !== 'exact' && match.kind !== 'lpm' && match.kind !== 'ternary')
      throw missing(`no exact, lpm or ternary key ${wanted} in table ${name}`, `its kind is ${match.kind}`);
    bits.set(wanted, match.bitwidth);
    return { name: found, kind: match.kind };
  });
  const more = Object.keys(described.match).length - keys.length;
  if (more > 0)
    throw missing(
      `${more} more keys in table ${name} than the contract has`,
      Object.keys(described.match).join(', '),
    );
  const actions = new Map<string, BoundAction>();
  for (const [action, params] of Object.entries(contract.actions)) {
    const taken = described.actions[action];
    if (taken === undefined)
      throw missing(
        `no action ${action} in table ${name}`,
        `it has ${Object.keys(described.actions).join(', ')}`,
      );
    const bound = bindParams(`${name}.${action}`, params, taken.params);
    for (const { contract: param, name: as } of bound) {
      const width = taken.params[as]?.bitwidth ?? 0;
      bits.set(param, Math.min(bits.get(param) ?? width, width));
    }
    actions.set(action, { params: bound });
  }
  return { name, table, keys, actions, size: described.size, bits: (of) => bits.get(of) };
}

/** By name, or by the last part of the name if that tells it. */
function findKey(wanted: string, names: readonly string[]): string | undefined {
  if (names.includes(wanted)) return wanted;
  const last = (name: string) => name.slice(name.lastIndexOf('.') + 1);
  const alike = names.filter((name) => last(name) === last(wanted));
  return alike.length === 1 ? alike[0] : undefined;
}

function bindParams(
  where: string,
  contract: readonly string[],
  described: Readonly<Record<string, { readonly id: number }>>,
): BoundAction['params'] {
  const names = Object.keys(described).sort((a, b) => (described[a]?.id ?? 0) - (described[b]?.id ?? 0));
  const known = contract.filter((param) => names.includes(param));
  if (known.length === names.length) return known.map((param) => ({ contract: param, name: param }));
  if (names.length === contract.length)
    return contract.map((param, i) => ({ contract: param, name: names[i] ?? param }));
  throw missing(
    `other parameters of ${where} than ${contract.join(', ')}`,
    `it has ${names.length === 0 ? 'none' : names.join(', ')}`,
  );
}

function missing(what: string, instead: string): ServiceError {
  return new ServiceError('CONFIG', `the P4Info is of an ES2K program, but it has ${what}: ${instead}`);
}

/** The values of a row's keys, from an entry that was read. Keys that are left out match everything. */
export function keyValues(bound: BoundTable, entity: Entity): readonly KeyValue[] {
  const { match } = bound.table.decode(entity);
  return bound.keys.map(({ name, kind }): KeyValue => {
    const value: unknown = match[name];
    if (kind === 'exact') return toNumber(value);
    const low = toNumber(field(value, 'value'));
    return kind === 'ternary'
      ? { value: low, mask: toNumber(field(value, 'mask')) }
      : { value: low, prefixLength: toNumber(field(value, 'prefixLength')) };
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function toNumber(value: unknown): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
}
