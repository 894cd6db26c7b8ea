import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import type { ListEntriesRequest, ListEntriesResponse, OffloadServer } from '@infra-offload/infra-api';
import type { Logger } from '../log.js';
import { toServiceError } from './errors.js';
import type { Inspector } from './inspect.js';
import type { Pods } from './pods.js';
import { type SyncContext, SyncStream } from './sync.js';

/** Entries of one ListEntries response. */
const ENTRIES_PER_RESPONSE = 256;

export interface OffloadContext<Row> extends SyncContext<Row> {
  readonly pods: Pods<Row>;
  readonly inspector: Inspector<Row>;
  readonly logger: Logger;
}

/** The Offload service. Nothing that a caller sends ends the process: every failure becomes a status. */
export class OffloadService<Row> {
  readonly #context: OffloadContext<Row>;
  #stream: SyncStream<Row> | undefined;

  constructor(context: OffloadContext<Row>) {
    this.#context = context;
  }

  /** What is known of the agent. */
  agent(): { readonly connected: boolean; readonly nodeName: string; readonly appliedRevision: bigint } {
    const stream = this.#stream;
    return {
      connected: stream !== undefined && !stream.ended,
      nodeName: stream?.nodeName ?? '',
      appliedRevision: stream?.appliedRevision ?? 0n,
    };
  }

  /** Ends the Sync stream, because the manager stops. */
  stop(): void {
    this.#stream?.abort(
      Object.assign(new Error('the manager is stopping'), {
        code: status.UNAVAILABLE,
        details: 'the manager is stopping',
      }),
    );
  }

  implementation(): OffloadServer {
    const { pods, inspector } = this.#context;
    return {
      sync: (call) => {
        this.#stream?.abort(
          Object.assign(new Error('replaced'), {
            code: status.ABORTED,
            details: 'a newer Sync stream has replaced this one',
          }),
        );
        this.#context.logger.info({ peer: call.getPeer() }, 'the agent connected');
        this.#stream = new SyncStream(call, this.#context);
      },
      addPod: this.#unary('AddPod', (request, cancelled) => pods.add(request, cancelled)),
      deletePod: this.#unary('DeletePod', async (request, cancelled) => {
        await pods.delete(request, cancelled);
        return {};
      }),
      status: this.#unary('Status', (request) => inspector.status(request)),
      listEntries: (call) => void this.#listEntries(call),
    };
  }

  #unary<Request, Response>(
    name: string,
    handle: (request: Request, cancelled: AbortSignal) => Promise<Response>,
  ) {
    return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
      const cancelled = new AbortController();
      call.on('cancelled', () => cancelled.abort());
      handle(call.request, cancelled.signal).then(
        (response) => callback(null, response),
        (error: unknown) => {
          const failure = toServiceError(error);
          const level = failure.code === status.INTERNAL ? 'error' : 'warn';
          this.#context.logger[level](
            { call: name, code: status[failure.code], err: failure.details },
            'call failed',
          );
          callback(failure);
        },
      );
    };
  }

  async #listEntries(call: ServerWritableStream<ListEntriesRequest, ListEntriesResponse>): Promise<void> {
    try {
      let response: ListEntriesResponse = { entries: [] };
      for (const entry of this.#context.inspector.entries(call.request)) {
        response.entries.push(entry);
        if (response.entries.length < ENTRIES_PER_RESPONSE) continue;
        const ready = call.write(response);
        response = { entries: [] };
        await (ready ? new Promise((resolve) => setImmediate(resolve)) : drained(call));
        if (call.cancelled) return;
      }
      if (response.entries.length > 0) call.write(response);
      call.end();
    } catch (error) {
      call.emit('error', toServiceError(error));
    }
  }
}

async function drained(call: ServerWritableStream<ListEntriesRequest, ListEntriesResponse>): Promise<void> {
  await new Promise<void>((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', resolve);
  });
}
