import type { Host } from './host.js';
import type { Layout } from './layout.js';
import { METER_NOTE, readMeterNote } from './meter-changes.js';
import type { Mirror } from './mirror.js';
import { LIST_END, Operation } from './protocol.js';
import { type ByteReader, ByteWriter } from './wire.js';

/** Items in one piece of a list: few enough that packets hardly wait for them. */
const PIECE = 512;

/** Note of a register cell that was written: a new host is given it. */
export const CELL_NOTE = 'cell/';

export function cellNote(register: string, index: number): string {
  return `${CELL_NOTE}${register}/${index}`;
}

/** Reads all that was written into a host, whoever has written it. */
export async function readContents(host: Host, layout: Layout, mirror: Mirror): Promise<void> {
  const pieces = async (
    operation: Operation,
    object: number | undefined,
    read: (reader: ByteReader) => void,
  ): Promise<void> => {
    for (let cursor = 0; cursor !== LIST_END; ) {
      const body = new ByteWriter();
      if (object !== undefined) body.u16(object);
      const reader = await host.request(operation, body.u32(cursor).u32(PIECE).view());
      cursor = reader.u32();
      for (let count = reader.u32(); count > 0; count--) read(reader);
    }
  };
  for (const table of layout.tables) {
    if (table.fields.length === 0) continue;
    await pieces(Operation.LIST_ENTRIES, table.id, (reader) =>
      mirror.entry(table, layout.readEntry(reader, table)),
    );
  }
  const defaults = await host.request(Operation.READ_DEFAULTS);
  for (const table of [...layout.tables, ...layout.learners]) {
    const call = layout.readCall(defaults);
    if (!host.description[table.isLearner ? 'learners' : 'tables'][table.id]?.defaultIsConst)
      mirror.defaultAction(table, call);
  }
  for (const [id, selector] of layout.selectors.entries())
    await pieces(Operation.LIST_GROUPS, id, (reader) => {
      const group = reader.u32();
      mirror.group(
        selector,
        group,
        reader.list(reader.u16(), () => ({ member: reader.u32(), weight: reader.u32() })),
      );
    });
  await pieces(Operation.LIST_NOTES, undefined, (reader) => {
    const { key, value } = readNote(reader);
    if (!key.startsWith(METER_NOTE)) {
      mirror.note(key, value);
      return;
    }
    const { array, index, profile } = readMeterNote(key.slice(METER_NOTE.length), value);
    mirror.meter(array, index, profile);
  });
  for (const [cell, value] of mirror.notes(CELL_NOTE)) {
    const at = cell.lastIndexOf('/');
    mirror.cell(cell.slice(0, at), Number(cell.slice(at + 1)), Buffer.from(value).readBigUInt64LE());
  }
}

/** A note, with bytes of its own. */
export function readNote(reader: ByteReader): { key: string; value: Uint8Array } {
  return { key: reader.text(), value: new Uint8Array(reader.blob()) };
}
