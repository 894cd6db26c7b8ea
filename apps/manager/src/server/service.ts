import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import { Guard } from '@infra-offload/guard';
import {
  type EndFlowsRequest,
  type EndFlowsResponse,
  FlowFilter,
  type ListDenialsRequest,
  type ListDenialsResponse,
  type ListEntriesRequest,
  type ListEntriesResponse,
  type ListFlowsRequest,
  type ListFlowsResponse,
  type OffloadServer,
} from '@infra-offload/infra-api';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Denials } from './denials.js';
import { toServiceError } from './errors.js';
import type { Flows } from './flows.js';
import type { Inspector } from './inspect.js';
import type { Pods } from './pods.js';
import type { PolicyCounts } from './policy-counts.js';
import { type SyncCall, type SyncContext, SyncStream } from './sync.js';
import type { Tracer } from './trace/tracer.js';

/** Entries of one ListEntries response. */
const ENTRIES_PER_RESPONSE = 256;

export interface OffloadContext<Row> extends SyncContext<Row> {
  readonly pods: Pods<Row>;
  readonly inspector: Inspector<Row>;
  readonly flows: Flows;
  readonly policyCounts: PolicyCounts;
  readonly denials: Denials;
  readonly tracer: Tracer<Row>;
  readonly logger: Logger;
}

/** The Offload service. Nothing that a caller sends ends the process: every failure becomes a status. */
export class OffloadService<Row> {
  readonly #context: OffloadContext<Row>;
  /** The agent's, once its snapshot has begun. */
  #stream: SyncStream<Row> | undefined;
  /** All that have not ended, as far as known. */
  readonly #streams = new Set<SyncStream<Row>>();

  /** ListDenials calls that go on. */
  readonly #followers = new Set<ServerWritableStream<ListDenialsRequest, ListDenialsResponse>>();

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

  /** Ends all streams that would go on, because the manager stops. */
  stop(): void {
    const error = ending(status.UNAVAILABLE, 'the manager is stopping');
    for (const stream of this.#streams) stream.abort(error);
    for (const call of this.#followers) call.emit('error', error);
  }

  implementation(): OffloadServer {
    const { pods, inspector, tracer } = this.#context;
    return {
      sync: (call) => this.#sync(call),
      addPod: this.#unary('AddPod', (request, cancelled) => pods.add(request, cancelled)),
      deletePod: this.#unary('DeletePod', async (request, cancelled) => {
        await pods.delete(request, cancelled);
        return {};
      }),
      status: this.#unary('Status', (request) => inspector.status(request)),
      listEntries: (call) =>
        new Guard((error) => call.emit('error', toServiceError(error))).run(() => this.#listEntries(call)),
      listFlows: (call) =>
        new Guard((error) => call.emit('error', toServiceError(error))).run(() => this.#listFlows(call)),
      endFlows: this.#unary('EndFlows', (request) => this.#endFlows(request)),
      listDenials: (call) =>
        new Guard((error) => call.emit('error', toServiceError(error))).run(() => this.#listDenials(call)),
      listPolicies: this.#unary('ListPolicies', async () => ({
        counts: [...(await this.#context.policyCounts.read())],
      })),
      trace: this.#unary('Trace', (request) => tracer.trace(request)),
    };
  }

  /** For operators: they may look, and change nothing. */
  operatorImplementation(): OffloadServer {
    const denied = ending(
      status.PERMISSION_DENIED,
      'operators have read-only access: changes require the certificate of an agent',
    );
    return {
      ...this.implementation(),
      sync: (call) => {
        call.emit('error', denied);
      },
      addPod: (_, callback) => callback(denied),
      deletePod: (_, callback) => callback(denied),
      endFlows: (_, callback) => callback(denied),
    };
  }

  #sync(call: SyncCall): void {
    const stream: SyncStream<Row> = new SyncStream(call, this.#context, () => this.#began(stream));
    for (const other of this.#streams) if (other.ended) this.#streams.delete(other);
    this.#streams.add(stream);
  }

  /** The newest agent is the agent. What only connects, or speaks another language, displaces nobody. */
  #began(stream: SyncStream<Row>): void {
    const before = this.#stream;
    if (before === stream) return;
    this.#stream = stream;
    this.#context.logger.info({ node: stream.nodeName }, 'the agent connected');
    before?.abort(ending(status.ABORTED, 'a newer Sync stream has replaced this one'));
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
            { call: name, code: status[failure.code], reason: failure.details },
            'call failed',
          );
          callback(failure);
        },
      );
    };
  }

  async #listEntries(call: ServerWritableStream<ListEntriesRequest, ListEntriesResponse>): Promise<void> {
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
  }

  async #listFlows(call: ServerWritableStream<ListFlowsRequest, ListFlowsResponse>): Promise<void> {
    const { flows } = this.#context;
    const { filter, countOnly } = call.request;
    let count = 0;
    if (countOnly) count = await flows.count(filter);
    else {
      for await (const some of flows.list(filter)) {
        count += some.length;
        const ready = some.length === 0 || call.write({ flows: [...some], count: 0n });
        if (!ready && !call.cancelled) await drained(call);
        if (call.cancelled) return;
      }
    }
    call.write({ flows: [], count: BigInt(count) });
    call.end();
  }

  /** Those who follow get what is denied each second; what they do not take in time is untold. */
  async #listDenials(call: ServerWritableStream<ListDenialsRequest, ListDenialsResponse>): Promise<void> {
    const { denials } = this.#context;
    const { denials: recent, untold } = denials.recent();
    let ready = call.write({ denials: [...recent], untoldPackets: untold });
    if (!call.request.follow) {
      call.end();
      return;
    }
    let missed = untold;
    const stop = denials.onNews((news) => {
      missed += news.untold;
      if (ready) ready = call.write({ denials: [...news.denials], untoldPackets: missed });
      else missed += news.denials.reduce((sum, { packets }) => sum + packets, 0n);
    });
    call.on('drain', () => {
      ready = true;
    });
    this.#followers.add(call);
    await new Promise((resolve) => {
      call.once('cancelled', resolve);
      call.once('close', resolve);
    });
    stop();
    this.#followers.delete(call);
  }

  async #endFlows({ filter, all }: EndFlowsRequest): Promise<EndFlowsResponse> {
    if (!all && isEmpty(filter))
      throw new ManagerError(
        'INVALID_OBJECT',
        'filter: it sets nothing, which ends every flow; say so with "all"',
      );
    const ended = await this.#context.flows.end(filter);
    this.#context.logger.info({ filter, ended }, 'flows were ended');
    return { ended: BigInt(ended) };
  }
}

function isEmpty(filter: FlowFilter | undefined): boolean {
  return filter === undefined || FlowFilter.encode(filter).finish().length === 0;
}

/** The status that a stream ends with. */
function ending(code: status, details: string): Error {
  return Object.assign(new Error(details), { code, details });
}

async function drained<Request, Response>(call: ServerWritableStream<Request, Response>): Promise<void> {
  await new Promise<void>((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', resolve);
  });
}
