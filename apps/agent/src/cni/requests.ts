import { isIPv4 } from 'node:net';
import {
  CniError,
  CniErrorCode,
  checkContainerId,
  checkIfname,
  checkNetns,
  excerpt,
  parseAddressPrefix,
  parseJson,
} from '@infra-offload/cni-types';
import { levelChangeSchema } from '@infra-offload/service';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { mtuSchema } from '../config/schema.js';
import { bandwidthSchema } from '../interfaces/bandwidth.js';
import { LOG_MODULES } from '../log.js';
import type { OperationName, Operations } from './protocol.js';

/** Of a request that is wrong everywhere, nobody reads on. */
const MAX_PROBLEMS = 10;

const checked = (check: (value: string) => string) =>
  z.string().transform((value, context) => {
    try {
      return check(value);
    } catch (error) {
      context.issues.push({ code: 'custom', message: CniError.from(error).message, input: value });
      return z.NEVER;
    }
  });

const ipv4 = z.string().refine(isIPv4, 'is not an IPv4 address');
const uint = z.number().int().min(0).max(0xffffffff);
const key = { containerId: checked(checkContainerId), ifname: checked(checkIfname) };
const netns = checked(checkNetns);

const route = z.strictObject({
  dst: z.string().refine((text) => parseAddressPrefix(text)?.family === 4, 'is not an IPv4 CIDR'),
  gw: z.string().optional(),
  mtu: uint.optional(),
  advmss: uint.optional(),
  priority: uint.optional(),
  table: uint.optional(),
  scope: z.number().int().min(0).max(255).optional(),
});

const schemas = {
  prepare: z.strictObject({ ...key, netns }),
  attach: z.strictObject({
    ...key,
    netns,
    network: z.string(),
    pod: z.strictObject({ namespace: z.string(), name: z.string() }),
    address: ipv4,
    mtu: mtuSchema.optional(),
    routes: z.array(route),
    bandwidth: bandwidthSchema.optional(),
  }),
  detach: z.strictObject(key),
  check: z.strictObject({ ...key, netns, mac: z.string().optional(), addresses: z.array(z.string()) }),
  garbage: z.strictObject({ network: z.string(), valid: z.array(z.strictObject(key)) }),
  status: z.strictObject({}),
  loglevel: levelChangeSchema(LOG_MODULES),
} satisfies { [Name in OperationName]: z.ZodType<Operations[Name]['request']> };

/** A request with its operation. */
export type CniRequest = {
  [Name in OperationName]: { readonly operation: Name; readonly body: Operations[Name]['request'] };
}[OperationName];

/**
 * Reads the request of an operation.
 *
 * @returns undefined if there is no such operation.
 * @throws CniError 6 if `text` is no JSON, 7 if it is not what the operation wants.
 */
export function parseRequest(operation: string, text: string): CniRequest | undefined {
  switch (operation) {
    case 'prepare':
      return { operation, body: parse(schemas.prepare, text) };
    case 'attach':
      return { operation, body: parse(schemas.attach, text) };
    case 'detach':
      return { operation, body: parse(schemas.detach, text) };
    case 'check':
      return { operation, body: parse(schemas.check, text) };
    case 'garbage':
      return { operation, body: parse(schemas.garbage, text) };
    case 'status':
      return { operation, body: parse(schemas.status, text) };
    case 'loglevel':
      return { operation, body: parse(schemas.loglevel, text) };
    default:
      return undefined;
  }
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  const result = safeParse(schema, parseJson(text, 'the request'));
  if (result.success) return result.data;
  const { issues } = result.error;
  const problems = issues
    .slice(0, MAX_PROBLEMS)
    .map(({ path, message }) => `${excerpt(path.join('.')) || 'request'}: ${excerpt(message)}`);
  if (issues.length > MAX_PROBLEMS) problems.push(`and ${issues.length - MAX_PROBLEMS} more`);
  throw new CniError(CniErrorCode.invalidConfig, problems.join('; '), { cause: result.error });
}
