import { messageOf } from '@infra-offload/base';
import { formatPath } from '@infra-offload/p4rt';
import { gnmi } from '@infra-offload/p4rt/proto';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { fail, SoftswitchError } from '../errors.js';
import type { PortInfo, PortProvider, PortRequest } from '../ports/provider.js';
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
 * Leaves of ports that are not there yet, by name: a client may send each in a Set of its own, as gnmi-ctl does, and the port
 * is made once they suffice.
 */
export type PendingConfigs = Map<string, Config>;

/** Ports that may wait for more of their leaves; a client can name any number. */
const MAX_PENDING = 1_024;

/**
 * Does what a SetRequest says: makes TAP ports and removes ports. Everything is checked first; if a device cannot be
 * made after all, those made before it are removed again. Ports that were deleted stay deleted. Leaves that do not suffice
 * to make a port are kept in `pending`.
 */
export function applySet(
  ports: PortProvider,
  pending: PendingConfigs,
  request: gnmi.SetRequest,
): gnmi.UpdateResult[] {
  const results: gnmi.UpdateResult[] = [];
  const done = (path: gnmi.Path, op: gnmi.UpdateResult_Operation): void => {
    results.push({ timestamp: 0n, path, message: undefined, op });
  };
  const removed = request.delete.map((path) => {
    const name = interfaceToDelete(ports, pending, joinPath(request.prefix, path));
    done(path, gnmi.UpdateResult_Operation.DELETE);
    return name;
  });
  const configs = new Map<string, Config>();
  const known = (name: string): Config | undefined =>
    configs.get(name) ?? (removed.includes(name) ? undefined : pending.get(name));
  const collect = (updates: readonly gnmi.Update[], op: gnmi.UpdateResult_Operation): void => {
    for (const update of updates) {
      const { name, config } = readUpdate(known, joinPath(request.prefix, update.path), update.val);
      configs.set(name, config);
      done(update.path ?? joinPath(undefined, undefined), op);
    }
  };
  collect(request.replace, gnmi.UpdateResult_Operation.REPLACE);
  collect(request.update, gnmi.UpdateResult_Operation.UPDATE);

  const waiting = new Map([...pending].filter(([name]) => !removed.includes(name)));
  const wanted = [...configs].flatMap(([name, config]) => {
    const port = removed.includes(name) ? undefined : ports.find(name);
    const made = portRequest(name, config, port);
    if (port === undefined && made === undefined) waiting.set(name, config);
    else waiting.delete(name);
    return made ?? [];
  });
  if (waiting.size > MAX_PENDING) {
    fail(
      'RESOURCE_EXHAUSTED',
      `${MAX_PENDING} ports wait for config/port-type already: set it, or delete them`,
    );
  }
  for (const name of new Set(removed)) if (ports.find(name) !== undefined) ports.remove(name);
  const made: string[] = [];
  try {
    for (const port of wanted) made.push(ports.create(port).name);
  } catch (error) {
    for (const name of made) ports.remove(name);
    throw error;
  }
  pending.clear();
  for (const [name, config] of waiting) pending.set(name, config);
  return results;
}

function interfaceToDelete(ports: PortProvider, pending: PendingConfigs, path: gnmi.Path): string {
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
  if (ports.find(name) === undefined && !pending.has(name)) fail('NOT_FOUND', `no port ${name}`);
  return name;
}

/** The interface that an update is for, with its leaves so far and those of the update. */
function readUpdate(
  known: (name: string) => Config | undefined,
  path: gnmi.Path,
  typed: gnmi.TypedValue | undefined,
): { readonly name: string; readonly config: Config } {
  const where = `set ${formatPath(path)}`;
  const { name, depth, rest } = resolvePath(path);
  if (depth < 2 || name === undefined) fail('INVALID_ARGUMENT', `${where}: name one interface`);
  const config: Config = new Map(known(name));
  const keep = (leaf: string, value: string | number): void => {
    if (!IGNORED.has(leaf)) config.set(leaf, value);
  };
  const value = readValue(where, typed);
  if (rest.length === 2 && rest[0] === 'config') {
    if (typeof value !== 'string' && typeof value !== 'number')
      fail('INVALID_ARGUMENT', `${where}: a leaf takes a plain value`);
    keep(rest[1] ?? '', value);
    return { name, config };
  }
  const schema = rest.length === 0 ? interfaceSchema.transform((whole) => whole.config) : configSchema;
  if (rest.length > 1 || (rest.length === 1 && rest[0] !== 'config'))
    fail('INVALID_ARGUMENT', `${where}: it cannot be set`);
  const parsed = safeParse(schema, value);
  if (!parsed.success) fail('INVALID_ARGUMENT', `${where}: ${parsed.error.issues[0]?.message ?? 'invalid'}`);
  for (const [leaf, leafValue] of Object.entries(parsed.data)) keep(leaf, leafValue);
  return { name, config };
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

/** The port to be made; undefined if it is there already, just as asked for, or if more must be known of it. */
function portRequest(name: string, config: Config, known: PortInfo | undefined): PortRequest | undefined {
  const where = `port ${name}`;
  let mtu: number | undefined;
  let type: string | undefined;
  for (const [leaf, value] of config) {
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
  if (known !== undefined) {
    if (mtu !== undefined && mtu !== known.mtu) {
      fail(
        'FAILED_PRECONDITION',
        `${where}: the mtu is ${known.mtu} and cannot be changed; delete the port and create it again`,
      );
    }
    return undefined;
  }
  if (type === undefined) return undefined;
  return mtu === undefined ? { name } : { name, mtu };
}
