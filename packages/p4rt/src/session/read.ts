import { status } from '@grpc/grpc-js';
import type { P4rtError } from '../errors.js';
import {
  type Entity,
  P4RuntimeService,
  type ReadRequest,
  type ReadResponse,
} from '../gen/p4/v1/p4runtime.js';
import type { Rpc } from './rpc.js';

const METHOD = 'Read';

/**
 * The entities of a Read as they arrive. The server is only asked for more as they are taken; leaving the loop early
 * cancels the call.
 * @param idleMs Longest wait for the next answer, not counting the time the caller takes.
 */
export async function* readEntities(
  rpc: Rpc,
  request: ReadRequest,
  idleMs: number,
): AsyncGenerator<Entity, void, void> {
  const { path, requestSerialize, responseDeserialize } = P4RuntimeService.read;
  const call = rpc.track(
    rpc.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request),
  );
  // After a cancel nobody iterates any more, but the stream still reports it.
  call.on('error', () => undefined);
  const responses: AsyncIterator<ReadResponse> = call[Symbol.asyncIterator]();
  let timedOut: P4rtError | undefined;
  try {
    for (;;) {
      const timer = setTimeout(() => {
        timedOut = rpc.error(METHOD, status.DEADLINE_EXCEEDED, `no answer within ${idleMs} ms`);
        call.cancel();
      }, idleMs);
      const next = await responses.next().finally(() => clearTimeout(timer));
      if (timedOut !== undefined) throw timedOut;
      if (next.done === true) return;
      yield* next.value.entities;
    }
  } catch (error) {
    throw timedOut ?? rpc.wrap(METHOD, error);
  } finally {
    call.cancel();
    rpc.untrack(call);
  }
}
