import {
  type Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { statusBytes } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import {
  type MasterArbitrationUpdate,
  type P4RuntimeServer,
  P4RuntimeService,
  type ReadRequest,
  type ReadResponse,
  type StreamMessageRequest,
  type StreamMessageResponse,
} from '@infra-offload/p4rt/proto';
import { LearnedReading } from '../entities/learned.js';
import { EncodedEntities } from '../entities/learned-encoder.js';
import { fail, SoftswitchError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { ControllerStream } from './arbitration.js';
import type { Device } from './device.js';
import { batchFailure, failure, type ServiceFailure } from './status.js';
import { sendEntities, sendLearned } from './streamed-read.js';

/** The version of P4Runtime that is implemented, as Capabilities tells it. */
export const P4RUNTIME_VERSION = '1.5.0';

/** The P4Runtime service over one device. */
export function p4runtimeService(device: Device, logger: Logger | undefined): P4RuntimeServer {
  return {
    capabilities: unary(() => ({ p4runtimeApiVersion: P4RUNTIME_VERSION, experimental: undefined })),
    getForwardingPipelineConfig: unary((request) => ({ config: device.getPipeline(request) })),
    setForwardingPipelineConfig: unary(async (request) => {
      await device.setPipeline(request);
      return {};
    }),
    write: unary(async (request, room) => {
      const results = await device.write(request);
      if (results.length > 0) {
        logger?.debug(
          { updates: results.length, failed: results.filter((each) => each).length },
          'Write failed in part',
        );
        throw new BatchFailed(batchFailure('updates', results, room));
      }
      return {};
    }),
    read: (call) => {
      new Guard((error) => endWith(call, failure(error))).run(() => read(device, call));
    },
    streamChannel: (call) => streamChannel(device, call, logger),
  };
}

/** The service as a server is told of it: what is encoded already is sent as it is. */
export const P4RUNTIME: ServiceDefinition = {
  ...P4RuntimeService,
  read: {
    ...P4RuntimeService.read,
    responseSerialize: (response: ReadResponse): Buffer =>
      response instanceof EncodedEntities
        ? response.bytes
        : P4RuntimeService.read.responseSerialize(response),
  },
};

/** Carries a finished status out of a handler. */
class BatchFailed extends Error {
  constructor(readonly failure: ServiceFailure) {
    super(failure.details);
  }
}

/** @param handler gets the request, and how many bytes a status may have */
function unary<Request, Response>(handler: (request: Request, room: number) => Response | Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    const run = async (): Promise<Response> => await handler(call.request, statusBytes(call));
    run().then(
      (response) => callback(null, response),
      (error: unknown) => callback(error instanceof BatchFailed ? error.failure : failure(error)),
    );
  };
}

async function read(device: Device, call: ServerWritableStream<ReadRequest, ReadResponse>): Promise<void> {
  try {
    const parts = device.read(call.request);
    const errors = parts.map((part) => (part instanceof SoftswitchError ? part : undefined));
    for (const part of parts) {
      if (part instanceof LearnedReading) await sendLearned(call, part);
      else if (!(part instanceof SoftswitchError)) await sendEntities(call, part);
    }
    if (errors.some((error) => error !== undefined))
      endWith(call, batchFailure('reads', errors, statusBytes(call)));
    else call.end();
  } catch (error) {
    endWith(call, failure(error));
  }
}

function endWith(
  call: { emit(event: 'error', error: ServiceFailure): boolean; readonly cancelled: boolean },
  error: { code: status; details: string; metadata?: Metadata },
): void {
  if (!call.cancelled) call.emit('error', error);
}

type Channel = ServerDuplexStream<StreamMessageRequest, StreamMessageResponse>;

/** Messages that may wait for a slow client before errors about its own messages are dropped. */
const MAX_WAITING_BYTES = 1 << 20;

function streamChannel(device: Device, call: Channel, logger: Logger | undefined): void {
  let open = true;
  const send = (update: StreamMessageResponse['update']): void => {
    if (open && !call.cancelled && call.writableLength < MAX_WAITING_BYTES) call.write({ update });
  };
  const stream: ControllerStream = {
    notify(update: MasterArbitrationUpdate) {
      logger?.debug({ electionId: update.electionId, status: update.status?.message }, 'arbitration');
      send({ $case: 'arbitration', value: update });
    },
  };
  const leave = (): void => {
    if (!open) return;
    open = false;
    device.arbitration.leave(stream);
    logger?.debug({}, 'controller left');
  };

  const guard = new Guard((error) => {
    leave();
    endWith(call, failure(error));
  });
  call.on(
    'data',
    guard.handler((message: StreamMessageRequest) => {
      if (open) receive(device, stream, message, send);
    }),
  );
  call.on(
    'end',
    guard.handler(() => {
      leave();
      call.end();
    }),
  );
  for (const event of ['cancelled', 'close', 'error']) call.on(event, guard.handler(leave));
}

function receive(
  device: Device,
  stream: ControllerStream,
  { update }: StreamMessageRequest,
  send: (update: StreamMessageResponse['update']) => void,
): void {
  if (update === undefined) fail('INVALID_ARGUMENT', 'the stream message is empty');
  const refuse = (code: status, message: string, details: StreamErrorDetails): void => {
    send({ $case: 'error', value: { canonicalCode: code, message, space: 'softswitch', code: 0, details } });
  };
  switch (update.$case) {
    case 'arbitration':
      device.arbitration.update(stream, update.value);
      return;
    case 'packet': {
      const details: StreamErrorDetails = { $case: 'packetOut', value: { packetOut: update.value } };
      if (!device.arbitration.isPrimary(stream))
        refuse(status.PERMISSION_DENIED, 'only a primary may send packets', details);
      else {
        const reason = device.hasPacketIo ? 'this target has no packet I/O' : 'the program has no packet I/O';
        refuse(status.UNIMPLEMENTED, reason, details);
      }
      return;
    }
    case 'digestAck':
      refuse(
        status.INVALID_ARGUMENT,
        `the program has no digest ${update.value.digestId} to be acknowledged`,
        {
          $case: 'digestListAck',
          value: { digestListAck: update.value },
        },
      );
      return;
    case 'other':
      refuse(status.UNIMPLEMENTED, 'unknown kind of stream message', {
        $case: 'other',
        value: { other: update.value },
      });
      return;
    default: {
      const never: never = update;
      fail('INTERNAL', `unhandled ${String(never)}`);
    }
  }
}

type StreamErrorDetails = Extract<
  NonNullable<StreamMessageResponse['update']>,
  { $case: 'error' }
>['value']['details'];
