import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientUnaryCall,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { type Connected, connectClient, failureText } from '@infra-offload/grpc';
import { invalid, type P4rtError, rpcError } from './errors.js';

/** Longest time without an answer to a unary call, unless told otherwise. */
export const DEFAULT_DEADLINE_MS = 10_000;

/** The longest delay that a timer of Node takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One channel to a server: unary calls with deadlines, errors wrapped, everything cancelled on close. */
export class Rpc {
  readonly address: string;
  readonly #connect: () => Connected<Client>;
  readonly #deadlineMs: number;
  #connected: Connected<Client>;
  readonly #calls = new Set<{ cancel(): void }>();
  #isClosed = false;

  constructor(
    address: string,
    credentials: ChannelCredentials | undefined,
    deadlineMs: number,
    reconnectMaxMs: number,
  ) {
    this.address = address;
    this.#deadlineMs = deadlineMs;
    const options: ChannelOptions = {
      // Pipeline configs and reads pass the 4 MB that gRPC allows by default.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // Who calls decides when to try again, so the channel must not sleep much longer than the caller.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': reconnectMaxMs,
      'grpc.dns_min_time_between_resolutions_ms': Math.min(reconnectMaxMs, 1_000),
    };
    this.#connect = () => connect(address, credentials, options);
    this.#connected = this.#connect();
  }

  /** The client as of now: another one after {@link renew}. */
  get client(): Client {
    return this.#connected.client;
  }

  /** Ends a connection that does not work any more, and with it all calls on it; the next call makes a new one. */
  renew(): void {
    if (this.#isClosed) return;
    this.#connected.close(0);
    this.#connected = this.#connect();
  }

  /** @throws P4rtError with the name of the gRPC code; `cause` is grpc-js's ServiceError */
  unary<Q, R>(
    definition: Pick<MethodDefinition<Q, R>, 'path' | 'requestSerialize' | 'responseDeserialize'>,
    request: Q,
    deadlineMs = this.#deadlineMs,
  ): Promise<R> {
    const method = methodName(definition.path);
    return new Promise((resolve, reject) => {
      const call: ClientUnaryCall = this.client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        new Metadata(),
        deadline(deadlineMs),
        (error, response) => {
          this.#calls.delete(call);
          if (error !== null) reject(this.wrap(method, error));
          else if (response === undefined) reject(this.error(method, status.INTERNAL, 'the answer is empty'));
          else resolve(response);
        },
      );
      this.#calls.add(call);
    });
  }

  /** Has a call cancelled when the channel closes. */
  track<C extends { cancel(): void }>(call: C): C {
    this.#calls.add(call);
    return call;
  }

  untrack(call: { cancel(): void }): void {
    this.#calls.delete(call);
  }

  wrap(method: string, error: unknown): P4rtError {
    if (isServiceError(error)) {
      return rpcError(method, this.address, error.code, failureText({ details: error.details }), error);
    }
    return rpcError(method, this.address, status.UNKNOWN, messageOf(error), error);
  }

  error(method: string, code: number, message: string): P4rtError {
    return rpcError(method, this.address, code, message);
  }

  close(): void {
    this.#isClosed = true;
    for (const call of this.#calls) call.cancel();
    this.#calls.clear();
    this.#connected.close();
  }
}

function connect(
  address: string,
  credentials: ChannelCredentials | undefined,
  options: ChannelOptions,
): Connected<Client> {
  try {
    return connectClient(Client, address, credentials, options);
  } catch (error) {
    const reason = messageOf(error);
    throw invalid(`address '${address}': ${reason}; it should be host:port`, { address }, error);
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

function deadline(ms: number): CallOptions {
  return { deadline: Date.now() + Math.min(ms, MAX_TIMER_MS) };
}

function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
