import { messageOf } from '@infra-offload/base';
import { formatPath } from '@infra-offload/p4rt';
import { gnmi } from '@infra-offload/p4rt/proto';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { fail, SoftswitchError } from '../errors.js';
import type { PortProvider, PortRequest } from '../ports/provider.js';
import { joinPath, resolvePath } from './tree.js';

/** A JSON value of a `config` container, or of the interface with one. */
const configSchema = z.record(z.string(), z.union([z.string(), z.number()]));
const interfaceSchema = z.object({ name: z.string().optional(), config: configSchema });

/** Leaves that `gnmi-ctl` sends for a TAP port and that mean nothing here, but may be given. */
const IGNORED = new Set([
  'device-type',
  'pipeline-name',
  'mempool-name',
  'packet-dir',
  'queues',
  'host-name',
  'control-port',
]);

type Config = Map<string, string | number>;

/**
 * Does what a SetRequest says: makes TAP ports and removes ports. Everything is checked first; if a device cannot be
 * made after all, those made before it are removed again. Ports that were deleted stay deleted.
 */
export function applySet(ports: PortProvider, request: gnmi.SetRequest): gnmi.UpdateResult[] {
  const results: gnmi.UpdateResult[] = [];
  const done = (path: gnmi.Path, op: gnmi.UpdateResult_Operation): void => {
    results.push({ timestamp: 0n, path, message: undefined, op });
  };
  const removed = request.delete.map((path) => {
    const name = interfaceToDelete(ports, joinPath(request.prefix, path));
    done(path, gnmi.UpdateResult_Operation.DELETE);
    return name;
  });
  const configs = new Map<string, Config>();
  const collect = (updates: readonly gnmi.Update[], op: gnmi.UpdateResult_Operation): void => {
    for (const update of updates) {
      collectUpdate(configs, joinPath(request.prefix, update.path), update.val);
      done(update.path ?? joinPath(undefined, undefined), op);
    }
  };
  collect(request.replace, gnmi.UpdateResult_Operation.REPLACE);
  collect(request.update, gnmi.UpdateResult_Operation.UPDATE);

  const wanted = [...configs].flatMap(
    ([name, config]) => portRequest(ports, name, config, removed.includes(name)) ?? [],
  );
  for (const name of new Set(removed)) ports.remove(name);
  const made: string[] = [];
  try {
    for (const port of wanted) made.push(ports.create(port).name);
  } catch (error) {
    for (const name of made) ports.remove(name);
    throw error;
  }
  return results;
}

function interfaceToDelete(ports: PortProvider, path: gnmi.Path): string {
  const { name, depth, rest } = resolvePath(path);
  if (depth < 2 || name === undefined) {
    fail(
      'INVALID_ARGUMENT',
      `delete ${formatPath(path)}: name one interface (interfaces/virtual-interface[name=…])`,
    );
  }
  if (rest.length > 1 || (rest.length === 1 && rest[0] !== 'config')) {
    fail('INVALID_ARGUMENT', `delete ${formatPath(path)}: only a whole interface can be deleted`);
  }
  if (ports.find(name) === undefined) fail('NOT_FOUND', `no port ${name}`);
  return name;
}

function collectUpdate(
  configs: Map<string, Config>,
  path: gnmi.Path,
  typed: gnmi.TypedValue | undefined,
): void {
  const where = `set ${formatPath(path)}`;
  const { name, depth, rest } = resolvePath(path);
  if (depth < 2 || name === undefined) fail('INVALID_ARGUMENT', `${where}: name one interface`);
  const config = configs.get(name) ?? new Map();
  configs.set(name, config);
  const value = readValue(where, typed);
  if (rest.length === 2 && rest[0] === 'config') {
    if (typeof value !== 'string' && typeof value !== 'number')
      fail('INVALID_ARGUMENT', `${where}: a leaf takes a plain value`);
    config.set(rest[1] ?? '', value);
    return;
  }
  const schema = rest.length === 0 ? interfaceSchema.transform((whole) => whole.config) : configSchema;
  if (rest.length > 1 || (rest.length === 1 && rest[0] !== 'config'))
    fail('INVALID_ARGUMENT', `${where}: it cannot be set`);
  const parsed = safeParse(schema, value);
  if (!parsed.success) fail('INVALID_ARGUMENT', `${where}: ${parsed.error.issues[0]?.message ?? 'invalid'}`);
  for (const [leaf, leafValue] of Object.entries(parsed.data)) config.set(leaf, leafValue);
}

function readValue(where: string, typed: gnmi.TypedValue | undefined): unknown {
  const value = typed?.value;
  switch (value?.$case) {
    case 'stringVal':
    case 'asciiVal':
      return value.value;
    case 'intVal':
    case 'uintVal':
      return Number(value.value);
    case 'jsonVal':
    case 'jsonIetfVal':
      try {
        return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value.value));
      } catch (error) {
        throw new SoftswitchError('INVALID_ARGUMENT', `${where}: ${messageOf(error)}`, { cause: error });
      }
    default:
      return fail(
        'INVALID_ARGUMENT',
        `${where}: the value must be a string, a number or JSON, not ${value?.$case ?? 'unset'}`,
      );
  }
}

/** The port to be made; undefined if it is there already, just as asked for. */
function portRequest(
  ports: PortProvider,
  name: string,
  config: Config,
  isNew: boolean,
): PortRequest | undefined {
  const where = `port ${name}`;
  let mtu: number | undefined;
  let type: string | undefined;
  for (const [leaf, value] of config) {
    if (IGNORED.has(leaf)) continue;
    switch (leaf) {
      case 'name':
        if (value !== name) fail('INVALID_ARGUMENT', `${where}: config/name is '${value}'`);
        break;
      case 'mtu':
        mtu = Number(value);
        if (!Number.isInteger(mtu)) fail('INVALID_ARGUMENT', `${where}: mtu '${value}' is not a number`);
        break;
      case 'port-type':
        type = String(value).toUpperCase();
        if (type !== 'TAP')
          fail('INVALID_ARGUMENT', `${where}: port-type '${value}' is not supported, TAP is`);
        break;
      case 'tdi-portin-id':
      case 'tdi-portout-id':
        fail('INVALID_ARGUMENT', `${where}: ${leaf} is given by the target`);
        break;
      default:
        fail('NOT_FOUND', `${where}: no leaf config/${leaf}`);
    }
  }
  const known = isNew ? undefined : ports.find(name);
  if (known !== undefined) {
    if (mtu !== undefined && mtu !== known.mtu) {
      fail(
        'FAILED_PRECONDITION',
        `${where}: the mtu is ${known.mtu} and cannot be changed; delete the port and create it again`,
      );
    }
    return undefined;
  }
  if (type === undefined) fail('INVALID_ARGUMENT', `${where}: config/port-type is missing (TAP)`);
  return mtu === undefined ? { name } : { name, mtu };
}
