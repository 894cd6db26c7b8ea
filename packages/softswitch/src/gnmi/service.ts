import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { gnmi } from '@infra-offload/p4rt/proto';
import { fail } from '../errors.js';
import type { Logger } from '../logger.js';
import { failure } from '../p4runtime/status.js';
import type { PortProvider } from '../ports/provider.js';
import { applySet, type PendingConfigs } from './set.js';
import { joinPath, type Leaf, pathOf, resolvePath, select, toObject, toTypedValue } from './tree.js';

/** The version of gNMI that is implemented, as Capabilities tells it. */
export const GNMI_VERSION = '0.10.0';

const ENCODINGS = [gnmi.Encoding.JSON, gnmi.Encoding.PROTO, gnmi.Encoding.JSON_IETF];

/** The gNMI service over the ports: the paths that infrap4d has for virtual interfaces. */
export function gnmiService(ports: PortProvider, logger: Logger | undefined): gnmi.gNMIServer {
  const pending: PendingConfigs = new Map();
  return {
    capabilities: unary(() => ({
      supportedModels: [
        { name: 'openconfig-interfaces', organization: 'OpenConfig working group', version: '2.4.1' },
      ],
      supportedEncodings: ENCODINGS,
      gNMIVersion: GNMI_VERSION,
      extension: [],
    })),
    get: unary((request) => get(ports, request)),
    set: unary((request) => {
      const response = applySet(ports, pending, request);
      logger?.info({ ports: ports.list().length }, 'ports set through gNMI');
      return { prefix: request.prefix, response, message: undefined, timestamp: now(), extension: [] };
    }),
    subscribe: (call) => {
      call.emit('error', {
        code: status.UNIMPLEMENTED,
        details: 'Subscribe is not supported: poll with Get',
      });
    },
  };
}

function unary<Request, Response>(handler: (request: Request) => Response) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    let response: Response;
    try {
      response = handler(call.request);
    } catch (error) {
      callback(failure(error));
      return;
    }
    callback(null, response);
  };
}

function get(ports: PortProvider, request: gnmi.GetRequest): gnmi.GetResponse {
  const { encoding, type } = request;
  if (!ENCODINGS.includes(encoding)) {
    fail(
      'UNIMPLEMENTED',
      `encoding ${gnmi.Encoding[encoding] ?? encoding} is not supported: JSON, JSON_IETF and PROTO are`,
    );
  }
  if (request.path.length === 0) fail('INVALID_ARGUMENT', 'the request has no path');
  const timestamp = now();
  const notification = request.path.map((one): gnmi.Notification => {
    const path = joinPath(request.prefix, one);
    const { rest } = resolvePath(path);
    const update = select(ports, path).flatMap(({ port, leaves }) => {
      const wanted = leaves.filter((leaf) => ofType(leaf, type));
      if (wanted.length === 0) return [];
      if (encoding === gnmi.Encoding.PROTO) {
        return wanted.map((leaf) => toUpdate(pathOf(port, leaf.path), toTypedValue(leaf.value)));
      }
      const json = Buffer.from(JSON.stringify(toObject(wanted, rest.length)));
      const $case = encoding === gnmi.Encoding.JSON ? 'jsonVal' : 'jsonIetfVal';
      return [toUpdate(pathOf(port, rest), { value: { $case, value: json } })];
    });
    return { timestamp, prefix: undefined, alias: '', update, delete: [], atomic: false };
  });
  return { notification, error: undefined, extension: [] };
}

function ofType(leaf: Leaf, type: gnmi.GetRequest_DataType): boolean {
  switch (type) {
    case gnmi.GetRequest_DataType.CONFIG:
      return leaf.path[0] === 'config';
    case gnmi.GetRequest_DataType.STATE:
    case gnmi.GetRequest_DataType.OPERATIONAL:
      return leaf.path[0] === 'state';
    default:
      return true;
  }
}

function toUpdate(path: gnmi.Path, val: gnmi.TypedValue): gnmi.Update {
  return { path, value: undefined, val, duplicates: 0 };
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
