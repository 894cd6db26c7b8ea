import type { Entity } from '@infra-offload/p4rt/proto';
import type { CounterFace } from '../drivers/driver.js';

export type ReadEntities = (entities: readonly Entity[]) => AsyncIterable<Entity>;

export type CounterCell = ReturnType<CounterFace['decode']>;

/** Cells of one Read. */
const TOGETHER = 1000;

/** Cells of a counter; none while the device is away (`read` is undefined). */
export async function* readCells(
  read: ReadEntities | undefined,
  counter: CounterFace,
  indexes: readonly number[],
): AsyncGenerator<CounterCell> {
  for (let i = 0; read !== undefined && i < indexes.length; i += TOGETHER) {
    const cells = indexes.slice(i, i + TOGETHER).map((index) => counter.cell(index));
    for await (const entity of read(cells)) yield counter.decode(entity);
  }
}
