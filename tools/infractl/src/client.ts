import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { typedError } from '@infra-offload/base';
import { type Connected, connectClient, failureText } from '@infra-offload/grpc';
import {
  type DeviceEntry,
  type EndFlowsRequest,
  type ListDenialsRequest,
  type ListDenialsResponse,
  type ListEntriesRequest,
  type ListFlowsRequest,
  type ListFlowsResponse,
  type ListPoliciesResponse,
  OffloadClient,
  type StatusRequest,
  type StatusResponse,
  type TraceRequest,
  type TraceResponse,
} from '@infra-offload/infra-api';
import {
  type ClientSecurity,
  openClientSecurity,
  TlsCertsError,
  type TlsSettings,
} from '@infra-offload/tls-certs/grpc';

/** A million flows take a while to end. */
const END_FLOWS_MS = 300_000;

/** What the operator is told when a call fails: one line that names the manager and the cause. */
export class InfractlError extends typedError<keyof typeof status>('InfractlError') {}

/** Runs a command with the manager that the options name. */
export type WithManager = (
  use: (manager: ManagerClient, options: { readonly output: 'text' | 'json' }) => Promise<void>,
) => Promise<void>;

/** The manager's calls that infractl needs, as promises with a deadline. */
export class ManagerClient {
  readonly #manager: Connected<OffloadClient>;
  readonly #security: ClientSecurity;

  /** @throws InfractlError when the certificates cannot be used */
  constructor(
    readonly address: string,
    tls: TlsSettings,
    readonly deadlineMs = 10_000,
  ) {
    try {
      this.#security = openClientSecurity(tls, 'manager');
    } catch (error) {
      if (!TlsCertsError.is(error)) throw error;
      throw new InfractlError('INVALID_ARGUMENT', `certificates for infra-manager: ${error.message}`, {
        cause: error,
      });
    }
    this.#manager = connectClient(OffloadClient, address, this.#security.credentials, {
      'grpc.max_receive_message_length': -1,
    });
  }

  /** @throws InfractlError when the manager does not answer in time or refuses */
  status(request: StatusRequest): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.#manager.client.status(
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
    const stream = this.#manager.client.listEntries(request, new Metadata(), {
      deadline: Date.now() + this.deadlineMs,
    });
    try {
      for await (const response of stream) yield* response.entries;
    } catch (error) {
      throw this.#explain('ListEntries', error);
    }
  }

  /**
   * The flows in the device; the last response has their number.
   *
   * @throws InfractlError when the manager does not answer or refuses
   */
  async *flows(request: ListFlowsRequest): AsyncIterable<ListFlowsResponse> {
    // However many there are: no deadline but that of the first sign of life.
    const stream = this.#manager.client.listFlows(request, new Metadata());
    const timer = setTimeout(() => stream.cancel(), this.deadlineMs);
    try {
      for await (const response of stream) {
        timer.refresh();
        yield response;
      }
    } catch (error) {
      throw this.#explain('ListFlows', error);
    } finally {
      clearTimeout(timer);
      stream.cancel();
    }
  }

  /**
   * Ends flows, and tells how many they were.
   *
   * @throws InfractlError when the manager does not answer or refuses
   */
  endFlows(request: EndFlowsRequest): Promise<bigint> {
    return new Promise((resolve, reject) => {
      this.#manager.client.endFlows(
        request,
        new Metadata(),
        { deadline: Date.now() + END_FLOWS_MS },
        (error, response) => {
          if (error) reject(this.#explain('EndFlows', error));
          else resolve(response.ended);
        },
      );
    });
  }

  /**
   * What policies have denied lately, and with `follow` what they deny from now on, without end.
   *
   * @throws InfractlError when the manager does not answer or refuses
   */
  async *denials(request: ListDenialsRequest): AsyncIterable<ListDenialsResponse> {
    const stream = this.#manager.client.listDenials(request, new Metadata());
    const timer = setTimeout(() => stream.cancel(), this.deadlineMs);
    try {
      for await (const response of stream) {
        clearTimeout(timer);
        yield response;
      }
    } catch (error) {
      throw this.#explain('ListDenials', error);
    } finally {
      clearTimeout(timer);
      stream.cancel();
    }
  }

  /** @throws InfractlError when the manager does not answer in time or refuses */
  policies(): Promise<ListPoliciesResponse> {
    return new Promise((resolve, reject) => {
      this.#manager.client.listPolicies(
        {},
        new Metadata(),
        { deadline: Date.now() + this.deadlineMs },
        (error, response) => {
          if (error) reject(this.#explain('ListPolicies', error));
          else resolve(response);
        },
      );
    });
  }

  /**
   * What would happen to a packet.
   *
   * @throws InfractlError when the manager does not answer in time or refuses
   */
  trace(request: TraceRequest): Promise<TraceResponse> {
    return new Promise((resolve, reject) => {
      this.#manager.client.trace(
        request,
        new Metadata(),
        { deadline: Date.now() + this.deadlineMs },
        (error, response) => {
          if (error) reject(this.#explain('Trace', error));
          else resolve(response);
        },
      );
    });
  }

  close(): void {
    this.#manager.close(0);
    this.#security.source?.close();
  }

  #explain(call: string, error: unknown): InfractlError {
    const { code = status.UNKNOWN, details, message = String(error) } = error as Partial<ServiceError>;
    const name = (status[code] ?? 'UNKNOWN') as keyof typeof status;
    const reason = failureText({ details, message });
    const hint = /ECONNREFUSED/.test(reason) ? '; is infra-manager running there?' : '';
    return new InfractlError(name, `${call} at ${this.address}: ${name}: ${reason}${hint}`, {
      cause: error,
    });
  }
}
