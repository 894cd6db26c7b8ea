import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Guard } from '@infra-offload/guard';
import { CallLedger } from './call-ledger.js';
import type { PeerLimits } from './limits.js';

/** Calls of one connection that are handed over before others have their turn. */
const CALLS_PER_TURN = 8;
/** Pause after each call of a client that is listened to slowly. */
const SLOW_MS = 50;

export interface MeteredConnectionOptions {
  readonly limits: PeerLimits;
  /** Under TLS: what that is set up on. */
  readonly transport: Socket;
  /** Called after the peer has said something; the books may have changed. */
  readonly onTraffic: (connection: MeteredConnection) => void;
  /** Called when the peer is listened to slowly from now on. */
  readonly onSlowed: (connection: MeteredConnection) => void;
  /** Called when the peer does what it must not, before the connection ends. */
  readonly onViolation: (connection: MeteredConnection, reason: string) => void;
  /** Called with an error of our own, before the connection ends. */
  readonly onFault: (connection: MeteredConnection, error: unknown) => void;
}

/**
 * A client's connection as an HTTP/2 server gets it: what passes is read along, and the connection ends when the peer does
 * what no client has to.
 *
 * A call is handed over before anything that came behind its header fields. So no call is reset, and no connection ends by
 * an error of the protocol, before there is somebody to see it: what a server writes to a stream that is gone already is an
 * exception that nobody catches.
 */
export class MeteredConnection extends Duplex {
  readonly ledger: CallLedger;
  readonly #socket: Socket;
  readonly #options: MeteredConnectionOptions;
  readonly #guard: Guard;
  /** What has come and is not handed over. While there is something, nothing more is read. */
  #chunk: Buffer | undefined;
  #at = 0;
  #isWanted = false;
  #isScheduled = false;
  #isAborted = false;
  #isSlowed = false;
  #calls = 0;
  /** Since when the system has not taken what was written. */
  #writingSince: number | undefined;

  constructor(socket: Socket, options: MeteredConnectionOptions) {
    // Nothing is to wait in here: it would leave without a pause between calls.
    super({ readableHighWaterMark: 1 });
    this.#socket = socket;
    this.#options = options;
    this.ledger = new CallLedger(options.limits);
    this.#guard = new Guard((error) => {
      options.onFault(this, error);
      this.abort();
    });
    socket.pause();
    const on = this.#guard;
    socket.on(
      'data',
      on.handler((chunk: Buffer) => {
        socket.pause();
        this.#chunk = chunk;
        this.#at = 0;
        this.#deliver();
      }),
    );
    socket.on(
      'end',
      on.handler(() => this.push(null)),
    );
    socket.on(
      'error',
      on.handler(() => this.destroy()),
    );
    socket.on(
      'close',
      on.handler(() => this.destroy()),
    );
  }

  /** How long, in milliseconds, the system has not taken what was written. */
  get stalledMs(): number {
    return this.#writingSince === undefined ? 0 : performance.now() - this.#writingSince;
  }

  /** Ends it without a word more: what was not sent yet is not kept, by the system either. */
  abort(): void {
    this.#isAborted = true;
    this.destroy();
  }

  override _read(): void {
    this.#isWanted = true;
    this.#later();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#write([chunk], done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#write(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#chunk = undefined;
    this.#socket.pause();
    // Not at once: this may be called while OpenSSL is at work on the connection.
    setImmediate(() => {
      const { transport } = this.#options;
      // The system refuses to reset what is being shut down, and Node.js would never close its descriptor then.
      const isEnding = this.#socket.writableEnded || transport.writableEnded;
      if (this.#isAborted && !isEnding && transport.remoteAddress !== undefined) transport.resetAndDestroy();
      this.#socket.destroy();
    });
    done(error);
  }

  #write(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    this.#writingSince ??= performance.now();
    for (const chunk of chunks) this.ledger.sent(chunk);
    this.#socket.cork();
    for (const [i, chunk] of chunks.entries()) {
      if (i < chunks.length - 1) this.#socket.write(chunk);
      else
        this.#socket.write(chunk, (error) => {
          this.#writingSince = undefined;
          done(error);
        });
    }
    this.#socket.uncork();
  }

  /** Hands over what there is, up to the next call's header fields; the rest comes later. */
  #deliver(): void {
    const chunk = this.#chunk;
    if (chunk === undefined || this.destroyed) return;
    const end = this.ledger.received(chunk, this.#at);
    const part = chunk.subarray(this.#at, end);
    this.#at = end;
    if (end === chunk.length) this.#chunk = undefined;
    this.#options.onTraffic(this);
    const { violation } = this.ledger;
    if (violation !== undefined && !this.destroyed) {
      this.#options.onViolation(this, violation);
      this.abort();
    }
    if (this.destroyed) return;
    this.#isWanted = this.push(part);
    this.#later();
  }

  /**
   * What comes next is for after the session's server has heard of the call, which the session tells it in the next tick.
   * That tick may have been queued just behind ours.
   */
  #later(): void {
    if (this.#isScheduled || !this.#isWanted || this.destroyed) return;
    const slowed = this.ledger.isSlowed;
    if (slowed && !this.#isSlowed) this.#options.onSlowed(this);
    this.#isSlowed = slowed;
    if (this.#chunk === undefined && !slowed) {
      this.#socket.resume();
      return;
    }
    this.#isScheduled = true;
    const goOn = this.#guard.handler(() => this.#goOn());
    this.#calls = (this.#calls + 1) % CALLS_PER_TURN;
    if (slowed) setTimeout(goOn, SLOW_MS);
    else if (this.#calls === 0) setImmediate(goOn);
    else process.nextTick(() => process.nextTick(goOn));
  }

  #goOn(): void {
    this.#isScheduled = false;
    if (this.destroyed) return;
    if (this.#chunk === undefined) this.#socket.resume();
    else this.#deliver();
  }
}
