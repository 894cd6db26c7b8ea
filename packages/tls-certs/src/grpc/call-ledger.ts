import { Allowance } from './allowance.js';
import { Flag, type FrameHeader, FrameReader, type FrameSink, FrameType, PREFACE } from './frame-reader.js';
import { FrameRules } from './frame-rules.js';
import type { PeerLimits } from './limits.js';

/** Windows of flow control, until they are told otherwise (RFC 9113, 6.9.2). */
const INITIAL_WINDOW = 65_535;
const SETTINGS_INITIAL_WINDOW_SIZE = 0x4;
/** A SETTINGS frame of this many bytes names each setting that there is several times. */
const MAX_SETTINGS_BYTES = 360;
/** Length and compression flag before each gRPC message. */
const MESSAGE_PREFIX = 5;
/** What a frame costs of those that carry nothing. A reset has had a call made, and unmade. */
const RESET_COST = 5;

interface Call {
  /** Bytes that may still be sent to the peer. */
  window: number;
  /** Since when there is no such byte. */
  blockedSince: number | undefined;
  /** Whether anything was answered yet. */
  isAnswered: boolean;
  /** All bytes of requests. */
  received: number;
  /** Of the message that is not complete: bytes that have come, and what its length is once that is known. */
  partial: number;
  messageLength: number;
  /** Padding is not looked into, and nobody uses it: all bytes count as one message that never ends. */
  isOpaque: boolean;
}

/**
 * The books of one HTTP/2 connection, kept by reading along in both directions: which calls are under way, how much the
 * server holds for them, which ones wait for the peer to read, and how much the peer says that carries nothing.
 */
export class CallLedger {
  readonly #limits: PeerLimits;
  readonly #now: () => number;
  readonly #rules = new FrameRules();
  readonly #calls = new Map<number, Call>();
  readonly #incoming: FrameReader;
  readonly #outgoing: FrameReader;
  #lastCall = 0;
  #heldBytes = 0;
  #headerBytes = 0;
  #window = INITIAL_WINDOW;
  #initialWindow = INITIAL_WINDOW;
  #blockedSince: number | undefined;
  readonly #empty: Allowance;
  readonly #failures: Allowance;
  #violation: string | undefined;
  /** Small payloads that are looked into. */
  #payload: number[] = [];

  constructor(limits: PeerLimits, now: () => number = performance.now.bind(performance)) {
    this.#limits = limits;
    this.#now = now;
    this.#empty = new Allowance(limits.controlFrames, limits.controlFramesPerSecond, now());
    this.#failures = new Allowance(limits.failedCalls, limits.failedCallsPerSecond, now());
    this.#incoming = new FrameReader(this.#fromPeer(), PREFACE);
    this.#outgoing = new FrameReader(this.#toPeer());
  }

  /** Calls under way. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Bytes of requests that are incomplete, or not answered yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What the peer must not do and has done; undefined if nothing. */
  get violation(): string | undefined {
    return this.#violation;
  }

  /** Whether the peer is to be listened to slowly: many of its calls have come to nothing, or wait for it to read. */
  get isSlowed(): boolean {
    return this.#failures.left(this.#now()) < 0 || this.unread(0) >= this.#limits.unreadCallsPerAddress;
  }

  /**
   * Reads along what comes from the peer, up to the end of the next call's header fields. Gives where it stopped: what is
   * behind must not be let through before the call has reached its server.
   */
  received(bytes: Buffer, from: number): number {
    const end = this.#incoming.read(bytes, from);
    if (this.#incoming.isPrefaceWrong) this.#violation ??= 'it does not speak HTTP/2';
    return end;
  }

  /** Reads along what is sent to the peer. */
  sent(bytes: Buffer): void {
    this.#empty.earn(bytes.length / 1024);
    this.#outgoing.read(bytes);
  }

  /** How many calls have had something to send for `ms` that the peer gives no room for. */
  unread(ms: number): number {
    const before = this.#now() - ms;
    const isOver = (since: number | undefined) => since !== undefined && since <= before;
    const isAllBlocked = isOver(this.#blockedSince);
    let count = 0;
    for (const call of this.#calls.values()) {
      if (isOver(call.blockedSince) || (isAllBlocked && call.isAnswered)) count++;
    }
    return count;
  }

  #fromPeer(): FrameSink {
    return {
      begin: (frame) => {
        this.#payload = [];
        const wrong = this.#rules.check(frame);
        if (wrong !== undefined) this.#violation ??= `it does not speak HTTP/2: ${wrong}`;
        this.#began(frame);
      },
      payload: (frame, bytes) => {
        if (frame.type === FrameType.data) this.#data(frame, bytes);
        else if (isLookedInto(frame)) this.#payload.push(...bytes);
      },
      end: (frame) => {
        this.#complete(frame);
        const isBlock = frame.type === FrameType.headers || frame.type === FrameType.continuation;
        return isBlock && (frame.flags & Flag.endHeaders) !== 0;
      },
    };
  }

  #began({ type, length, flags, stream }: FrameHeader): void {
    switch (type) {
      case FrameType.headers:
        this.#headers(length);
        // A second block of a call is its trailers, which gRPC has none of from clients.
        if (stream <= this.#lastCall) this.#spend(1);
        else {
          this.#lastCall = stream;
          this.#calls.set(stream, this.#newCall());
        }
        return;
      case FrameType.continuation:
        this.#headers(this.#headerBytes + length);
        this.#spend(1);
        return;
      case FrameType.data: {
        if (length === 0 && (flags & Flag.endStream) === 0) this.#spend(1);
        const call = this.#calls.get(stream);
        if (call !== undefined && (flags & Flag.padded) !== 0) call.isOpaque = true;
        return;
      }
      case FrameType.rstStream:
        this.#spend(RESET_COST);
        return;
      case FrameType.settings:
        if (length > MAX_SETTINGS_BYTES) this.#violation = 'it sends SETTINGS without end';
        this.#spend(1);
        return;
      default:
        this.#spend(1);
    }
  }

  #complete({ type, flags, stream }: FrameHeader): void {
    switch (type) {
      case FrameType.rstStream:
        this.#close(stream);
        return;
      case FrameType.windowUpdate:
        this.#widen(stream, uint32(this.#payload, 0) % 2 ** 31);
        return;
      case FrameType.settings:
        if ((flags & Flag.ack) === 0) this.#settings();
        return;
      default:
    }
  }

  #toPeer(): FrameSink {
    return {
      begin: ({ type, length, flags, stream }) => {
        const call = this.#calls.get(stream);
        if (call === undefined) return;
        if (type === FrameType.headers && !call.isAnswered) {
          // Nothing but a status.
          if ((flags & Flag.endStream) !== 0) this.#failures.spend(1, this.#now());
          this.#held(call, () => {
            call.isAnswered = true;
          });
        } else if (type === FrameType.data) {
          const now = this.#now();
          call.window -= length;
          this.#window -= length;
          if (call.window <= 0) call.blockedSince ??= now;
          if (this.#window <= 0) this.#blockedSince ??= now;
        }
      },
      payload: () => {},
      end: ({ type, flags, stream }) => {
        const carriesEnd = type === FrameType.headers || type === FrameType.data;
        if (carriesEnd && (flags & Flag.endStream) !== 0) {
          this.#empty.earn(1);
          this.#close(stream);
        } else if (type === FrameType.rstStream) this.#close(stream);
        return false;
      },
    };
  }

  #newCall(): Call {
    return {
      window: this.#initialWindow,
      blockedSince: this.#initialWindow > 0 ? undefined : this.#now(),
      isAnswered: false,
      received: 0,
      partial: 0,
      messageLength: 0,
      isOpaque: false,
    };
  }

  #close(stream: number): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#heldBytes -= heldFor(call);
    this.#calls.delete(stream);
  }

  #data({ stream }: FrameHeader, bytes: Uint8Array): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#held(call, () => {
      call.received += bytes.length;
      if (!call.isOpaque) followMessages(call, bytes);
    });
  }

  #held(call: Call, change: () => void): void {
    this.#heldBytes -= heldFor(call);
    change();
    this.#heldBytes += heldFor(call);
  }

  #headers(bytes: number): void {
    this.#headerBytes = bytes;
    const most = this.#limits.headerBytes;
    if (bytes > most) this.#violation = `it sends more than ${most} bytes of header fields`;
  }

  #widen(stream: number, increment: number): void {
    if (increment === 0) this.#violation ??= 'it does not speak HTTP/2: WINDOW_UPDATE by nothing';
    if (stream === 0) {
      this.#window += increment;
      if (this.#window > 0) this.#blockedSince = undefined;
      return;
    }
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    call.window += increment;
    if (call.window > 0) call.blockedSince = undefined;
  }

  #settings(): void {
    for (let at = 0; at + 6 <= this.#payload.length; at += 6) {
      const identifier = ((this.#payload[at] ?? 0) << 8) | (this.#payload[at + 1] ?? 0);
      if (identifier !== SETTINGS_INITIAL_WINDOW_SIZE) continue;
      const size = uint32(this.#payload, at + 2);
      // It holds for calls that are under way, too (RFC 9113, 6.9.2).
      for (const call of this.#calls.values()) {
        call.window += size - this.#initialWindow;
        if (call.window <= 0) call.blockedSince ??= this.#now();
        else call.blockedSince = undefined;
      }
      this.#initialWindow = size;
    }
  }

  #spend(cost: number): void {
    this.#empty.spend(cost, this.#now());
    if (this.#empty.left(this.#now()) < 0) {
      this.#violation ??= 'it sends too many frames that carry nothing (SETTINGS, PING, RST_STREAM …)';
    }
  }
}

function isLookedInto({ type, length }: FrameHeader): boolean {
  if (type === FrameType.windowUpdate) return length === 4;
  return type === FrameType.settings && length <= MAX_SETTINGS_BYTES;
}

function heldFor(call: Call): number {
  return call.isAnswered && !call.isOpaque ? call.partial : call.received;
}

/** Finds where the gRPC messages end in what a call sends. */
function followMessages(call: Call, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    if (call.partial < MESSAGE_PREFIX) {
      if (call.partial === 0) call.messageLength = 0;
      // The first byte tells whether the message is compressed; the others are its length.
      if (call.partial > 0) call.messageLength = call.messageLength * 256 + (bytes[at] ?? 0);
      call.partial++;
      at++;
    } else {
      const taken = Math.min(MESSAGE_PREFIX + call.messageLength - call.partial, bytes.length - at);
      call.partial += taken;
      at += taken;
    }
    if (call.partial >= MESSAGE_PREFIX && call.partial === MESSAGE_PREFIX + call.messageLength) {
      call.partial = 0;
    }
  }
}

function uint32(bytes: readonly number[], at: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
