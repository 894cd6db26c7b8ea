import { parseSpec, SwxError, SwxPipeline, type SwxSpec } from '@infra-offload/swx';
import { fail, SoftswitchError, type StatusName } from '../../../errors.js';
import type { Logger } from '../../../logger.js';
import { Layout } from '../layout.js';
import {
  BATCH_COMMIT,
  type Description,
  type Greeting,
  MAGIC,
  Operation,
  PROTOCOL_VERSION,
  STABLE_OPERATIONS,
  writeDescription,
  writeGreeting,
  writePorts,
} from '../protocol.js';
import { writeStatistics } from '../statistics.js';
import { writeTrace } from '../trace.js';
import { ByteReader } from '../wire.js';
import { ChangeReader } from './changes.js';
import { EnginePorts } from './engine-ports.js';
import { Lists } from './lists.js';
import { Notes } from './notes.js';

/** How often a failing program is logged; it may fail for every packet. */
const LOG_INTERVAL_MS = 10_000;
/** Bytes of changes that may be staged. */
const STAGED_MAX = 256 << 20;
const NOTHING = new Uint8Array(0);

/** A client of the host. */
export interface EngineClient {
  /** The version of the protocol that it speaks; undefined before HELLO. */
  version: number | undefined;
  /** It wants to be told of events. */
  watches: boolean;
  /** The oldest descriptor that came and was not asked for yet; it is the caller's to close. */
  takeDescriptor(): number | undefined;
  /** Sends a descriptor, which stays open here, with the answer. */
  giveDescriptor(descriptor: number): void;
}

export interface EngineHostOptions {
  readonly slots: number;
  readonly software: string;
  readonly logger?: Logger;
  /** Clock for timeouts in milliseconds, monotonic; for tests. */
  readonly now?: () => number;
  /** Takes the packets for ports that are not attached here; false if nobody wants it. */
  readonly transmit?: (port: number, packet: Uint8Array) => void;
  /** Told when the device of a port is gone. */
  readonly onPortLost?: (port: number) => void;
  readonly onStop?: () => void;
}

/**
 * The engine as a data plane host: one program, its tables and its ports, controlled by the messages of the protocol.
 * Packets run between, never during, the handling of a message.
 */
export class EngineHost {
  readonly #options: EngineHostOptions;
  readonly ports: EnginePorts;
  readonly #swx: SwxPipeline;
  readonly #layout: Layout;
  readonly #notes = new Notes();
  readonly #changes: ChangeReader;
  readonly #lists: Lists;
  #started = false;
  /** Changes that wait for COMMIT, and whose they are. */
  #staged: Uint8Array[] = [];
  #owner: EngineClient | undefined;
  #failures = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;

  /** @throws SoftswitchError INVALID_ARGUMENT if the engine cannot run the program */
  constructor(spec: string, file: string, options: EngineHostOptions) {
    this.#options = options;
    const { now, onPortLost, transmit } = options;
    this.ports = new EnginePorts({
      slots: options.slots,
      receive: (port, buffer, length) => this.receive(port, buffer, length),
      ...(onPortLost !== undefined && { onPortLost }),
      ...(transmit !== undefined && { elsewhere: transmit }),
    });
    const parsed = converted('INVALID_ARGUMENT', () => parseSpec(spec, { file }));
    this.#swx = converted(
      'INVALID_ARGUMENT',
      () =>
        new SwxPipeline(parsed, {
          onTransmit: (port, packet) => this.ports.transmit(port, packet),
          ...(now !== undefined && { now }),
        }),
    );
    this.#layout = new Layout(parsed);
    this.#changes = new ChangeReader(this.#swx, this.#layout, this.#notes);
    this.#lists = new Lists(this.#swx, this.#layout, this.#notes, this.#changes);
  }

  get greeting(): Greeting {
    const { slots, software } = this.#options;
    return {
      version: PROTOCOL_VERSION,
      kind: 'engine',
      software,
      pid: process.pid,
      slots,
      started: this.#started,
      compiled: true,
      interpretedBecause: '',
    };
  }

  get description(): Description {
    return describe(this.#swx.spec, this.#layout);
  }

  /** Runs a packet that came in at a port; before START there are none. */
  readonly receive = (port: number, buffer: Uint8Array, length: number): void => {
    if (!this.#started) return;
    try {
      this.#swx.process(port, buffer, length);
    } catch (error) {
      this.#failed(port, error);
    }
  };

  /** Does what a message asks for and gives the body of the answer, or throws the reason why not. */
  handle(client: EngineClient, operation: number, body: Buffer): Uint8Array {
    return converted('INVALID_ARGUMENT', () => {
      const reader = new ByteReader(body);
      const answer = this.#handle(client, operation, reader);
      if (reader.rest > 0) fail('INVALID_ARGUMENT', `the message is ${reader.rest} bytes too long`);
      return answer;
    });
  }

  /** A client is gone; what it has staged is forgotten. */
  leave(client: EngineClient): void {
    if (this.#owner === client) this.#forget();
  }

  async stop(): Promise<void> {
    this.#started = false;
    await this.ports.stop();
  }

  #handle(client: EngineClient, operation: number, reader: ByteReader): Uint8Array {
    if (operation === Operation.HELLO) return this.#hello(client, reader);
    if (client.version === undefined) fail('INVALID_ARGUMENT', 'the first message must be HELLO');
    if (client.version !== PROTOCOL_VERSION && !STABLE_OPERATIONS.has(operation)) {
      fail(
        'UNIMPLEMENTED',
        `the client speaks version ${client.version}, this data plane version ${PROTOCOL_VERSION}`,
      );
    }
    switch (operation) {
      case Operation.DESCRIBE:
        return writeDescription(this.description);
      case Operation.BATCH:
        return this.#batch(client, reader);
      case Operation.COMMIT:
        this.#own(client);
        this.#commit();
        return NOTHING;
      case Operation.ABORT:
        this.#own(client);
        this.#forget();
        return NOTHING;
      case Operation.READ_REGISTERS:
        return this.#lists.registers(reader);
      case Operation.READ_COUNTERS:
        return this.#lists.counters(reader);
      case Operation.READ_METERS:
        return this.#lists.meters(reader);
      case Operation.STATISTICS:
        return writeStatistics(this.#lists.statistics(this.ports));
      case Operation.ADD_PORT:
        this.ports.add(reader, client.takeDescriptor.bind(client));
        return NOTHING;
      case Operation.REMOVE_PORT:
        this.ports.remove(reader.u16());
        return NOTHING;
      case Operation.INJECT:
        return this.ports.inject(reader, this.receive);
      case Operation.RECEIVE:
        return this.ports.collect();
      case Operation.START:
        this.#started = true;
        this.ports.start();
        return NOTHING;
      case Operation.STOP:
        this.#options.onStop?.();
        return NOTHING;
      case Operation.PING:
        return NOTHING;
      case Operation.WATCH:
        client.watches = true;
        for (const port of this.ports.lost()) this.#options.onPortLost?.(port);
        return NOTHING;
      case Operation.LIST_PORTS:
        return writePorts(this.ports.list());
      case Operation.TAKE_PORT:
        client.giveDescriptor(this.ports.descriptor(reader.u16()));
        return NOTHING;
      case Operation.LIST_ENTRIES:
        return this.#lists.entries(reader);
      case Operation.READ_DEFAULTS:
        return this.#lists.defaults();
      case Operation.LIST_GROUPS:
        return this.#lists.groups(reader);
      case Operation.LIST_NOTES:
        return this.#lists.notes(reader);
      case Operation.READ_NOTE:
        return this.#lists.note(reader);
      case Operation.LIST_LEARNED:
        return this.#lists.learned(reader);
      case Operation.READ_LEARNED:
        return this.#lists.readLearned(reader);
      case Operation.COUNT_LEARNED:
        return this.#lists.countLearned(reader);
      case Operation.READ_TIMEOUTS:
        return this.#lists.timeouts(reader);
      case Operation.TRACE: {
        const port = reader.u16();
        return writeTrace(this.#swx.trace(port, new Uint8Array(reader.bytes(reader.rest))));
      }
      default:
        return fail('UNIMPLEMENTED', `the engine has no operation ${operation}`);
    }
  }

  #hello(client: EngineClient, reader: ByteReader): Uint8Array {
    if (reader.u32() !== MAGIC)
      fail('INVALID_ARGUMENT', 'this is a data plane; the client speaks something else');
    client.version = reader.u16();
    return writeGreeting(this.greeting);
  }

  #batch(client: EngineClient, reader: ByteReader): Uint8Array {
    this.#own(client);
    const flags = reader.u8();
    // The message is the sender's until it is handled.
    this.#staged.push(
      flags & BATCH_COMMIT && this.#staged.length === 0
        ? reader.bytes(reader.rest)
        : new Uint8Array(reader.bytes(reader.rest)),
    );
    if (flags & BATCH_COMMIT) this.#commit();
    else if (this.#staged.reduce((sum, { length }) => sum + length, 0) > STAGED_MAX) {
      this.#forget();
      fail('RESOURCE_EXHAUSTED', `more than ${STAGED_MAX} bytes of changes are staged`);
    }
    return NOTHING;
  }

  #commit(): void {
    const parts = this.#staged;
    this.#forget();
    this.#notes.keep();
    try {
      this.#swx.atomically(() => {
        for (const part of parts)
          this.#apply(new ByteReader(Buffer.from(part.buffer, part.byteOffset, part.length)));
      });
      this.#notes.keep();
    } catch (error) {
      this.#notes.rollBack();
      throw error;
    }
  }

  #apply(reader: ByteReader): void {
    const count = reader.u32();
    for (let i = 0; i < count; i++) {
      try {
        this.#changes.apply(reader);
      } catch (error) {
        const { code, message } = convert('INVALID_ARGUMENT', error);
        throw new SoftswitchError(code, `change ${i}: ${message}`, { cause: error });
      }
    }
    if (reader.rest > 0) fail('INVALID_ARGUMENT', `the message is ${reader.rest} bytes too long`);
  }

  #own(client: EngineClient): void {
    if (this.#owner !== undefined && this.#owner !== client)
      fail('ABORTED', 'another client has staged changes and not committed them yet');
    this.#owner = client;
  }

  #forget(): void {
    this.#staged = [];
    this.#owner = undefined;
  }

  #failed(port: number, error: unknown): void {
    this.#failures++;
    const now = performance.now();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = now;
    this.#options.logger?.error(
      { port, error, failures: this.#failures },
      'the program failed on a packet, which is dropped',
    );
  }
}

function describe(spec: SwxSpec, layout: Layout): Description {
  const ids = new Map(layout.actions.map(({ name, id }) => [name, id]));
  const table = (each: Layout['tables'][number], timeouts: number): Description['tables'][number] => {
    const { actions, defaultAction, size } =
      (each.isLearner ? spec.learners : spec.tables).get(each.name) ??
      fail('INTERNAL', `no table ${each.name}`);
    return {
      name: each.name,
      exact: each.exact,
      keyless: each.fields.length === 0,
      defaultIsConst: defaultAction.isConst,
      size,
      fields: each.fields.map(({ bytes }) => bytes),
      actions: actions.map(({ name }) => ids.get(name) ?? 0),
      timeouts,
    };
  };
  return {
    actions: layout.actions,
    tables: layout.tables.map((each) => table(each, 0)),
    learners: layout.learners.map((each) => table(each, spec.learners.get(each.name)?.timeouts.length ?? 0)),
    selectors: [...spec.selectors.values()],
    registers: [...spec.registers.values()],
    meters: [...spec.meters.values()],
  };
}

function converted<T>(otherwise: StatusName, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw convert(otherwise, error);
  }
}

/** What the engine, or a message that is too short, throws. */
function convert(otherwise: StatusName, error: unknown): SoftswitchError {
  if (SoftswitchError.is(error)) return error;
  if (error instanceof RangeError)
    return new SoftswitchError('INVALID_ARGUMENT', 'the message is too short', { cause: error });
  if (!SwxError.is(error)) return SoftswitchError.from(error);
  const code = error.code === 'TABLE_FULL' ? 'RESOURCE_EXHAUSTED' : otherwise;
  return new SoftswitchError(code, error.message, { cause: error, details: { ...error.details } });
}
