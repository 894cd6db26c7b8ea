import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Entity, ReadRequest, ReadResponse } from '@infra-offload/p4rt/proto';
import type { LearnedReading } from '../entities/learned.js';

/** Entities of one message: about 50 kB of table entries, far below the 4 MB that clients take by default. */
const BATCH = 512;
/** Bytes of opaque content (metadata) at which a message is sent early. */
const BATCH_BYTES = 1 << 20;

/**
 * Sends entities in messages of bounded size, no faster than the client takes them, and lets the rest of the process
 * have its turn between messages. Returns early if the client has gone.
 */
export async function sendEntities(
  call: ServerWritableStream<ReadRequest, ReadResponse>,
  entities: Iterable<Entity>,
): Promise<void> {
  let batch: Entity[] = [];
  let bytes = 0;
  for (const entity of entities) {
    batch.push(entity);
    bytes += opaqueBytes(entity);
    if (batch.length < BATCH && bytes < BATCH_BYTES) continue;
    const ready = call.write({ entities: batch });
    batch = [];
    bytes = 0;
    if (call.cancelled) return;
    await (ready ? new Promise((resolve) => setImmediate(resolve)) : drained(call));
    if (call.cancelled) return;
  }
  if (batch.length > 0) call.write({ entities: batch });
}

/** Sends learned entries in the same way. */
export async function sendLearned(
  call: ServerWritableStream<ReadRequest, ReadResponse>,
  reading: LearnedReading,
): Promise<void> {
  for await (const message of reading.messages()) {
    const ready = call.write(message);
    if (call.cancelled) return;
    if (!ready) await drained(call);
    if (call.cancelled) return;
  }
}

/** What may make single entities large. */
function opaqueBytes({ entity }: Entity): number {
  switch (entity?.$case) {
    case 'tableEntry': {
      const { metadata, action } = entity.value;
      const set =
        action?.type?.$case === 'actionProfileActionSet' ? action.type.value.actionProfileActions.length : 0;
      return metadata.length + set * 100;
    }
    case 'actionProfileGroup':
      return entity.value.members.length * 16;
    default:
      return 0;
  }
}

function drained(call: ServerWritableStream<ReadRequest, ReadResponse>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('cancelled', done);
      call.off('close', done);
      resolve();
    };
    call.on('drain', done);
    call.on('cancelled', done);
    call.on('close', done);
  });
}
