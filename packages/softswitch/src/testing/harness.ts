import { type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  SetForwardingPipelineConfigRequest_Action as Action,
  WriteRequest_Atomicity as Atomicity,
  type Entity,
  type ForwardingPipelineConfig,
  type GetForwardingPipelineConfigRequest,
  type MasterArbitrationUpdate,
  Error as P4Error,
  P4RuntimeClient,
  type Role,
  Status,
  type StreamMessageRequest,
  type StreamMessageResponse,
  type Update,
} from '@infra-offload/p4rt/proto';
import { k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { MemoryPorts } from '../ports/memory.js';
import { Softswitch, type SoftswitchOptions } from '../softswitch.js';

/** What a call came to: a canonical code and its text; for a batch also those of its parts. */
export interface Outcome {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { readonly code: string; readonly message: string }[];
  /** Bytes of the trailer with the details. */
  readonly trailer: number;
}

const OK: Outcome = { code: 'OK', message: '', details: [], trailer: 0 };

export function k8sConfig(cookie?: bigint): ForwardingPipelineConfig {
  return {
    p4info: k8sDpP4Info().p4info,
    p4DeviceConfig: k8sDpDeviceConfig(),
    cookie: cookie === undefined ? undefined : { cookie },
  };
}

/** A softswitch on free ports with in-memory ports, and a raw client: nothing that is sent is put right on the way. */
export class Harness {
  readonly client: P4RuntimeClient;
  readonly #streams: Controller[] = [];

  private constructor(
    readonly softswitch: Softswitch,
    readonly ports: MemoryPorts,
  ) {
    const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
    this.client = new P4RuntimeClient(softswitch.p4runtimeAddress, credentials.createInsecure(), options);
  }

  static async start(options: Partial<SoftswitchOptions> = {}): Promise<Harness> {
    const ports = new MemoryPorts(8);
    const softswitch = await Softswitch.start({
      p4runtimeAddress: '127.0.0.1:0',
      gnmiAddress: '127.0.0.1:0',
      ports,
      ...options,
    });
    return new Harness(softswitch, ports);
  }

  /** With `k8s_dp` committed by a primary whose election id is 1. */
  static async withPipeline(): Promise<Harness> {
    const harness = await Harness.start();
    const controller = harness.controller();
    controller.arbitrate(1n);
    await controller.next();
    const outcome = await harness.setPipeline(Action.VERIFY_AND_COMMIT, k8sConfig(7n));
    if (outcome.code !== 'OK') throw new Error(outcome.message);
    return harness;
  }

  controller(): Controller {
    const controller = new Controller(this.client.streamChannel());
    this.#streams.push(controller);
    return controller;
  }

  setPipeline(
    action: Action,
    config: ForwardingPipelineConfig | undefined,
    electionId = 1n,
    deviceId = 1n,
  ): Promise<Outcome> {
    const request = { deviceId, roleId: 0n, role: '', electionId: uint128(electionId), action, config };
    return outcome((done) => this.client.setForwardingPipelineConfig(request, done));
  }

  getPipeline(
    responseType: GetForwardingPipelineConfigRequest['responseType'] = 0,
    deviceId = 1n,
  ): Promise<ForwardingPipelineConfig | undefined> {
    return new Promise((resolve, reject) => {
      this.client.getForwardingPipelineConfig({ deviceId, responseType }, (error, response) =>
        error === null ? resolve(response.config) : reject(error),
      );
    });
  }

  write(
    updates: Update[],
    options: { electionId?: bigint; atomicity?: Atomicity; deviceId?: bigint; role?: string } = {},
  ): Promise<Outcome> {
    const { electionId = 1n, atomicity = Atomicity.CONTINUE_ON_ERROR, deviceId = 1n, role = '' } = options;
    const request = { deviceId, roleId: 0n, role, electionId: uint128(electionId), updates, atomicity };
    return outcome((done) =>
      this.client.write(request, new Metadata(), { deadline: Date.now() + 60_000 }, done),
    );
  }

  /** Writes one update and tells the code of that update. */
  async writeOne(update: Update): Promise<{ readonly code: string; readonly message: string }> {
    const { code, message, details } = await this.write([update]);
    return details[0] ?? { code, message };
  }

  /** Reads, and tells how many messages it took. */
  async read(
    entities: Entity[],
    deviceId = 1n,
  ): Promise<{ entities: Entity[]; messages: number; outcome: Outcome }> {
    const call = this.client.read({ deviceId, role: '', entities });
    const found: Entity[] = [];
    let messages = 0;
    call.on('data', (response: { entities: Entity[] }) => {
      messages++;
      found.push(...response.entities);
    });
    const result = await new Promise<Outcome>((resolve) => {
      call.on('error', (error: ServiceError) => resolve(toOutcome(error)));
      call.on('end', () => setImmediate(() => resolve(OK)));
    });
    return { entities: found, messages, outcome: result };
  }

  async stop(): Promise<void> {
    for (const controller of this.#streams) controller.close();
    this.client.close();
    await this.softswitch.stop();
  }
}

/** One StreamChannel. */
export class Controller {
  readonly #stream: ClientDuplexStream<StreamMessageRequest, StreamMessageResponse>;
  readonly #messages: NonNullable<StreamMessageResponse['update']>[] = [];
  #arrived: (() => void) | undefined;
  #end: Outcome | undefined;

  constructor(stream: ClientDuplexStream<StreamMessageRequest, StreamMessageResponse>) {
    this.#stream = stream;
    stream.on('data', ({ update }: StreamMessageResponse) => {
      if (update !== undefined) this.#messages.push(update);
      this.#arrived?.();
    });
    stream.on('error', (error: ServiceError) => this.#ended(toOutcome(error)));
    stream.on('end', () => setImmediate(() => this.#ended(OK)));
  }

  arbitrate(electionId: bigint | undefined, options: { role?: Partial<Role>; deviceId?: bigint } = {}): void {
    const value: MasterArbitrationUpdate = {
      deviceId: options.deviceId ?? 1n,
      role: options.role && { id: 0n, name: '', config: undefined, ...options.role },
      electionId: electionId === undefined ? undefined : uint128(electionId),
      status: undefined,
    };
    this.send({ $case: 'arbitration', value });
  }

  send(update: StreamMessageRequest['update']): void {
    this.#stream.write({ update });
  }

  /** The next message. */
  async next(): Promise<NonNullable<StreamMessageResponse['update']>> {
    await this.#wait(() => this.#messages.length > 0 || this.#end !== undefined);
    const message = this.#messages.shift();
    if (message === undefined)
      throw new Error(`the stream has ended: ${this.#end?.code} ${this.#end?.message}`);
    return message;
  }

  /** Status code of the next message, which must be an arbitration. */
  async nextStatus(): Promise<number | undefined> {
    const message = await this.next();
    if (message.$case !== 'arbitration') throw new Error(`a ${message.$case} came`);
    return message.value.status?.code;
  }

  /** How the stream ended. */
  async ended(): Promise<Outcome> {
    await this.#wait(() => this.#end !== undefined);
    return this.#end ?? OK;
  }

  close(): void {
    this.#stream.end();
    this.#stream.cancel();
  }

  #ended(outcome: Outcome): void {
    this.#end ??= outcome;
    this.#arrived?.();
  }

  async #wait(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('nothing came on the stream');
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
        setTimeout(resolve, 100);
      });
    }
  }
}

export function uint128(value: bigint): { high: bigint; low: bigint } {
  return { high: value >> 64n, low: BigInt.asUintN(64, value) };
}

function outcome(call: (done: (error: ServiceError | null) => void) => void): Promise<Outcome> {
  return new Promise((resolve) => call((error) => resolve(error === null ? OK : toOutcome(error))));
}

function toOutcome(error: ServiceError): Outcome {
  const [trailer] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const parts = trailer instanceof Buffer ? Status.decode(trailer).details : [];
  return {
    code: status[error.code],
    message: error.details,
    trailer: trailer?.length ?? 0,
    details: parts.map(({ value }) => {
      const { canonicalCode, message } = P4Error.decode(value);
      return { code: status[canonicalCode] ?? `${canonicalCode}`, message };
    }),
  };
}
