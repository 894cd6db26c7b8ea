import { Metadata } from '@grpc/grpc-js';
import { type Connected, connectClient } from '@infra-offload/grpc';
import {
  AddPodRequest,
  type AddPodResponse,
  type DeviceEntry,
  type ListEntriesRequest,
  ObjectKind,
  type ObjectState,
  OffloadClient,
  type Pod,
  type StatusResponse,
} from '@infra-offload/infra-api';
import type { IdentityFiles } from '@infra-offload/tls-certs';
import { type ClientSecurity, openClientSecurity } from '@infra-offload/tls-certs/grpc';

const DEADLINE_MS = 10_000;

/** Asks infra-manager for its status and entries. */
export class ManagerClient {
  readonly #manager: Connected<OffloadClient>;
  readonly #security: ClientSecurity;

  /** @param identity of an agent. */
  constructor(address: string, identity: IdentityFiles) {
    this.#security = openClientSecurity({ mode: 'mtls', ...identity }, 'manager');
    this.#manager = connectClient(OffloadClient, address, this.#security.credentials, {
      'grpc.max_receive_message_length': -1,
      // A manager that was just started again is to be found at once.
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
    });
  }

  status(allObjects = false): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.#manager.client.status(
        { allObjects },
        new Metadata(),
        { deadline: Date.now() + DEADLINE_MS },
        (error, response) => {
          if (error) reject(error);
          else resolve(response);
        },
      );
    });
  }

  async entries(request: ListEntriesRequest = { table: '' }): Promise<DeviceEntry[]> {
    const entries: DeviceEntry[] = [];
    const stream = this.#manager.client.listEntries(request, new Metadata(), {
      deadline: Date.now() + DEADLINE_MS,
    });
    for await (const response of stream) entries.push(...response.entries);
    return entries;
  }

  /** State of a service port such as `default/web:http/TCP`; undefined if the manager does not know it. */
  async serviceState(
    servicePort: string,
  ): Promise<{ state: ObjectState; reason: string; message: string } | undefined> {
    const { objects } = await this.status(true);
    return objects.find(
      ({ object }) => object?.kind === ObjectKind.OBJECT_KIND_SERVICE && object.name === servicePort,
    );
  }

  addPod(pod: Partial<Pod>): Promise<AddPodResponse> {
    return new Promise((resolve, reject) => {
      const request = AddPodRequest.fromPartial({ pod });
      this.#manager.client.addPod(
        request,
        new Metadata(),
        { deadline: Date.now() + DEADLINE_MS },
        (error, response) => {
          if (error) reject(error);
          else resolve(response);
        },
      );
    });
  }

  /** Sends bytes as an AddPod request, whatever they are. */
  raw(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#manager.client.makeUnaryRequest(
        '/infra_offload.v1.Offload/AddPod',
        (value: Buffer) => value,
        (value: Buffer) => value,
        bytes,
        new Metadata(),
        { deadline: Date.now() + DEADLINE_MS },
        (error, response) => {
          if (error) reject(error);
          else resolve(response ?? Buffer.alloc(0));
        },
      );
    });
  }

  close(): void {
    this.#manager.close();
    this.#security.source?.close();
  }
}
