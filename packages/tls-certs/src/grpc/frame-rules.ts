import { Flag, type FrameHeader, FrameType } from './frame-reader.js';

/** Largest payload, as long as a server does not allow more; ours do not (RFC 9113, 4.2). */
const MAX_FRAME = 16_384;

/**
 * Checks what a client's frames look like and in what order they come (RFC 9113, 4 to 6), as far as it can be seen without
 * looking into header fields. A client that gets this wrong is broken or hostile, and the HTTP/2 implementation of Node.js is
 * not to be asked what it makes of it: some of it ends the process there.
 */
export class FrameRules {
  #isFirst = true;
  /** The stream whose header fields are not complete. */
  #block: number | undefined;
  #lastCall = 0;

  /** What is wrong with the next frame; undefined if nothing is. */
  check(frame: FrameHeader): string | undefined {
    const { type, length, flags, stream } = frame;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (length > MAX_FRAME) return 'a frame that is too long';
    if (isFirst && (type !== FrameType.settings || (flags & Flag.ack) !== 0))
      return 'no SETTINGS at the beginning';
    if (type === FrameType.continuation) {
      if (stream !== this.#block) return 'CONTINUATION of nothing';
      if ((flags & Flag.endHeaders) !== 0) this.#block = undefined;
      return undefined;
    }
    if (this.#block !== undefined) return 'a frame amid header fields';
    if (type === FrameType.headers) {
      if (stream % 2 === 0) return "HEADERS of a stream that is not the client's";
      this.#lastCall = Math.max(this.#lastCall, stream);
      if ((flags & Flag.endHeaders) === 0) this.#block = stream;
      return undefined;
    }
    return checkSize(frame) ?? this.#checkStream(frame);
  }

  #checkStream({ type, stream }: FrameHeader): string | undefined {
    switch (type) {
      case FrameType.data:
      case FrameType.rstStream:
        return this.#isCall(stream) ? undefined : 'a frame of a stream that does not exist';
      case FrameType.windowUpdate:
        return stream === 0 || this.#isCall(stream)
          ? undefined
          : 'WINDOW_UPDATE of a stream that does not exist';
      case FrameType.settings:
      case FrameType.ping:
      case FrameType.goaway:
        return stream === 0 ? undefined : 'a frame of the connection on a stream';
      case FrameType.pushPromise:
        return 'PUSH_PROMISE from a client';
      default:
        return undefined;
    }
  }

  #isCall(stream: number): boolean {
    return stream % 2 === 1 && stream <= this.#lastCall;
  }
}

function checkSize({ type, length, flags }: FrameHeader): string | undefined {
  const isRight = () => {
    switch (type) {
      case FrameType.priority:
        return length === 5;
      case FrameType.rstStream:
      case FrameType.windowUpdate:
        return length === 4;
      case FrameType.settings:
        return (flags & Flag.ack) !== 0 ? length === 0 : length % 6 === 0;
      case FrameType.ping:
        return length === 8;
      case FrameType.goaway:
        return length >= 8;
      default:
        return true;
    }
  };
  return isRight() ? undefined : 'a frame of the wrong size';
}
