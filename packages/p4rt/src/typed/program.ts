import { unknownName } from '../suggest.js';
import { RuntimeActionProfile, type TypedActionProfile } from './action-profile.js';
import { Digest, RuntimePacketMetadata, type TypedPacketMetadata } from './packets.js';
import { Counter, Meter, Register, RuntimeValueSet, type TypedValueSet } from './resources.js';
import { RuntimeTable } from './table.js';
import type { ProgramDescriptor, TypedTable } from './types.js';

/**
 * A P4 program whose tables, keys, actions and parameters are types. Made by {@link typedProgram}.
 * Names that are only known at run time go through the methods, which name the nearest choice when they throw.
 */
export interface TypedProgram<D extends ProgramDescriptor = ProgramDescriptor> {
  readonly descriptor: D;
  readonly name: string;
  readonly tables: { readonly [T in keyof D['tables'] as T & string]: TypedTable<D['tables'][T]> };
  readonly actionProfiles: {
    readonly [P in keyof D['actionProfiles'] as P & string]: TypedActionProfile<D['actionProfiles'][P]>;
  };
  readonly counters: { readonly [C in keyof D['counters'] as C & string]: Counter };
  readonly meters: { readonly [M in keyof D['meters'] as M & string]: Meter };
  readonly registers: { readonly [R in keyof D['registers'] as R & string]: Register };
  readonly digests: { readonly [R in keyof D['digests'] as R & string]: Digest };
  readonly valueSets: {
    readonly [V in keyof D['valueSets'] as V & string]: TypedValueSet<D['valueSets'][V]>;
  };
  readonly packetMetadata: {
    readonly [H in keyof D['packetMetadata'] as H & string]: TypedPacketMetadata<D['packetMetadata'][H]>;
  };
  /** A table by a name from elsewhere. @throws P4rtError UNKNOWN_NAME */
  table(name: string): RuntimeTable;
  /** An action profile by a name from elsewhere. @throws P4rtError UNKNOWN_NAME */
  actionProfile(name: string): RuntimeActionProfile;
  /** @throws P4rtError UNKNOWN_NAME */
  counter(name: string): Counter;
  /** @throws P4rtError UNKNOWN_NAME */
  register(name: string): Register;
}

function build<V, R>(
  record: Readonly<Record<string, V>>,
  make: (name: string, value: V) => R,
): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, make(name, value)]));
}

function get<R>(record: Readonly<Record<string, R>>, what: string, name: string): R {
  const found = Object.hasOwn(record, name) ? record[name] : undefined;
  if (found === undefined) throw unknownName(`no ${what}`, name, Object.keys(record));
  return found;
}

/**
 * Makes the builders and decoders of a program. Encoders are prepared here, once, so that building entries is fast.
 * Give it what `p4info-codegen` wrote (`as const`) and misspelt names do not compile; give it
 * `P4Program.parse(..).describe()` for a program that is only known at run time.
 */
export function typedProgram<const D extends ProgramDescriptor>(descriptor: D): TypedProgram<D>;
export function typedProgram(descriptor: ProgramDescriptor): object {
  const tables = build(descriptor.tables, (name, table) => new RuntimeTable(name, table));
  const actionProfiles = build(
    descriptor.actionProfiles,
    (name, profile) => new RuntimeActionProfile(name, profile),
  );
  const counters = build(descriptor.counters, (name, counter) => new Counter(name, counter));
  const registers = build(descriptor.registers, (name, register) => new Register(name, register));
  return {
    descriptor,
    name: descriptor.name,
    tables,
    actionProfiles,
    counters,
    meters: build(descriptor.meters, (name, meter) => new Meter(name, meter)),
    registers,
    digests: build(descriptor.digests, (name, digest) => new Digest(name, digest)),
    valueSets: build(descriptor.valueSets, (name, set) => new RuntimeValueSet(name, set)),
    packetMetadata: build(
      descriptor.packetMetadata,
      (name, header) => new RuntimePacketMetadata(name, header),
    ),
    table: (name: string) => get(tables, 'table', name),
    actionProfile: (name: string) => get(actionProfiles, 'action profile', name),
    counter: (name: string) => get(counters, 'counter', name),
    register: (name: string) => get(registers, 'register', name),
  };
}
