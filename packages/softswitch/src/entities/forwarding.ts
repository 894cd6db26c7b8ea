import { messageOf } from '@infra-offload/base';
import {
  type CounterEntry,
  type DirectCounterEntry,
  type Entity,
  type MeterEntry,
  type RegisterEntry,
  type Update,
  Update_Type,
} from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail, SoftswitchError } from '../errors.js';
import type { BoundMeter, BoundProgram, BoundRegister } from '../pipeline/bound.js';
import type { LoadedConfig } from '../pipeline/config.js';
import { readValue } from './bytes.js';
import { cellRange, writeCounter } from './counters.js';
import type { Journal } from './journal.js';
import { parseKey } from './keys.js';
import { writeMeter } from './meters.js';
import { ProfileStore } from './profiles.js';
import { TableStore } from './tables.js';

/** All entities of one program: checks updates and applies them to the data plane. */
export class Forwarding {
  readonly tables = new Map<number, TableStore>();
  readonly profiles = new Map<number, ProfileStore>();

  private constructor(
    readonly program: BoundProgram,
    readonly pipeline: Pipeline,
  ) {
    for (const profile of program.profiles.values())
      this.profiles.set(profile.p4.id, new ProfileStore(pipeline, profile));
    for (const table of program.tables.values()) {
      const profile =
        table.indirect === undefined ? undefined : this.profiles.get(table.indirect.profile.p4.id);
      this.tables.set(table.p4.id, new TableStore(pipeline, table, profile));
    }
  }

  /** A program with the entries that its tables begin with. INVALID_ARGUMENT for one that its table cannot have. */
  static begin({ program, pipeline, initial }: LoadedConfig): Forwarding {
    const forwarding = new Forwarding(program, pipeline);
    for (const { number, entry } of initial) {
      const reason = `p4_device_config, entries, update #${number}`;
      try {
        forwarding.table(entry.tableId).begin(entry);
      } catch (error) {
        throw new SoftswitchError('INVALID_ARGUMENT', `${reason}: ${messageOf(error)}`, { cause: error });
      }
    }
    return forwarding;
  }

  /** The entities that a data plane has, which `pipeline` has read from it. INTERNAL if they make no sense. */
  static restore({ program, pipeline, initial }: LoadedConfig): Forwarding {
    const forwarding = new Forwarding(program, pipeline);
    const profiles = new Map([...forwarding.profiles].map(([id, profile]) => [id, profile.restore()]));
    for (const { entry } of initial) forwarding.table(entry.tableId).noteInitial(entry);
    for (const store of forwarding.tables.values())
      store.restore(profiles.get(store.table.indirect?.profile.p4.id ?? 0));
    return forwarding;
  }

  /** NOT_FOUND if the program has no such table. */
  table(id: number): TableStore {
    return this.tables.get(id) ?? fail('NOT_FOUND', `the program has no table ${id}`);
  }

  /** NOT_FOUND if the program has no such action profile. */
  profile(id: number): ProfileStore {
    return this.profiles.get(id) ?? fail('NOT_FOUND', `the program has no action profile ${id}`);
  }

  /** Applies one update or throws and changes nothing. What it did can be taken back through `journal`. */
  update({ type, entity }: Update, journal: Journal | undefined): void {
    if (type !== Update_Type.INSERT && type !== Update_Type.MODIFY && type !== Update_Type.DELETE) {
      fail('INVALID_ARGUMENT', `update type ${type} is none of INSERT, MODIFY, DELETE`);
    }
    const one = entity?.entity;
    if (one === undefined) fail('INVALID_ARGUMENT', 'the update has no entity');
    switch (one.$case) {
      case 'tableEntry':
        this.table(one.value.tableId).update(type, one.value, journal);
        return;
      case 'actionProfileMember':
        this.profile(one.value.actionProfileId).updateMember(type, one.value, journal);
        return;
      case 'actionProfileGroup':
        this.profile(one.value.actionProfileId).updateGroup(type, one.value, journal);
        return;
      case 'counterEntry':
        this.#writeCounter(type, one.value, journal);
        return;
      case 'directCounterEntry':
        this.#writeDirectCounter(type, one.value, journal);
        return;
      case 'registerEntry':
        this.#writeRegister(type, one.value, journal);
        return;
      case 'meterEntry':
        this.#writeMeter(type, one.value, journal);
        return;
      default:
        refuseUpdate(type, one);
    }
  }

  #writeCounter(type: Update_Type, entry: CounterEntry, journal: Journal | undefined): void {
    const counter =
      this.program.counters.get(entry.counterId) ??
      fail('NOT_FOUND', `the program has no counter ${entry.counterId}`);
    onlyModify(type, `counter ${counter.p4.alias}`);
    const { first, end } = cellRange(`counter ${counter.p4.alias}`, entry.index, counter.size);
    if (entry.data === undefined) return;
    for (let index = first; index < end; index++)
      writeCounter(this.pipeline, counter, index, entry.data, journal);
  }

  #writeDirectCounter(type: Update_Type, entry: DirectCounterEntry, journal: Journal | undefined): void {
    const { tableEntry, data } = entry;
    if (tableEntry === undefined) fail('INVALID_ARGUMENT', 'the direct counter entry names no table entry');
    const store = this.table(tableEntry.tableId);
    const { table } = store;
    if (table.directCounter === undefined)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias} has no direct counter`);
    onlyModify(type, `the direct counter of table ${table.p4.alias}`);
    let index = 0;
    if (!tableEntry.isDefaultAction) {
      const key = parseKey(table, tableEntry.match, tableEntry.priority);
      if (store.find(key) === undefined) fail('NOT_FOUND', `table ${table.p4.alias}: no such entry`);
      index = store.counterIndex(key);
    }
    if (data !== undefined) writeCounter(this.pipeline, table.directCounter, index, data, journal);
  }

  #writeRegister(type: Update_Type, entry: RegisterEntry, journal: Journal | undefined): void {
    const register = this.register(entry.registerId);
    onlyModify(type, `register ${register.p4.alias}`);
    const { first, end } = cellRange(`register ${register.p4.alias}`, entry.index, register.size);
    if (entry.data?.data?.$case !== 'bitstring') {
      fail(
        'INVALID_ARGUMENT',
        `register ${register.p4.alias}: the data must be a bit string of ${register.width} bits`,
      );
    }
    const value = BigInt(
      readValue(entry.data.data.value, register.width, () => `register ${register.p4.alias}`),
    );
    const target =
      register.target ?? fail('UNIMPLEMENTED', `the program does not keep the register ${register.p4.alias}`);
    for (let index = first; index < end; index++) {
      const before = journal === undefined ? 0n : this.pipeline.registerRead(target, index);
      journal?.push(() => this.pipeline.registerWrite(target, index, before));
      this.pipeline.registerWrite(target, index, value);
    }
  }

  #writeMeter(type: Update_Type, entry: MeterEntry, journal: Journal | undefined): void {
    const meter = this.meter(entry.meterId);
    onlyModify(type, `meter ${meter.p4.alias}`);
    writeMeter(this.pipeline, meter, entry, journal);
  }

  /** NOT_FOUND if the program has no such meter. */
  meter(id: number): BoundMeter {
    return this.program.meters.get(id) ?? fail('NOT_FOUND', `the program has no meter ${id}`);
  }

  /** NOT_FOUND if there is none, UNIMPLEMENTED if its cells are no plain bit strings. */
  register(id: number): BoundRegister {
    const register = this.program.registers.get(id) ?? fail('NOT_FOUND', `the program has no register ${id}`);
    if (register.width === 0)
      fail('UNIMPLEMENTED', `register ${register.p4.alias}: only bit<W> cells are supported`);
    return register;
  }
}

function onlyModify(type: Update_Type, what: string): void {
  if (type !== Update_Type.MODIFY) fail('INVALID_ARGUMENT', `${what} always exists, it can only be modified`);
}

export type UnsupportedEntity = Exclude<
  NonNullable<Entity['entity']>,
  {
    $case:
      | 'tableEntry'
      | 'actionProfileMember'
      | 'actionProfileGroup'
      | 'counterEntry'
      | 'directCounterEntry'
      | 'registerEntry'
      | 'meterEntry';
  }
>;

function refuseUpdate(type: Update_Type, entity: UnsupportedEntity): never {
  const { $case: kind } = entity;
  const reportedAbsent = kind === 'packetReplicationEngineEntry' || kind === 'digestEntry';
  // Controllers that delete whatever there may be (finsy does) get the answer of a target that has the kind.
  if (type === Update_Type.DELETE && reportedAbsent) fail('NOT_FOUND', 'there is no such entity');
  return refuseEntity(entity);
}

/** Entities that this target does not have. */
export function refuseEntity(entity: UnsupportedEntity): never {
  switch (entity.$case) {
    case 'directMeterEntry':
      return fail('UNIMPLEMENTED', 'direct meters are not supported');
    case 'packetReplicationEngineEntry':
      return fail('UNIMPLEMENTED', 'multicast groups and clone sessions are not supported');
    case 'valueSetEntry':
      return fail('UNIMPLEMENTED', 'parser value sets are not supported');
    case 'digestEntry':
      return fail('UNIMPLEMENTED', 'digests are not supported');
    case 'externEntry':
      return fail('UNIMPLEMENTED', `extern type ${entity.value.externTypeId} is not supported`);
    default: {
      const never: never = entity;
      return never;
    }
  }
}
