import { type ChannelCredentials, type ClientDuplexStream, status } from '@grpc/grpc-js';
import {
  Encoding,
  GetRequest_DataType,
  gNMIService,
  type Notification,
  type Path,
  type SubscribeRequest,
  type SubscribeResponse,
  SubscriptionList_Mode,
  SubscriptionMode,
  type Update,
} from '../gen/gnmi/gnmi.js';
import { DEFAULT_DEADLINE_MS, Rpc } from '../rpc.js';
import { streamMessages } from '../stream-messages.js';
import { formatPath, parsePath } from './path.js';
import { decodeUpdateValue, encodeValue, type GnmiInput, type GnmiValue } from './value.js';

export interface GnmiOptions {
  /** `host:port` or any other target of gRPC. */
  readonly address: string;
  /** Default: no encryption. */
  readonly credentials?: ChannelCredentials;
  /** Longest wait for an answer, in ms. Default 10,000. */
  readonly deadlineMs?: number;
}

/** A path and its value. */
export interface GnmiLeaf<V = GnmiValue> {
  readonly path: string;
  readonly value: V;
}

export interface GnmiSet {
  readonly delete?: readonly string[];
  readonly replace?: readonly GnmiLeaf<GnmiInput>[];
  readonly update?: readonly GnmiLeaf<GnmiInput>[];
}

/** What a subscription tells. `sync` comes once, when all that is there has been told. */
export type GnmiEvent =
  | { readonly kind: 'update'; readonly path: string; readonly value: GnmiValue; readonly timestamp: bigint }
  | { readonly kind: 'delete'; readonly path: string; readonly timestamp: bigint }
  | { readonly kind: 'sync' };

/** How often a `STREAM` subscription tells a value. */
export type GnmiSampling =
  | { readonly mode: 'ON_CHANGE' | 'TARGET_DEFINED' }
  | { readonly mode: 'SAMPLE'; readonly intervalMs: number };

/** A gNMI client. It connects when the first call needs it, and calls fail at once where nobody listens. */
export class GnmiClient {
  readonly address: string;
  readonly #rpc: Rpc;

  static connect(options: GnmiOptions): GnmiClient {
    return new GnmiClient(options);
  }

  private constructor(options: GnmiOptions) {
    this.address = options.address;
    this.#rpc = new Rpc(
      options.address,
      options.credentials,
      options.deadlineMs ?? DEFAULT_DEADLINE_MS,
      1_000,
    );
  }

  /** Version, models and encodings of the target. */
  async capabilities(): Promise<{
    readonly version: string;
    readonly models: readonly {
      readonly name: string;
      readonly organization: string;
      readonly version: string;
    }[];
    readonly encodings: readonly string[];
  }> {
    const response = await this.#rpc.unary(gNMIService.capabilities, { extension: [] });
    return {
      version: response.gNMIVersion,
      models: response.supportedModels,
      encodings: response.supportedEncodings.map((encoding) => Encoding[encoding] ?? String(encoding)),
    };
  }

  /**
   * The values at some paths, which may have wildcards.
   * @throws P4rtError PATH_SYNTAX, MALFORMED for a value that cannot be read, or the gRPC code
   */
  async get(
    paths: readonly string[],
    options: {
      readonly type?: keyof typeof GetRequest_DataType;
      readonly encoding?: keyof typeof Encoding;
    } = {},
  ): Promise<GnmiLeaf[]> {
    const response = await this.#rpc.unary(gNMIService.get, {
      prefix: undefined,
      path: paths.map(parsePath),
      type: GetRequest_DataType[options.type ?? 'ALL'],
      encoding: Encoding[options.encoding ?? 'PROTO'],
      useModels: [],
      extension: [],
    });
    this.#refuse('Get', response.error);
    return response.notification.flatMap((notification) =>
      notification.update.map((update) => ({
        path: fullPath(notification, update.path),
        value: decodeUpdateValue(update),
      })),
    );
  }

  /**
   * Changes values, as one transaction: deletes first, then replaces, then updates, each in order.
   * @throws P4rtError PATH_SYNTAX, INVALID for a value that cannot be sent, or the gRPC code
   */
  async set(changes: GnmiSet): Promise<void> {
    const response = await this.#rpc.unary(gNMIService.set, {
      prefix: undefined,
      delete: (changes.delete ?? []).map(parsePath),
      replace: (changes.replace ?? []).map(toUpdate),
      update: (changes.update ?? []).map(toUpdate),
      extension: [],
    });
    this.#refuse('Set', response.message);
    for (const result of response.response) this.#refuse('Set', result.message);
  }

  /**
   * Tells values once (`ONCE`, it ends by itself) or as they change (`STREAM`, leaving the loop ends it).
   * @throws P4rtError PATH_SYNTAX, MALFORMED, or the gRPC code
   */
  async *subscribe(
    paths: readonly string[],
    options: {
      readonly mode: 'ONCE' | 'STREAM';
      readonly sampling?: GnmiSampling;
      readonly encoding?: keyof typeof Encoding;
    },
  ): AsyncGenerator<GnmiEvent, void, void> {
    const sampling = options.sampling ?? { mode: 'TARGET_DEFINED' };
    const sampleInterval = sampling.mode === 'SAMPLE' ? BigInt(Math.round(sampling.intervalMs * 1e6)) : 0n;
    const subscription = paths.map((path) => ({
      path: parsePath(path),
      mode: SubscriptionMode[sampling.mode],
      sampleInterval,
      suppressRedundant: false,
      heartbeatInterval: 0n,
    }));
    const { path, requestSerialize, responseDeserialize } = gNMIService.subscribe;
    const call: ClientDuplexStream<SubscribeRequest, SubscribeResponse> =
      this.#rpc.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.write({
      request: {
        $case: 'subscribe',
        value: {
          prefix: undefined,
          subscription,
          useAliases: false,
          qos: undefined,
          mode: SubscriptionList_Mode[options.mode],
          allowAggregation: false,
          useModels: [],
          encoding: Encoding[options.encoding ?? 'PROTO'],
          updatesOnly: false,
        },
      },
      extension: [],
    });
    if (options.mode === 'ONCE') call.end();
    for await (const { response } of streamMessages<SubscribeResponse>(
      this.#rpc,
      'Subscribe',
      call,
      undefined,
    )) {
      switch (response?.$case) {
        case 'update':
          yield* events(response.value);
          break;
        case 'syncResponse':
          yield { kind: 'sync' };
          break;
        case 'error':
          this.#refuse('Subscribe', response.value);
          break;
        case undefined:
          break;
        default:
          response satisfies never;
      }
    }
  }

  /** Ends calls under way with CANCELLED. May be called again. */
  close(): void {
    this.#rpc.close();
  }

  /** The way of reporting errors that gNMI has deprecated; some targets still use it. */
  #refuse(method: string, error: { readonly code: number; readonly message: string } | undefined): void {
    if (error === undefined || (error.code === status.OK && error.message === '')) return;
    throw this.#rpc.error(method, error.code, error.message);
  }
}

function toUpdate({ path, value }: GnmiLeaf<GnmiInput>): Update {
  return { path: parsePath(path), value: undefined, val: encodeValue(value), duplicates: 0 };
}

function* events(notification: Notification): Generator<GnmiEvent, void, void> {
  const { timestamp } = notification;
  for (const path of notification.delete)
    yield { kind: 'delete', path: fullPath(notification, path), timestamp };
  for (const update of notification.update) {
    yield {
      kind: 'update',
      path: fullPath(notification, update.path),
      value: decodeUpdateValue(update),
      timestamp,
    };
  }
}

/** A path behind the prefix of its notification. */
function fullPath({ prefix }: Notification, path: Path | undefined): string {
  return formatPath({
    origin: path?.origin || prefix?.origin || '',
    elem: [...(prefix?.elem ?? []), ...(path?.elem ?? [])],
    element: [...(prefix?.element ?? []), ...(path?.element ?? [])],
  });
}
