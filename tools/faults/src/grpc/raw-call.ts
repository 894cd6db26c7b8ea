import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';

/** What a client announces and sends. */
export interface RawCall {
  /** SETTINGS_MAX_HEADER_LIST_SIZE; none is announced by default. */
  readonly maxHeaderListSize?: number | undefined;
  /** The message; empty by default. */
  readonly message?: Uint8Array;
}

/** One gRPC call on bare HTTP/2, with a connection of its own. Gives the trailers, with `:status` where there are no others. */
export async function callRaw(address: string, path: string, call: RawCall): Promise<IncomingHttpHeaders> {
  const { maxHeaderListSize, message = new Uint8Array(0) } = call;
  const session = connect(`http://${address}`, {
    settings: maxHeaderListSize === undefined ? {} : { maxHeaderListSize },
  });
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([head, message]));
    let last: IncomingHttpHeaders = {};
    const keep = (headers: IncomingHttpHeaders) => {
      last = headers;
    };
    stream.on('response', keep);
    stream.on('trailers', keep);
    stream.resume();
    await once(stream, 'close');
    return last;
  } finally {
    session.close();
  }
}

/** Bytes of headers as RFC 9113, section 6.5.2, counts them. */
export function trailersSize(headers: IncomingHttpHeaders): number {
  let size = 0;
  for (const [name, value] of Object.entries(headers)) size += name.length + String(value).length + 32;
  return size;
}
