import * as z from 'zod/mini';
import { isAddress, parseAddressPrefix } from './address.js';
import { CniError, CniErrorCode } from './error.js';
import { excerpt } from './json.js';
import { validate } from './validate.js';
import { type CniVersion, isAtLeast, isSupportedVersion, SUPPORTED_VERSIONS } from './versions.js';

const uint = z.number().check(z.int(), z.gte(0));
const address = z.string().check(z.refine(isAddress, 'is not an IP address'));
const cidr = z
  .string()
  .check(
    z.refine(
      (text) => parseAddressPrefix(text) !== undefined,
      'is not an IP address with a prefix length, such as 10.1.2.3/24',
    ),
  );

export const dnsSchema = z.object({
  nameservers: z.optional(z.array(z.string())),
  domain: z.optional(z.string()),
  search: z.optional(z.array(z.string())),
  options: z.optional(z.array(z.string())),
});

const interfaceSchema = z.object({
  name: z.string(),
  mac: z.optional(z.string()),
  mtu: z.optional(uint),
  sandbox: z.optional(z.string()),
  socketPath: z.optional(z.string()),
  pciID: z.optional(z.string()),
});

const ipSchema = z.object({
  address: cidr,
  gateway: z.optional(address),
  interface: z.optional(uint),
  version: z.optional(z.enum(['4', '6'])),
});

const routeSchema = z.object({
  dst: cidr,
  gw: z.optional(address),
  mtu: z.optional(uint),
  advmss: z.optional(uint),
  priority: z.optional(uint),
  table: z.optional(uint),
  scope: z.optional(uint),
});

// Go's encoder writes an empty list as null.
const list = <T extends z.ZodMiniType>(element: T) => z.optional(z.nullable(z.array(element)));

const resultSchema = z.object({
  cniVersion: z.string(),
  interfaces: list(interfaceSchema),
  ips: list(ipSchema),
  routes: list(routeSchema),
  dns: z.optional(z.nullable(dnsSchema)),
});

/** An interface that the plugin made or manages; `sandbox` is the netns path, absent for the host's. */
export type ResultInterface = Readonly<z.output<typeof interfaceSchema>>;
/** An address, with prefix length; `interface` is an index into the result's interfaces. */
export type ResultIp = Readonly<Omit<z.output<typeof ipSchema>, 'version'>>;
/** A route of the container; `gw` absent means the gateway of the address. */
export type ResultRoute = Readonly<z.output<typeof routeSchema>>;
/** DNS settings, passed on for the runtime. */
export type Dns = Readonly<z.output<typeof dnsSchema>>;

/**
 * A success result in the shape of the newest version, whatever version it was read from
 * (CNI 1.1.0, section 5, "ADD Success").
 */
export interface Result {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

/**
 * Reads a result of any supported version, for instance that of an IPAM plugin, or `prevResult`.
 *
 * @param what names the result in errors.
 * @throws CniError 1 for an unsupported version, `code` (6 by default) for another shape.
 */
export function parseResult(
  value: unknown,
  what = 'result',
  code: number = CniErrorCode.decodeFailure,
): Result {
  const json = validate(resultSchema, value, what, code);
  const version = json.cniVersion;
  if (!isSupportedVersion(version)) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `${what}: CNI version '${excerpt(version)}' is not supported; supported are ${SUPPORTED_VERSIONS.join(', ')}`,
    );
  }
  const interfaces = json.interfaces ?? [];
  const ips = (json.ips ?? []).map(({ version: family, ...ip }, index) => {
    const prefix = parseAddressPrefix(ip.address);
    if (family !== undefined && Number(family) !== prefix?.family) {
      throw new CniError(code, `${what}: ips[${index}]: ${ip.address} is not of IP version ${family}`);
    }
    if (ip.interface !== undefined && interfaces.length > 0 && ip.interface >= interfaces.length) {
      throw new CniError(
        code,
        `${what}: ips[${index}].interface: ${ip.interface} is beyond the ${interfaces.length} interfaces`,
      );
    }
    return ip;
  });
  return { interfaces, ips, routes: json.routes ?? [], dns: json.dns ?? {} };
}

/**
 * The result as JSON of `version`. What older versions do not know (an interface's MTU, a route's metrics; new in
 * 1.1.0) is left out, what they demand (the IP version of an address; until 0.4.0) is added.
 */
export function formatResult(result: Result, version: CniVersion): Record<string, unknown> {
  const hasDetails = isAtLeast(version, '1.1.0');
  return {
    cniVersion: version,
    interfaces: result.interfaces.map((entry) => {
      if (hasDetails) return entry;
      const { name, mac, sandbox } = entry;
      return { name, ...(mac !== undefined && { mac }), ...(sandbox !== undefined && { sandbox }) };
    }),
    ips: result.ips.map((ip) =>
      isAtLeast(version, '1.0.0') ? ip : { version: String(parseAddressPrefix(ip.address)?.family), ...ip },
    ),
    routes: result.routes.map((route) => {
      if (hasDetails) return route;
      return route.gw === undefined ? { dst: route.dst } : { dst: route.dst, gw: route.gw };
    }),
    dns: result.dns,
  };
}
