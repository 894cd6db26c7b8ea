import type { SwxPipeline } from '@infra-offload/swx';
import { fail } from '../../../errors.js';
import { readNote } from '../contents.js';
import type { Layout, TableLayout } from '../layout.js';
import { readProfile } from '../meter-changes.js';
import { Change } from '../protocol.js';
import type { ByteReader } from '../wire.js';
import type { Notes } from './notes.js';

/** Largest number of members that a change of a group may have. */
const MEMBERS_MAX = 4096;

/** Makes the changes of BATCH messages in a pipeline. */
export class ChangeReader {
  readonly #swx: SwxPipeline;
  readonly #layout: Layout;
  readonly #notes: Notes;

  constructor(swx: SwxPipeline, layout: Layout, notes: Notes) {
    this.#swx = swx;
    this.#layout = layout;
    this.#notes = notes;
  }

  /** Makes the next one; throws if it cannot be made. */
  apply(reader: ByteReader): void {
    const swx = this.#swx;
    const layout = this.#layout;
    const code = reader.u8();
    switch (code) {
      case Change.SET: {
        const table = this.keyed(reader.u16());
        swx.tableSet(table.name, layout.readEntry(reader, table));
        return;
      }
      case Change.DELETE: {
        const table = this.keyed(reader.u16());
        const { key, priority } = layout.readKey(reader, table);
        swx.tableDelete(table.name, key, priority);
        return;
      }
      case Change.DEFAULT: {
        const table = this.#table(reader.u16());
        const { action, args } = layout.readCall(reader);
        swx.tableSetDefault(table.name, action, args);
        return;
      }
      case Change.LEARNER_DEFAULT: {
        const learner = this.learner(reader.u16());
        const { action, args } = layout.readCall(reader);
        swx.learnerSetDefault(learner.name, action, args);
        return;
      }
      case Change.GROUP:
        this.#group(reader);
        return;
      case Change.REGISTER:
        swx.registerWrite(this.register(reader.u16()), reader.u32(), reader.u64());
        return;
      case Change.COUNTER: {
        const register = this.register(reader.u16());
        const table = this.keyed(reader.u16());
        const { key, priority } = layout.readKey(reader, table);
        const value = reader.u64();
        const index = swx.entryIndex(table.name, key, priority);
        if (index !== 0) swx.registerWrite(register, index, value);
        return;
      }
      case Change.TIMEOUT:
        swx.learnerSetTimeout(this.learner(reader.u16()).name, reader.u16(), reader.u32());
        return;
      case Change.FORGET: {
        const learner = this.learner(reader.u16());
        const { key } = layout.readKey(reader, learner);
        swx.learnerForget(
          learner.name,
          key.map(({ value }) => value),
        );
        return;
      }
      case Change.NOTE: {
        const { key, value } = readNote(reader);
        this.#notes.set(key, value);
        return;
      }
      case Change.METER:
        swx.meterSet(this.meter(reader.u16()), reader.u32(), readProfile(reader));
        return;
      case Change.METER_COUNTS:
        swx.meterClear(this.meter(reader.u16()), reader.u32());
        return;
      default:
        fail('INVALID_ARGUMENT', `no change ${code}`);
    }
  }

  learner(id: number): TableLayout {
    return this.#layout.learners[id] ?? fail('NOT_FOUND', `no learner ${id}`);
  }

  register(id: number): string {
    return this.#layout.registers[id] ?? fail('NOT_FOUND', `no register array ${id}`);
  }

  meter(id: number): string {
    return this.#layout.meters[id] ?? fail('NOT_FOUND', `no meter array ${id}`);
  }

  selector(id: number): string {
    return this.#layout.selectors[id] ?? fail('NOT_FOUND', `no selector ${id}`);
  }

  #table(id: number): TableLayout {
    return this.#layout.tables[id] ?? fail('NOT_FOUND', `no table ${id}`);
  }

  /** A table with a key. */
  keyed(id: number): TableLayout {
    const table = this.#table(id);
    if (table.fields.length === 0)
      fail('INVALID_ARGUMENT', `table ${table.name} has no key, only a default action`);
    return table;
  }

  #group(reader: ByteReader): void {
    const selector = this.selector(reader.u16());
    const group = reader.u32();
    const count = reader.u16();
    if (count > MEMBERS_MAX)
      fail('RESOURCE_EXHAUSTED', `a group of ${count} members: ${MEMBERS_MAX} is the limit`);
    const members = reader.list(count, () => ({ member: reader.u32(), weight: reader.u32() }));
    if (members.length === 0) this.#swx.selectorDelete(selector, group);
    else this.#swx.selectorSet(selector, group, members);
  }
}
