import { setTimeout } from 'node:timers/promises';
import { type ChannelCredentials, Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Random, wireMessage } from '@infra-offload/faults';

/** A method of a gRPC service, as the generated definitions have it. */
interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export type Service = Readonly<Record<string, Method>>;

const DEADLINE_MS = 5_000;
const AT_ONCE = 32;
const MESSAGES_OF_A_STREAM = 4;

const asIs = (bytes: Buffer) => bytes;

/** Calls every method of some services with bytes that are no messages, or not those that the method takes. */
export class HostileCaller {
  readonly #client: Client;
  readonly #methods: readonly Method[];
  /** How often each status was the answer, by name. */
  readonly answers = new Map<string, number>();

  constructor(address: string, credentials: ChannelCredentials, services: readonly Service[]) {
    this.#client = new Client(address, credentials);
    this.#methods = services.flatMap((service) => Object.values(service));
  }

  /** @param between called now and then, with nothing hostile under way no sooner than a moment ago */
  async call(cases: number, random: Random, between: () => Promise<void>): Promise<void> {
    for (let done = 0; done < cases; done += AT_ONCE) {
      const some = Math.min(AT_ONCE, cases - done);
      await Promise.all(Array.from({ length: some }, () => this.#one(random)));
      if ((done / AT_ONCE) % 32 === 0) await between();
    }
    await between();
  }

  close(): void {
    this.#client.close();
  }

  async #one(random: Random): Promise<void> {
    const { path, requestStream, responseStream } = random.pick(this.#methods);
    const options = { deadline: Date.now() + DEADLINE_MS };
    const messages = Array.from({ length: requestStream ? random.below(MESSAGES_OF_A_STREAM) : 1 }, () =>
      Buffer.from(wireMessage(random)),
    );
    const givesUp = random.chance(20);
    const code = await new Promise<number>((resolve) => {
      const onEnd = (error: ServiceError | null) => resolve(error?.code ?? status.OK);
      if (!requestStream && !responseStream) {
        const [message = Buffer.alloc(0)] = messages;
        const call = this.#client.makeUnaryRequest(path, asIs, asIs, message, new Metadata(), options, onEnd);
        if (givesUp) setImmediate(() => call.cancel());
        return;
      }
      const call = this.#client.makeBidiStreamRequest(path, asIs, asIs, new Metadata(), options);
      call.on('data', () => undefined);
      call.on('error', () => undefined);
      call.on('status', ({ code }: { code: number }) => resolve(code));
      for (const message of messages) call.write(message);
      if (givesUp) setImmediate(() => call.cancel());
      else call.end();
      // A stream that waits for more is not kept for the whole deadline.
      if (requestStream) void setTimeout(50, undefined, { ref: false }).then(() => call.cancel());
    });
    const name = status[code] ?? String(code);
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
  }
}
