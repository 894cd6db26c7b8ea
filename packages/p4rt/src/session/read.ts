import type { ClientReadableStream } from '@grpc/grpc-js';
import { canonicalCode } from '../canonical-code.js';
import { P4rtError, rpcError } from '../errors.js';
import {
  type Entity,
  P4RuntimeService,
  type ReadRequest,
  type ReadResponse,
} from '../gen/p4/v1/p4runtime.js';
import { isServiceError, type Rpc } from '../rpc.js';
import { streamMessages } from '../stream-messages.js';
import { updateStatuses } from './update-status.js';

/** The entities of a Read as they arrive, see {@link streamMessages}. */
export async function* readEntities(
  rpc: Rpc,
  request: ReadRequest,
  idleMs: number,
): AsyncGenerator<Entity, void, void> {
  const { path, requestSerialize, responseDeserialize } = P4RuntimeService.read;
  const call: ClientReadableStream<ReadResponse> = rpc.client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
  );
  try {
    for await (const response of streamMessages<ReadResponse>(rpc, 'Read', call, idleMs)) {
      yield* response.entities;
    }
  } catch (error) {
    throw firstFailure(rpc, request, error) ?? error;
  }
}

/** The status of the first entity that could not be read, where the server tells one for each. */
function firstFailure(rpc: Rpc, request: ReadRequest, error: unknown): P4rtError | undefined {
  if (!P4rtError.is(error, 'UNKNOWN') || !isServiceError(error.cause)) return undefined;
  const statuses = updateStatuses(error.cause, request.entities.length);
  for (const [i, one] of (statuses ?? []).entries()) {
    if (one.kind !== 'failed') continue;
    const where = request.entities.length > 1 ? `entities[${i}]: ` : '';
    return rpcError('Read', rpc.address, canonicalCode(one.code), `${where}${one.message}`, error.cause);
  }
  return undefined;
}
