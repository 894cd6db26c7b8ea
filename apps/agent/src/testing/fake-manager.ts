import { Server, ServerCredentials, type ServerDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import {
  type AddPodRequest,
  type Change,
  type ObjectStatus,
  OffloadService,
  type Pod,
  StatusResponse,
  type SyncRequest,
  type SyncResponse,
  type WantedObject,
} from '@infra-offload/infra-api';
import { HealthImplementation } from 'grpc-health-check';
import { keyOf, type ObjectKey, referenceOf } from '../sync/wanted-state.js';

type SyncStream = ServerDuplexStream<SyncRequest, SyncResponse>;

/** A gRPC error for a handler to throw. */
export function grpcError(code: status, details: string): Partial<ServiceError> {
  return { code, details };
}

/** A manager for tests: keeps what the agent tells it, and answers as the test wants. */
export class FakeManager {
  /** What the agent wants, as this side understands it. */
  readonly objects = new Map<ObjectKey, WantedObject>();
  /** Changes of the current stream, in order. */
  changes: Change[] = [];
  /** Messages of the current stream. */
  messages: SyncRequest[] = [];
  streams = 0;
  readonly addPodCalls: AddPodRequest[] = [];
  readonly deletePodCalls: string[] = [];
  /** Whether what comes on the stream is answered at once. */
  acknowledges = true;
  /** May throw a grpcError, or delay. */
  onAddPod: (pod: Pod) => void | Promise<void> = () => {};
  onDeletePod: (attachmentId: string) => void | Promise<void> = () => {};
  target = { connected: true, primary: true };
  /** What it says of itself as a whole. */
  readonly health = new HealthImplementation({ '': 'SERVING' });

  #server: Server | undefined;
  #stream: SyncStream | undefined;
  #snapshot: Set<ObjectKey> | undefined;
  #port = 0;

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Starts, or starts again on the same port. */
  async start(): Promise<this> {
    const server = new Server();
    this.#server = server;
    server.addService(OffloadService, {
      sync: (stream: SyncStream) => this.#onSync(stream),
      addPod: (
        call: { request: AddPodRequest },
        callback: (error: object | null, value?: object) => void,
      ) => {
        this.addPodCalls.push(call.request);
        const { pod } = call.request;
        if (pod === undefined) return callback(grpcError(status.INVALID_ARGUMENT, 'no pod'));
        answer(callback, async () => {
          await this.onAddPod(pod);
          const object: WantedObject = { object: { $case: 'pod', value: pod } };
          this.objects.set(keyOf(referenceOf(object)), object);
          return { port: 1 };
        });
      },
      deletePod: (
        call: { request: { attachmentId: string } },
        callback: (error: object | null, value?: object) => void,
      ) => {
        const { attachmentId } = call.request;
        this.deletePodCalls.push(attachmentId);
        answer(callback, async () => {
          await this.onDeletePod(attachmentId);
          this.objects.delete(`2:${attachmentId}`);
          return {};
        });
      },
      status: (_call: object, callback: (error: object | null, value?: object) => void) =>
        callback(
          null,
          StatusResponse.fromPartial({ target: { address: 'x', inSync: true, ...this.target } }),
        ),
      listEntries: (stream: { end: () => void }) => stream.end(),
    });
    this.health.addToServer(server);
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return this;
  }

  /** Goes away as a killed process does. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#stream = undefined;
  }

  /** Reads no more from the Sync stream. */
  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** Ends the Sync stream only. */
  cutStream(code = status.UNAVAILABLE): void {
    this.#stream?.emit('error', grpcError(code, 'cut by the test'));
    this.#stream = undefined;
  }

  report(statuses: ObjectStatus[]): void {
    this.#stream?.write({ appliedRevision: this.lastRevision, statuses });
  }

  /** Acknowledges all that has come. */
  acknowledge(): void {
    this.report([]);
  }

  get lastRevision(): bigint {
    return this.changes.at(-1)?.revision ?? 0n;
  }

  /** Pods, by attachment id. */
  get pods(): Map<string, Pod> {
    const pods = new Map<string, Pod>();
    for (const { object } of this.objects.values()) {
      if (object?.$case === 'pod') pods.set(object.value.attachmentId, object.value);
    }
    return pods;
  }

  #onSync(stream: SyncStream): void {
    this.#stream = stream;
    this.streams += 1;
    this.changes = [];
    this.messages = [];
    stream.on('error', () => {});
    stream.on('data', (request: SyncRequest) => {
      this.messages.push(request);
      for (const change of request.changes) this.#apply(change);
      if (this.acknowledges) stream.write({ appliedRevision: this.lastRevision, statuses: [] });
    });
    stream.on('end', () => stream.end());
  }

  #apply(entry: Change): void {
    if (entry.revision <= this.lastRevision) throw new Error(`revision ${entry.revision} is not increasing`);
    this.changes.push(entry);
    const { change } = entry;
    switch (change?.$case) {
      case 'snapshotBegin':
        this.#snapshot = new Set();
        break;
      case 'snapshotEnd':
        for (const key of this.objects.keys()) if (!this.#snapshot?.has(key)) this.objects.delete(key);
        this.#snapshot = undefined;
        break;
      case 'upsert': {
        const key = keyOf(referenceOf(change.value));
        this.objects.set(key, change.value);
        this.#snapshot?.add(key);
        break;
      }
      case 'remove':
        this.objects.delete(keyOf(change.value));
        break;
      case undefined:
        throw new Error('a change without content');
      default:
        change satisfies never;
    }
  }
}

function answer(
  callback: (error: object | null, value?: object) => void,
  produce: () => Promise<object>,
): void {
  produce().then(
    (value) => callback(null, value),
    (error: object) => callback(error),
  );
}
