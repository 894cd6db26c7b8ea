import { parseSpec, SwxError, SwxPipeline, type Trace } from '@infra-offload/swx';
import type {
  DataplaneEntry,
  KeyField,
  LearnedLayout,
  LearnedPiece,
  MeterStats,
  Pipeline,
  PipelineSchema,
  Value,
  WrittenState,
} from '../dataplane/dataplane.js';
import { schemaOf } from '../dataplane/schema.js';
import { fail, SoftswitchError } from '../errors.js';

/** A program in the engine and in no data plane: changes are live at once, packets come from {@link trace} alone. */
export class OfflinePipeline implements Pipeline {
  readonly schema: PipelineSchema;
  readonly #swx: SwxPipeline;

  /** INVALID_ARGUMENT if the engine cannot run the program. */
  constructor(text: string, file: string) {
    try {
      const spec = parseSpec(text, { file });
      this.schema = schemaOf(spec);
      // Time stands still: nothing expires between a question and its answer.
      this.#swx = new SwxPipeline(spec, { now: () => 0, onTransmit: () => undefined });
    } catch (error) {
      if (!SwxError.is(error)) throw error;
      throw new SoftswitchError('INVALID_ARGUMENT', error.message, { cause: error });
    }
  }

  trace(port: number, packet: Uint8Array): Trace {
    return this.#swx.trace(port, packet);
  }

  /** Has a learner know an entry; gives its number. */
  learn(learner: string, key: readonly Value[], action: string, args: readonly Value[]): number {
    return this.#swx.learnerSet(learner, { key, action, args, timeoutIndex: 0 });
  }

  tableSet(table: string, entry: DataplaneEntry): void {
    this.#swx.tableSet(table, entry);
  }

  tableDelete(table: string, key: readonly KeyField[], priority?: number): void {
    this.#swx.tableDelete(table, key, priority);
  }

  tableSetDefault(table: string, action: string, args: readonly Value[]): void {
    if (this.schema.tables.get(table)?.kind === 'learner') this.#swx.learnerSetDefault(table, action, args);
    else this.#swx.tableSetDefault(table, action, args);
  }

  entryIndex(table: string, key: readonly KeyField[], priority?: number): number {
    return this.#swx.entryIndex(table, key, priority);
  }

  selectorSet(selector: string, group: number, members: readonly { member: number; weight: number }[]): void {
    this.#swx.selectorSet(selector, group, members);
  }

  selectorDelete(selector: string, group: number): void {
    this.#swx.selectorDelete(selector, group);
  }

  registerRead(register: string, index: number): bigint {
    return this.#swx.registerRead(register, index);
  }

  registerWrite(register: string, index: number, value: bigint): void {
    this.#swx.registerWrite(register, index, value);
  }

  note(): void {}

  commit(): undefined {
    return undefined;
  }

  discard(): void {}

  get written(): WrittenState {
    return this.#absent();
  }

  learnedLayout(): LearnedLayout {
    return this.#absent();
  }

  learnedPieces(): AsyncIterable<LearnedPiece> {
    return this.#absent();
  }

  learnedFind(): LearnedPiece {
    return this.#absent();
  }

  learnedCount(): Promise<number> {
    return this.#absent();
  }

  learnedForget(): () => void {
    return this.#absent();
  }

  meterSet(): () => void {
    return this.#absent();
  }

  meterClear(): () => void {
    return this.#absent();
  }

  meterStats(): MeterStats {
    return this.#absent();
  }

  #absent(): never {
    return fail('UNIMPLEMENTED', 'a program without a data plane has no meters, and cannot be read');
  }
}
