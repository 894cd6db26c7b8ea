import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  type DeviceEntry,
  type ListEntriesRequest,
  OffloadClient,
  type StatusRequest,
  type StatusResponse,
} from '@infra-offload/infra-api';

/** What the operator is told when a call fails: one line that names the manager and the cause. */
export class InfractlError extends Error {
  override readonly name = 'InfractlError';

  constructor(
    message: string,
    readonly code: keyof typeof status,
    options?: { cause: unknown },
  ) {
    super(message, options);
  }
}

/** The manager's calls that infractl needs, as promises with a deadline. */
export class ManagerClient {
  readonly #client: OffloadClient;

  constructor(
    readonly address: string,
    readonly deadlineMs = 10_000,
  ) {
    this.#client = new OffloadClient(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
  }

  /** @throws InfractlError when the manager does not answer in time or refuses */
  status(request: StatusRequest): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.#client.status(
        request,
        new Metadata(),
        { deadline: Date.now() + this.deadlineMs },
        (error, response) => {
          if (error) reject(this.#explain('Status', error));
          else resolve(response);
        },
      );
    });
  }

  /** @throws InfractlError when the manager does not answer in time or refuses */
  async *entries(request: ListEntriesRequest): AsyncIterable<DeviceEntry> {
    const stream = this.#client.listEntries(request, new Metadata(), {
      deadline: Date.now() + this.deadlineMs,
    });
    try {
      for await (const response of stream) yield* response.entries;
    } catch (error) {
      throw this.#explain('ListEntries', error);
    }
  }

  close(): void {
    this.#client.close();
  }

  #explain(call: string, error: unknown): InfractlError {
    const { code = status.UNKNOWN, details = String(error) } = error as Partial<ServiceError>;
    const name = (status[code] ?? 'UNKNOWN') as keyof typeof status;
    const hint = code === status.UNAVAILABLE ? '; is infra-manager running there?' : '';
    return new InfractlError(`${call} at ${this.address}: ${name}: ${details}${hint}`, name, {
      cause: error,
    });
  }
}
