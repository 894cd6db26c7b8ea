import type { Socket } from 'node:net';
import { messageOf } from '@infra-offload/base';
import {
  type Dialect,
  decodeToDataplane,
  encodeFrame,
  encodeFromDataplane,
  FelixError,
  FelixState,
  FrameDecoder,
  type FromDataplane,
} from '@infra-offload/felix';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';

export interface FelixConnectionOptions {
  readonly socket: Socket;
  readonly dialect: Dialect;
  readonly logger: Logger;
  /** Called with the kind of each message. */
  readonly onMessage: (type: string) => void;
  /** Called when the state may have changed. */
  readonly onChange: (connection: FelixConnection) => void;
  /** Called once, when the connection is no more. */
  readonly onEnd: (connection: FelixConnection) => void;
}

/** What Felix has not read of ours above which nothing more is written: it reads slowly, or not at all. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** One run of Felix: what it says, from its first message on. */
export class FelixConnection {
  /** What has been said on this connection. */
  readonly state = new FelixState();
  readonly #options: FelixConnectionOptions;
  readonly #decoder = new FrameDecoder();
  /** Oddities that were logged, by message without names. */
  readonly #logged = new Set<string>();
  #sequenceNumber = 0n;
  #usesPolicyIds = false;
  #isOpen = true;

  constructor(options: FelixConnectionOptions) {
    this.#options = options;
    const { socket } = options;
    const guard = new Guard((error) => this.fault(error));
    socket.on(
      'data',
      guard.handler((chunk: Buffer) => this.#receive(chunk)),
    );
    socket.on(
      'end',
      guard.handler(() => this.#finish()),
    );
    socket.on(
      'error',
      guard.handler((error) => this.close(messageOf(error))),
    );
    socket.on(
      'close',
      guard.handler(() => this.close('Felix has gone')),
    );
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether Felix names policies by kind, as it does from Calico 3.32 on. */
  get usesPolicyIds(): boolean {
    return this.#usesPolicyIds;
  }

  /** @returns false if it could not be sent, since Felix does not read. */
  send(message: FromDataplane): boolean {
    const { socket } = this.#options;
    if (!this.#isOpen || socket.writableLength > MAX_UNREAD_BYTES) return false;
    this.#sequenceNumber += 1n;
    socket.write(encodeFrame(encodeFromDataplane(message, this.#sequenceNumber)));
    return true;
  }

  /** Ends it. What it has said stays in force until another connection has said everything. */
  close(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { socket, logger, onEnd } = this.#options;
    logger.warn(
      { reason, inSync: this.state.isInSync },
      'the connection to Felix has ended; its policies stay',
    );
    socket.destroy();
    onEnd(this);
  }

  /** Ends it because of an error of our own. */
  fault(error: unknown): void {
    this.#options.logger.error({ err: error }, 'internal error');
    this.close(messageOf(error));
  }

  #receive(chunk: Buffer): void {
    if (!this.#isOpen) return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(frame);
    } catch (error) {
      if (!FelixError.is(error)) throw error;
      this.#options.logger.error(
        { code: error.code, reason: error.message },
        'Felix sent something unreadable',
      );
      this.close(error.message);
      return;
    }
    this.#options.onChange(this);
  }

  #take(frame: Uint8Array): void {
    const { dialect, logger, onMessage } = this.#options;
    const { message } = decodeToDataplane(frame, dialect);
    onMessage(message.type);
    logger.trace({ type: message.type }, 'from Felix');
    if (message.type === 'policyUpdate' && message.id.kind !== '') this.#usesPolicyIds = true;
    const problem = this.state.apply(message);
    if (problem === undefined) return;
    // The first of a kind is a warning; thousands may follow.
    const kind = message.type === 'unknown' ? `unknown ${message.field}` : message.type;
    const level = this.#logged.has(kind) ? 'debug' : 'warn';
    this.#logged.add(kind);
    logger[level]({ type: message.type }, `Felix: ${problem}`);
  }

  #finish(): void {
    try {
      this.#decoder.end();
      this.close('Felix has gone');
    } catch (error) {
      this.close(messageOf(error));
    }
  }
}
