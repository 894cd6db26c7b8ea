import type { ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { encodedLength, statusText } from './status-text.js';

/**
 * What every gRPC client takes: those on C-core (C++, Python, Ruby, PHP) and Java refuse metadata of over 8 KiB unless
 * told otherwise.
 */
const EVERYBODY_BYTES = 8_192;
/** Clients on C-core announce 16 KiB, and yet refuse at random what is over 8 KiB ("soft limit", "hard limit"). */
const HARD_LIMIT_BYTES = 16_384;
/** Where C-core's soft limit lies when its hard one has been raised. */
const SOFT_SHARE = 0.8;
/**
 * What clients take that announce nothing, which means no limit (RFC 9113, section 6.5.2). The HTTP/2 of Node, which
 * grpc-js has, takes no more than 64 KiB even so: its connection stops for good.
 */
const MOST_BYTES = 57_344;
/** How a setting reads that was not announced. */
const UNANNOUNCED = 0xffff_ffff;
/** The headers that go with a status, by the count of RFC 9113 (name, value and 32 bytes each), and a few to spare. */
const OTHER_HEADERS_BYTES = 512;
/** Longest text of a status, however much the client takes. */
const MESSAGE_BYTES = 4_096;
/** A header's own bytes by the count of RFC 9113, section 6.5.2. */
const HEADER_BYTES = 32;

/** What a client takes of which nothing is known. */
export const DEFAULT_STATUS_BYTES = EVERYBODY_BYTES - OTHER_HEADERS_BYTES;

const rooms = new WeakMap<Metadata, number>();

/**
 * Bytes that the text of a status and its metadata may have together so that the client of a call can take them: what
 * its connection announced (SETTINGS_MAX_HEADER_LIST_SIZE), less the other headers. The text counts in percent
 * encoding, binary metadata in base64. {@link DEFAULT_STATUS_BYTES} on servers without {@link statusLimits}.
 *
 * @param call what a handler gets
 */
export function statusBytes(call: { readonly metadata: Metadata }): number {
  return rooms.get(call.metadata) ?? DEFAULT_STATUS_BYTES;
}

/**
 * Has a server send no status that its client cannot take, whatever the text is made of; one that is too long would
 * reach it as another error, or end its connection. Texts are cut. Metadata that does not fit is left out, and the text
 * says so. Belongs into the `interceptors` of every server.
 */
export const statusLimits: ServerInterceptor = (_method, call) => {
  const room = roomOf(maxHeaderListSize(call));
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, done) => {
          rooms.set(metadata, room);
          done(metadata);
        },
      }),
    sendStatus: (status, next) => next(limited(status, room)),
  });
};

/** @param announced undefined where it is not known */
export function roomOf(announced: number | undefined): number {
  if (announced === undefined) return DEFAULT_STATUS_BYTES;
  const takes =
    announced <= HARD_LIMIT_BYTES
      ? Math.min(announced, EVERYBODY_BYTES)
      : Math.min(announced === UNANNOUNCED ? MOST_BYTES : announced * SOFT_SHARE, MOST_BYTES);
  return Math.max(0, Math.floor(takes) - OTHER_HEADERS_BYTES);
}

type PartialStatus = Parameters<ServerInterceptingCall['sendStatus']>[0];

function limited({ code, details = '', metadata = null }: PartialStatus, room: number): PartialStatus {
  const most = Math.min(room, MESSAGE_BYTES);
  const text = statusText(details, most);
  const size = metadata === null ? 0 : sizeOf(metadata);
  if (encodedLength(text) + size <= room) return { code, details: text, metadata };
  const notice = `${size} bytes of metadata left out, more than the client takes`;
  return { code, details: statusText(`${notice}: ${details}`, most), metadata: null };
}

function sizeOf(metadata: Metadata): number {
  let size = 0;
  for (const [name, values] of Object.entries(metadata.toHttp2Headers())) {
    const list = Array.isArray(values) ? values : [String(values)];
    for (const value of list) size += name.length + value.length + HEADER_BYTES;
  }
  return size;
}

/** What the client announced. grpc-js keeps the stream to itself, hence the careful look. */
function maxHeaderListSize(call: object): number | undefined {
  let inner: unknown = call;
  while (isObject(inner) && 'nextCall' in inner) inner = inner.nextCall;
  const stream = isObject(inner) && 'stream' in inner ? inner.stream : undefined;
  return isServerStream(stream) ? stream.session?.remoteSettings.maxHeaderListSize : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isServerStream(value: unknown): value is ServerHttp2Stream {
  return value instanceof Duplex && 'session' in value && 'sentTrailers' in value;
}
