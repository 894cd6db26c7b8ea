import { type ClientReadableStream, status } from '@grpc/grpc-js';
import { Guard } from '@infra-offload/guard';
import type { P4rtError } from './errors.js';
import type { Rpc } from './rpc.js';

/**
 * The messages of a call as they arrive. The server is only asked for more as they are taken; leaving the loop early
 * cancels the call.
 * @param idleMs Longest wait for the next message, not counting the time the caller takes. Undefined waits for ever.
 */
export async function* streamMessages<T>(
  rpc: Rpc,
  method: string,
  call: ClientReadableStream<T>,
  idleMs: number | undefined,
): AsyncGenerator<T, void, void> {
  rpc.track(call);
  // After a cancel nobody iterates any more, but the stream still reports it.
  call.on('error', () => undefined);
  const messages: AsyncIterator<T> = call[Symbol.asyncIterator]();
  let timedOut: P4rtError | undefined;
  const next = async () => {
    if (idleMs === undefined) return messages.next();
    const timer = setTimeout(
      new Guard().handler(() => {
        timedOut = rpc.error(method, status.DEADLINE_EXCEEDED, `no answer within ${idleMs} ms`);
        call.cancel();
      }),
      idleMs,
    );
    return messages.next().finally(() => clearTimeout(timer));
  };
  try {
    for (let result = await next(); result.done !== true; result = await next()) yield result.value;
  } catch (error) {
    throw timedOut ?? rpc.wrap(method, error);
  } finally {
    call.cancel();
    rpc.untrack(call);
  }
}
