import { parseSpec, SwxError, SwxPipeline, type Trace } from '@infra-offload/swx';
import { fail, SoftswitchError, type StatusName } from '../errors.js';
import type { Logger } from '../logger.js';
import type { PortProvider } from '../ports/provider.js';
import type {
  Dataplane,
  DataplaneEntry,
  KeyField,
  LearnedEntry,
  Pipeline,
  PipelineSchema,
  Value,
} from './dataplane.js';
import { schemaOf } from './schema.js';

/** How often a failing program is logged; it may fail for every packet. */
const LOG_INTERVAL_MS = 10_000;

/** The data plane that runs programs in this process, with `@infra-offload/swx`. */
export class EngineDataplane implements Dataplane {
  /** Packets run between, never during, the handling of a request. */
  readonly atomicBatches = true;
  readonly commitMayFail = false;
  #active: EnginePipeline | undefined;
  #failures = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param options.now clock for timeouts in milliseconds, monotonic; for tests
   */
  constructor(
    private readonly ports: PortProvider,
    private readonly options: { readonly logger?: Logger; readonly now?: () => number } = {},
  ) {}

  load(spec: string, file: string): Pipeline {
    return converted('INVALID_ARGUMENT', () => {
      const parsed = parseSpec(spec, { file });
      const transmit = (port: number, packet: Uint8Array): void => this.ports.transmit(port, packet);
      const { now } = this.options;
      const pipeline = new SwxPipeline(parsed, {
        onTransmit: transmit,
        ...(now === undefined ? {} : { now }),
      });
      return new EnginePipeline(pipeline, schemaOf(parsed));
    });
  }

  activate(pipeline: Pipeline | undefined): void {
    if (pipeline !== undefined && !(pipeline instanceof EnginePipeline)) {
      fail('INTERNAL', 'the pipeline belongs to another data plane');
    }
    this.#active = pipeline;
  }

  readonly receive = (port: number, buffer: Uint8Array, length: number): void => {
    if (this.#active === undefined) return;
    try {
      this.#active.swx.process(port, buffer, length);
    } catch (error) {
      this.#failed(port, error);
    }
  };

  trace(port: number, packet: Uint8Array): Trace {
    const active = this.#active ?? fail('FAILED_PRECONDITION', 'the device has no pipeline');
    return converted('INTERNAL', () => active.swx.trace(port, packet));
  }

  async stop(): Promise<void> {
    this.#active = undefined;
  }

  #failed(port: number, error: unknown): void {
    this.#failures++;
    const now = performance.now();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = now;
    this.options.logger?.error(
      { port, error, failures: this.#failures },
      'the program failed on a packet, which is dropped',
    );
  }
}

class EnginePipeline implements Pipeline {
  constructor(
    readonly swx: SwxPipeline,
    readonly schema: PipelineSchema,
  ) {}

  tableSet(table: string, entry: DataplaneEntry): void {
    try {
      this.swx.tableSet(table, entry);
    } catch (error) {
      throw convert('INTERNAL', error);
    }
  }

  tableDelete(table: string, key: readonly KeyField[], priority?: number): void {
    converted('INTERNAL', () => this.swx.tableDelete(table, key, priority));
  }

  tableSetDefault(table: string, action: string, args: readonly Value[]): void {
    converted('INTERNAL', () => this.swx.tableSetDefault(table, action, args));
  }

  entryIndex(table: string, key: readonly KeyField[], priority?: number): number {
    return this.swx.entryIndex(table, key, priority);
  }

  learnedEntries(learner: string): Iterable<LearnedEntry> {
    return this.swx.learnerEntries(learner);
  }

  selectorSet(selector: string, group: number, members: readonly { member: number; weight: number }[]): void {
    converted('INTERNAL', () => this.swx.selectorSet(selector, group, members));
  }

  selectorDelete(selector: string, group: number): void {
    converted('INTERNAL', () => this.swx.selectorDelete(selector, group));
  }

  registerRead(register: string, index: number): bigint {
    return this.swx.registerRead(register, index);
  }

  registerWrite(register: string, index: number, value: bigint): void {
    this.swx.registerWrite(register, index, value);
  }

  /** Changes are live at once. */
  commit(): undefined {
    return undefined;
  }

  /** Nothing is ever staged here. */
  discard(): void {}
}

function converted<T>(otherwise: StatusName, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw convert(otherwise, error);
  }
}

function convert(otherwise: StatusName, error: unknown): SoftswitchError {
  if (SoftswitchError.is(error)) return error;
  if (!SwxError.is(error)) return SoftswitchError.from(error);
  const code = error.code === 'TABLE_FULL' ? 'RESOURCE_EXHAUSTED' : otherwise;
  return new SoftswitchError(code, error.message, { cause: error, details: { ...error.details } });
}
