import type { ClientReadableStream } from '@grpc/grpc-js';
import {
  type Entity,
  P4RuntimeService,
  type ReadRequest,
  type ReadResponse,
} from '../gen/p4/v1/p4runtime.js';
import type { Rpc } from '../rpc.js';
import { streamMessages } from '../stream-messages.js';

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
  for await (const response of streamMessages<ReadResponse>(rpc, 'Read', call, idleMs))
    yield* response.entities;
}
