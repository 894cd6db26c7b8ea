import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { Status } from '../gen/google/rpc/status.js';
import {
  type GetForwardingPipelineConfigResponse,
  type P4RuntimeServer,
  P4RuntimeService,
  type ReadRequest,
  type ReadResponse,
  type SetForwardingPipelineConfigRequest,
  type StreamMessageRequest,
  type StreamMessageResponse,
  type Uint128,
  Error as UpdateError,
  type WriteRequest,
} from '../gen/p4/v1/p4runtime.js';
import { fromUint128, toUint128 } from '../session/uint128.js';

type ControllerStream = ServerDuplexStream<StreamMessageRequest, StreamMessageResponse>;

/** How a scripted RPC ends: well, with a gRPC status, or never. */
export type Outcome = 'ok' | 'hang' | { code: number; message?: string; metadata?: Metadata };

/** A P4Runtime server for tests: it arbitrates as the specification says, everything else is scripted. */
export class FakeServer {
  readonly writes: WriteRequest[] = [];
  readonly pipelineSets: SetForwardingPipelineConfigRequest[] = [];
  readonly fromControllers: NonNullable<StreamMessageRequest['update']>[] = [];
  onWrite: (request: WriteRequest) => Outcome = () => 'ok';
  onRead: (request: ReadRequest, call: ServerWritableStream<ReadRequest, ReadResponse>) => void = (_, call) =>
    call.end();
  onSetPipeline: (request: SetForwardingPipelineConfigRequest) => Outcome = () => 'ok';
  onGetPipeline: () => Outcome = () => 'ok';
  pipeline: GetForwardingPipelineConfigResponse = { config: undefined };
  /** Answer arbitration at all? */
  arbitrates = true;
  answersCapabilities = true;
  readonly #controllers = new Map<ControllerStream, Uint128>();
  #highest = 0n;
  #server = new Server();
  #address = '';

  static async start(address = '127.0.0.1:0'): Promise<FakeServer> {
    const server = new FakeServer();
    await server.#listen(address);
    return server;
  }

  get address(): string {
    return this.#address;
  }

  get controllers(): number {
    return this.#controllers.size;
  }

  /** Sends a message to all controllers. */
  send(update: NonNullable<StreamMessageResponse['update']>): void {
    for (const stream of this.#controllers.keys()) stream.write({ update });
  }

  /** Breaks all streams, as a server does that restarts. */
  cutStreams(code: number = status.UNAVAILABLE): void {
    for (const stream of this.#controllers.keys()) stream.emit('error', { code, details: 'cut by the test' });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  async restart(): Promise<void> {
    this.stop();
    this.#controllers.clear();
    this.#highest = 0n;
    this.#server = new Server();
    await this.#listen(this.#address);
  }

  #listen(address: string): Promise<void> {
    this.#server.addService(P4RuntimeService, this.#implementation());
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error !== null) return reject(error);
        this.#address = `127.0.0.1:${port}`;
        resolve();
      });
    });
  }

  #implementation(): P4RuntimeServer {
    return {
      write: (call, callback) => {
        this.writes.push(call.request);
        answer(this.onWrite(call.request), (error) => callback(error, {}));
      },
      read: (call) => this.onRead(call.request, call),
      setForwardingPipelineConfig: (call, callback) => {
        this.pipelineSets.push(call.request);
        answer(this.onSetPipeline(call.request), (error) => callback(error, {}));
      },
      getForwardingPipelineConfig: (_, callback) =>
        answer(this.onGetPipeline(), (error) => callback(error, this.pipeline)),
      streamChannel: (call) => this.#stream(call),
      capabilities: (_, callback) => {
        if (this.answersCapabilities)
          callback(null, { p4runtimeApiVersion: '1.5.0', experimental: undefined });
      },
    };
  }

  #stream(call: ControllerStream): void {
    call.on('data', (message: StreamMessageRequest) => {
      if (message.update === undefined) return;
      if (message.update.$case !== 'arbitration') {
        this.fromControllers.push(message.update);
        return;
      }
      if (!this.arbitrates) return;
      const electionId = message.update.value.electionId ?? { high: 0n, low: 0n };
      this.#controllers.set(call, electionId);
      this.#tellPrimary();
    });
    const leave = () => {
      if (this.#controllers.delete(call)) this.#tellPrimary();
    };
    call.on('end', () => call.end());
    call.on('close', leave);
    call.on('cancelled', leave);
    call.on('error', leave);
  }

  /** The highest election id that was ever taken is the primary's; without its controller there is no primary. */
  #tellPrimary(): void {
    const ids = [...this.#controllers].map(([stream, id]) => ({ stream, id: fromUint128(id) }));
    for (const { id } of ids) if (id > this.#highest) this.#highest = id;
    const hasPrimary = ids.some(({ id }) => id === this.#highest);
    for (const { stream, id } of ids) {
      const code = id === this.#highest ? status.OK : hasPrimary ? status.ALREADY_EXISTS : status.NOT_FOUND;
      stream.write({
        update: {
          $case: 'arbitration',
          value: {
            deviceId: 1n,
            role: undefined,
            electionId: toUint128(this.#highest),
            status: { code, message: '', details: [] },
          },
        },
      });
    }
  }
}

function answer(outcome: Outcome, callback: (error: Exclude<Outcome, string> | null) => void): void {
  if (outcome === 'ok') callback(null);
  else if (outcome !== 'hang') callback(outcome);
}

/** A failure with a `p4.v1.Error` for each update; a code of 0 is a success. */
export function updateErrors(codes: readonly number[], message = 'refused'): Outcome {
  const metadata = new Metadata();
  const details = codes.map((canonicalCode) => ({
    typeUrl: 'type.googleapis.com/p4.v1.Error',
    value: UpdateError.encode({
      canonicalCode,
      message: canonicalCode === 0 ? '' : message,
      space: '',
      code: 0,
      details: undefined,
    }).finish(),
  }));
  const bytes = Status.encode({ code: status.UNKNOWN, message: 'some failed', details }).finish();
  metadata.set('grpc-status-details-bin', Buffer.from(bytes));
  return { code: status.UNKNOWN, message: 'some failed', metadata };
}
