import type { LearnedFilter, LearnedLayout, LearnedPiece, Value } from '../dataplane.js';
import type { Host } from './host.js';
import type { Layout, TableLayout } from './layout.js';
import { ANY_ACTION, LIST_END, Operation } from './protocol.js';
import { type ByteReader, ByteWriter } from './wire.js';

/** Entries asked for in one piece: half a megabyte or so. */
const PIECE = 8192;

/** How a host packs learned entries; without a host there are none. */
export function learnedLayout(host: Host | undefined, layout: Layout, learner: TableLayout): LearnedLayout {
  const reader = host?.requestNow(Operation.READ_TIMEOUTS, new ByteWriter(2).u16(learner.id).view());
  return {
    key: learner.fields.map(({ bytes }) => bytes),
    actions: layout.actions,
    timeouts: reader?.list(reader.u16(), () => reader.u32()) ?? [],
  };
}

/** All entries, one piece being asked for while the one before is used. */
export async function* learnedPieces(
  host: Host,
  layout: Layout,
  learner: TableLayout,
  filter: LearnedFilter,
): AsyncGenerator<LearnedPiece> {
  const ask = (cursor: number): Promise<ByteReader> => {
    const body = new ByteWriter().u16(learner.id).u32(cursor).u32(PIECE);
    writeFilter(body, layout, learner, filter);
    const answer = host.request(Operation.LIST_LEARNED, body.view());
    // Nobody may wait for it any more when it fails.
    answer.catch(() => undefined);
    return answer;
  };
  for (let asked = ask(0); ; ) {
    const reader = await asked;
    const cursor = reader.u32();
    const count = reader.u32();
    if (cursor !== LIST_END) asked = ask(cursor);
    if (count > 0) yield { count, bytes: Buffer.from(reader.bytes(reader.rest)) };
    if (cursor === LIST_END) return;
  }
}

/** How many entries there are. */
export async function learnedCount(
  host: Host,
  layout: Layout,
  learner: TableLayout,
  filter: LearnedFilter,
): Promise<number> {
  let count = 0;
  for (let cursor = 0; cursor !== LIST_END; ) {
    const body = new ByteWriter().u16(learner.id).u32(cursor);
    writeFilter(body, layout, learner, filter);
    const reader = await host.request(Operation.COUNT_LEARNED, body.view());
    cursor = reader.u32();
    count += reader.u32();
  }
  return count;
}

/** The entry of a key, if there is one. */
export function learnedFind(
  host: Host,
  layout: Layout,
  learner: TableLayout,
  key: readonly Value[],
): LearnedPiece {
  const values = new ByteWriter();
  layout.writeValues(values, learner, key);
  const body = new ByteWriter().u16(learner.id).u32(1).bytes(values.view());
  const reader = host.requestNow(Operation.READ_LEARNED, body.view());
  const count = reader.u8();
  return { count, bytes: Buffer.concat([values.view(), reader.bytes(reader.rest)]) };
}

/** Nothing if all are wanted. */
function writeFilter(
  writer: ByteWriter,
  layout: Layout,
  learner: TableLayout,
  { action, key }: LearnedFilter,
): void {
  if (action === undefined && key === undefined) return;
  const id = action === undefined ? ANY_ACTION : layout.actions.findIndex(({ name }) => name === action);
  writer.u16(id).u8(key === undefined ? 0 : 1);
  if (key === undefined) return;
  layout.writeValues(
    writer,
    learner,
    key.map((value) => value ?? 0),
  );
  layout.writeValues(
    writer,
    learner,
    learner.fields.map(({ ones }, i) => (key[i] === undefined ? 0 : ones)),
  );
}
