import type { Entity, ReadResponse, TableEntry } from '@infra-offload/p4rt/proto';
import type { LearnedFilter } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { Forwarding } from './forwarding.js';
import { parseFields } from './keys.js';
import { LearnedEncoder } from './learned-encoder.js';
import type { TableStore } from './tables.js';

/** A read of what the data plane itself has learned (add on miss). */
export class LearnedReading {
  readonly #store: TableStore;
  readonly #filter: LearnedFilter;
  readonly #request: TableEntry;

  constructor(store: TableStore, filter: LearnedFilter, request: TableEntry) {
    this.#store = store;
    this.#filter = filter;
    this.#request = request;
  }

  /** The entries as messages, from a data plane that runs on meanwhile; or only how many there are. */
  async *messages(): AsyncGenerator<ReadResponse> {
    const { table, pipeline } = this.#store;
    if (this.#request.counterData !== undefined) {
      const count = await pipeline.learnedCount(table.target, this.#filter);
      yield { entities: [countEntity(this.#request, count)] };
      return;
    }
    const withTimes = this.#request.timeSinceLastHit !== undefined;
    const encoder = new LearnedEncoder(table, pipeline.learnedLayout(table.target), withTimes);
    const { key } = this.#filter;
    if (key?.every((value) => value !== undefined)) {
      yield* encoder.encode(pipeline.learnedFind(table.target, key));
      return;
    }
    for await (const piece of pipeline.learnedPieces(table.target, this.#filter))
      yield* encoder.encode(piece);
  }
}

/**
 * What a read of learned entries asks for; undefined if it is no such read. Beside all entries and the one of a key, as of
 * any table, those can be read that an action has made, and those that agree in some fields of the key.
 */
export function readLearned(forwarding: Forwarding, { entity }: Entity): LearnedReading | undefined {
  if (entity?.$case !== 'tableEntry') return undefined;
  const filter = entity.value;
  if (filter.tableId === 0 || filter.isDefaultAction) return undefined;
  const store = forwarding.table(filter.tableId);
  const { table } = store;
  if (table.kind !== 'learner') return undefined;
  if (filter.priority !== 0 || filter.metadata.length > 0 || filter.controllerMetadata !== 0n)
    fail(
      'INVALID_ARGUMENT',
      `table ${table.p4.alias} is filled by the data plane: its entries have no priority and no metadata`,
    );
  return new LearnedReading(store, { ...actionFilter(store, filter), ...keyFilter(store, filter) }, filter);
}

/** The answer to a request that asks how many entries there are: the request, with their number. */
function countEntity(request: TableEntry, count: number): Entity {
  const counterData = { byteCount: 0n, packetCount: BigInt(count) };
  return { entity: { $case: 'tableEntry', value: { ...request, counterData } } };
}

function actionFilter({ table }: TableStore, { action }: TableEntry): LearnedFilter {
  if (action === undefined) return {};
  if (action.type?.$case !== 'action')
    fail('INVALID_ARGUMENT', `table ${table.p4.alias}: entries can only be filtered by an action`);
  const id = action.type.value.actionId;
  const wanted =
    table.actions.get(id) ?? fail('INVALID_ARGUMENT', `table ${table.p4.alias}: no action ${id}`);
  return { action: wanted.target };
}

function keyFilter({ table }: TableStore, { match }: TableEntry): LearnedFilter {
  return match.length === 0 ? {} : { key: parseFields(table, match).map((field) => field?.value) };
}
