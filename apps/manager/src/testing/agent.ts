import { type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  type AddPodResponse,
  type Change,
  type DeviceEntry,
  type Endpoint,
  ObjectState,
  type ObjectStatus,
  OffloadClient,
  type Pod,
  Protocol,
  type Service,
  type StatusResponse,
  type SyncRequest,
  type SyncResponse,
  type WantedObject,
} from '@infra-offload/infra-api';

type ChangeBody = NonNullable<Change['change']>;

/** Plays infra-agent over gRPC. */
export class TestAgent {
  readonly client: OffloadClient;
  /** Last status of every object that was told on the current stream. */
  readonly statuses = new Map<string, ObjectStatus>();
  responses: SyncResponse[] = [];
  error: ServiceError | undefined;
  #stream: ClientDuplexStream<SyncRequest, SyncResponse> | undefined;
  #revision = 0n;
  #applied = 0n;
  #waiting: (() => void)[] = [];

  constructor(address: string) {
    this.client = new OffloadClient(address, credentials.createInsecure());
  }

  /** Opens a new stream; revisions begin anew. */
  connect(): void {
    this.#revision = 0n;
    this.#applied = 0n;
    this.error = undefined;
    this.responses = [];
    this.statuses.clear();
    const stream = this.client.sync();
    this.#stream = stream;
    stream.on('data', (response: SyncResponse) => {
      if (stream !== this.#stream) return;
      this.responses.push(response);
      for (const status of response.statuses) this.statuses.set(status.object?.name ?? '', status);
      this.#applied = response.appliedRevision;
      this.#wake();
    });
    stream.on('error', (error: ServiceError) => {
      if (stream === this.#stream) this.error = error;
      this.#wake();
    });
  }

  /** Sends changes in one message; returns the last revision. */
  send(...changes: ChangeBody[]): bigint {
    this.#stream?.write({ changes: changes.map((change) => ({ revision: ++this.#revision, change })) });
    return this.#revision;
  }

  /** Connects, sends a snapshot and waits until it is applied. */
  async snapshot(...objects: WantedObject[]): Promise<void> {
    this.connect();
    await this.applied(
      this.send(
        { $case: 'snapshotBegin', value: { nodeName: 'node-1' } },
        ...objects.map((value): ChangeBody => ({ $case: 'upsert', value })),
        { $case: 'snapshotEnd', value: {} },
      ),
    );
  }

  /** Sends upserts and waits until they are applied. */
  async upsert(...objects: WantedObject[]): Promise<void> {
    await this.applied(this.send(...objects.map((value): ChangeBody => ({ $case: 'upsert', value }))));
  }

  /** Removes an object and waits until that is applied. */
  async remove(kind: number, name: string): Promise<void> {
    await this.applied(this.send({ $case: 'remove', value: { kind, name } }));
  }

  /** Waits until a revision is applied. */
  async applied(revision: bigint, timeoutMs = 60_000): Promise<void> {
    await this.until(() => this.#applied >= revision, `revision ${revision}`, timeoutMs);
  }

  /** Waits for the status of an object. */
  async status(
    name: string,
    wanted: (status: ObjectStatus) => boolean,
    timeoutMs = 60_000,
  ): Promise<ObjectStatus> {
    const matches = () => {
      const status = this.statuses.get(name);
      return status !== undefined && wanted(status);
    };
    await this.until(matches, `a status of ${name}`, timeoutMs);
    const status = this.statuses.get(name);
    if (status === undefined) throw new Error('unreachable');
    return status;
  }

  /** Waits for something that responses bring about. */
  async until(done: () => boolean, what: string, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!done()) {
      if (this.error !== undefined) throw this.error;
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(
          `timed out waiting for ${what}; statuses: ${JSON.stringify([...this.statuses.values()])}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  addPod(value: Pod): Promise<AddPodResponse> {
    return new Promise((resolve, reject) => {
      this.client.addPod({ pod: value }, (error, response) => (error ? reject(error) : resolve(response)));
    });
  }

  deletePod(attachmentId: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.deletePod({ attachmentId }, (error) => (error ? reject(error) : resolve()));
    });
  }

  managerStatus(): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.client.status({ allObjects: true }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }

  async entries(table = '', object?: { kind: number; name: string }): Promise<DeviceEntry[]> {
    const entries: DeviceEntry[] = [];
    for await (const response of this.client.listEntries({ table, object }))
      entries.push(...response.entries);
    return entries;
  }

  close(): void {
    this.#stream?.cancel();
    this.client.close();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

export const DEGRADED = ObjectState.OBJECT_STATE_DEGRADED;
export const PROGRAMMED = ObjectState.OBJECT_STATE_PROGRAMMED;

/** `10.244.1.5:8080` or, with a weight, `10.244.1.5:8080*3`. */
export function endpoint(text: string): Endpoint {
  const [, address = '', port = '', weight = '1'] = /^(.*):(\d+)(?:\*(\d+))?$/.exec(text) ?? [];
  return { address, port: Number(port), weight: Number(weight) };
}

/** A service of namespace `default`, its frontends and endpoints as texts. */
export function service(
  name: string,
  frontends: readonly string[],
  endpoints: readonly string[],
  more: Partial<Service> = {},
): WantedObject {
  const value: Service = {
    namespace: 'default',
    name,
    portName: '',
    protocol: Protocol.PROTOCOL_TCP,
    frontends: frontends.map(endpoint),
    endpoints: endpoints.map(endpoint),
    sessionAffinity: undefined,
    hasEndpointsElsewhere: false,
    conditions: [],
    ...more,
  };
  return { object: { $case: 'service', value } };
}

/** Pod number `i`: attachment `c<i>/eth0`, interface `mem<i>`, address 10.244.1.`i`. */
export function pod(i: number, more: Partial<Pod> = {}): Pod {
  return {
    attachmentId: `c${i}/eth0`,
    namespace: 'default',
    name: `pod-${i}`,
    interfaceName: `mem${i}`,
    mac: `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`,
    addresses: [`10.244.1.${i}`],
    ...more,
  };
}

/** Pod number `i` as an object of a snapshot. */
export function podObject(i: number, more: Partial<Pod> = {}): WantedObject {
  return { object: { $case: 'pod', value: pod(i, more) } };
}

/** Service `web` at 10.96.0.10:80. */
export function web(...endpoints: readonly string[]): WantedObject {
  return service('web', ['10.96.0.10:80'], endpoints);
}

/** The node, with its host interface on `mem0`. */
export function node(
  more: Partial<Extract<WantedObject['object'], { $case: 'node' }>['value']> = {},
): WantedObject {
  return {
    object: {
      $case: 'node',
      value: {
        name: 'node-1',
        hostInterface: { interfaceName: 'mem0', mac: '02:00:00:00:00:01', addresses: ['10.244.1.254'] },
        serviceCidrs: ['10.96.0.0/16'],
        routes: [],
        addresses: [],
        ...more,
      },
    },
  };
}
