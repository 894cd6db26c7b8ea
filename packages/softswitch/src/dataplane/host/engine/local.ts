import { Listeners } from '@infra-offload/base';
import { fail } from '../../../errors.js';
import type { Logger } from '../../../logger.js';
import { loadedLibc } from '../../../ports/libc.js';
import type { PacketHandler } from '../../../ports/provider.js';
import type { Host, HostSource, InProcess } from '../host.js';
import { decodeAnswer, type Operation } from '../protocol.js';
import type { ByteReader } from '../wire.js';
import { type EngineClient, EngineHost } from './engine-host.js';

/** Slots for ports; those of this process cost nothing. */
const SLOTS = 65_536;

export interface LocalEngineOptions {
  readonly logger?: Logger;
  /** Clock for timeouts in milliseconds, monotonic; for tests. */
  readonly now?: () => number;
}

/** The engine in this process: what a host is for tests and for programs that embed a switch. */
export class LocalEngine implements HostSource {
  readonly #options: LocalEngineOptions;
  readonly name = 'the engine';
  readonly steadyRules = true;
  readonly inProcess: InProcess;
  #running: LocalHost | undefined;
  #transmit: ((port: number, packet: Uint8Array) => void) | undefined;

  constructor(options: LocalEngineOptions = {}) {
    this.#options = options;
    const receive: PacketHandler = (port, buffer, length) =>
      this.#running?.engine.receive(port, buffer, length);
    this.inProcess = {
      receive,
      deliver: (transmit) => {
        this.#transmit = transmit;
      },
    };
  }

  get left(): Host | undefined {
    return this.#running;
  }

  async start(spec: string): Promise<Host> {
    const engine = new EngineHost(spec, 'pipeline.spec', {
      ...this.#options,
      slots: SLOTS,
      software: 'engine',
      transmit: (port, packet) => this.#transmit?.(port, packet),
      onPortLost: (port) => host.portLost(port),
    });
    const host = new LocalHost(engine, () => {
      if (this.#running === host) this.#running = undefined;
    });
    this.#running = host;
    return host;
  }

  async close(): Promise<void> {}
}

class LocalHost implements Host, EngineClient {
  readonly #onStop: () => void;
  readonly ended: Promise<string>;
  version: number | undefined;
  watches = false;
  readonly #listeners = new Listeners<[port: number]>();
  #descriptor: number | undefined;
  #end: (reason: string) => void = () => undefined;
  #gone = false;

  constructor(
    readonly engine: EngineHost,
    onStop: () => void,
  ) {
    this.#onStop = onStop;
    this.version = engine.greeting.version;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get greeting() {
    return this.engine.greeting;
  }

  get description() {
    return this.engine.description;
  }

  async request(operation: Operation, body?: Uint8Array): Promise<ByteReader> {
    return this.requestNow(operation, body);
  }

  requestNow(operation: Operation, body: Uint8Array = new Uint8Array(0), descriptor?: number): ByteReader {
    if (this.#gone) fail('UNAVAILABLE', 'the engine was stopped');
    this.#descriptor = descriptor;
    const message = Buffer.from(body.buffer, body.byteOffset, body.length);
    const answer = this.engine.handle(this, operation, message);
    return decodeAnswer(0, Buffer.from(answer.buffer, answer.byteOffset, answer.length));
  }

  onPortLost(listener: (port: number) => void): void {
    this.#listeners.add(listener);
  }

  async stop(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    this.#onStop();
    await this.engine.stop();
    this.#end('it was stopped');
  }

  leave(): void {
    this.#listeners.clear();
    this.engine.leave(this);
  }

  portLost(port: number): void {
    this.#listeners.emit(port);
  }

  takeDescriptor(): number | undefined {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    // Both sides close their own.
    return descriptor === undefined ? undefined : loadedLibc()?.duplicate(descriptor);
  }

  giveDescriptor(): void {
    fail('UNIMPLEMENTED', 'descriptors stay in this process');
  }
}
