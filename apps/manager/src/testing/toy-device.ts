import { P4rtError, type WriteFailure } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type } from '@infra-offload/p4rt/proto';
import { Owner } from '@infra-offload/reconciler';
import { type ToyRow, toyModel } from '@infra-offload/reconciler/testing';
import { createLoggers } from '../log.js';
import { Epochs } from '../reconciler/epochs.js';
import { type Device, Reconciler, type ReconcilerOptions, type RowCodec } from '../reconciler/reconciler.js';

const logger = createLoggers({ level: 'silent', modules: {} }).reconciler;
const TABLES = ['leaf', 'group', 'head'];
export const leaf = (id: number, value = 0): ToyRow => ({ table: 'leaf', id, value });
export const group = (id: number, ...leaves: number[]): ToyRow => ({ table: 'group', id, leaves });

/** An entity is the text of a row, or of what is asked. */
const entityOf = (text: string): Entity => ({
  entity: {
    $case: 'externEntry',
    value: { externTypeId: 0, externId: 0, entry: { typeUrl: text, value: new Uint8Array() } },
  },
});
const textOf = ({ entity }: Entity): string =>
  entity?.$case === 'externEntry' ? (entity.value.entry?.typeUrl ?? '') : '';
const EPOCH = 'epoch';
export const RPC = { address: 'x', method: 'Write', grpcCode: 14, serverMessage: '' };

export const toyCodec: RowCodec<ToyRow> = {
  ...toyModel,
  tables: TABLES,
  toEntity: (row) => entityOf(JSON.stringify(row)),
  fromEntity: (entity) =>
    textOf(entity).startsWith('{') ? (JSON.parse(textOf(entity)) as ToyRow) : undefined,
  readAll: (table) => [entityOf(table)],
};
export const toyCodecWithFlows: RowCodec<ToyRow> = {
  ...toyCodec,
  flows: {
    read: entityOf(EPOCH),
    of: (entity) => (textOf(entity).startsWith('epoch ') ? Number(textOf(entity).slice(6)) : undefined),
    entity: (epoch) => entityOf(`epoch ${epoch}`),
    outdatedBy: ({ kind }) => kind === 'delete',
  },
};

/** Takes writes at once, unless they are held; notes them. */
export class NotingDevice implements Device {
  readonly rows = new Map<string | number, ToyRow>();
  readonly writes: string[][] = [];
  epoch: number | undefined;
  /** Held until this resolves. */
  gate: Promise<void> | undefined;
  fails: (text: string) => WriteFailure['code'] | Error | undefined = () => undefined;

  async write(updates: readonly Update[]): Promise<void> {
    this.writes.push(updates.map(({ type, entity }) => `${Update_Type[type]} ${keyOf(entity)}`));
    await this.gate;
    const failures: WriteFailure[] = [];
    updates.forEach((update, index) => {
      const text = update.entity === undefined ? '' : textOf(update.entity);
      const code = this.fails(text);
      if (code instanceof Error) throw code;
      if (code !== undefined) failures.push({ update, index, code, message: '', sent: true, entry: text });
      else this.#take(update, text);
    });
    if (failures.length > 0)
      throw new P4rtError('WRITE_FAILED', 'some failed', {
        details: { failures, total: updates.length, address: 'x' },
      });
  }

  async *read(wanted: readonly Entity[]): AsyncIterable<Entity> {
    for (const one of wanted) {
      const table = textOf(one);
      if (table === EPOCH && this.epoch !== undefined) yield entityOf(`epoch ${this.epoch}`);
      for (const row of [...this.rows.values()]) if (row.table === table) yield toyCodec.toEntity(row);
    }
  }

  hold(row: ToyRow): void {
    this.rows.set(toyCodec.key(row), row);
  }

  #take({ type }: Update, text: string): void {
    if (text.startsWith('epoch ')) {
      this.epoch = Number(text.slice(6));
      return;
    }
    const row = JSON.parse(text) as ToyRow;
    if (type === Update_Type.DELETE) this.rows.delete(toyCodec.key(row));
    else this.hold(row);
  }
}

function keyOf(entity: Entity | undefined): string {
  const text = entity === undefined ? '' : textOf(entity);
  return text.startsWith('{') ? String(toyCodec.key(JSON.parse(text) as ToyRow)) : text;
}

/** Reconcilers of toy rows, and what they tell. */
export class ToyReconcilers {
  readonly device = new NotingDevice();
  readonly owner = new Owner<ToyRow>('a');
  readonly told: string[] = [];
  readonly #made: Reconciler<ToyRow>[] = [];

  start(options: Partial<ReconcilerOptions> = {}, codec = toyCodec): Reconciler<ToyRow> {
    const reconciler = new Reconciler<ToyRow>(
      codec,
      new Epochs(() => 5_000),
      {
        batchUpdates: 100,
        batchBytes: 1e6,
        writesInFlight: 1,
        maxRetryMs: 1_000,
        keepsUnknown: false,
        ...options,
      },
      {
        found: (rows) => void this.told.push(`found ${rows.map((row) => codec.key(row)).join(' ')}`),
        progressed: (owners) =>
          void this.told.push(...owners.map(({ key, progress }) => `${key} ${progress}`)),
        suspected: (suspicion) => void this.told.push(`suspected ${suspicion}`),
      },
      logger,
    );
    this.#made.push(reconciler);
    return reconciler;
  }

  stop(): void {
    for (const reconciler of this.#made) reconciler.detach();
  }
}

/** Waits until all that can be carried out is. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
