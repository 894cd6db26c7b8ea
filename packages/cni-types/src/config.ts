import * as z from 'zod/mini';
import { type AttachmentKey, checkContainerId, checkIfname } from './environment.js';
import { CniError, CniErrorCode } from './error.js';
import { excerpt, parseJson } from './json.js';
import { type Dns, dnsSchema, formatResult, type Result } from './result.js';
import { validate } from './validate.js';
import { type CniVersion, isSupportedVersion, SUPPORTED_VERSIONS } from './versions.js';

const networkName = z
  .string()
  .check(
    z.regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'is not a letter or digit followed by letters, digits, _ . -'),
  );
const pluginType = z
  .string()
  .check(z.regex(/^(?!\.{1,2}$)[^/\0]{1,255}$/, 'is not the file name of a plugin'));
const record = z.record(z.string(), z.unknown());

const attachmentSchema = z.object({ containerID: z.string(), ifname: z.string() });

const pluginSchema = z.looseObject({
  cniVersion: z.optional(z.string()),
  name: networkName,
  type: pluginType,
  capabilities: z.optional(z.record(z.string(), z.boolean())),
  runtimeConfig: z.optional(record),
  args: z.optional(record),
  ipam: z.optional(z.looseObject({ type: z.optional(pluginType) })),
  dns: z.optional(dnsSchema),
  prevResult: z.optional(z.unknown()),
  'cni.dev/valid-attachments': z.optional(z.nullable(z.array(attachmentSchema))),
});

const listSchema = z.looseObject({
  cniVersion: z.optional(z.string()),
  cniVersions: z.optional(z.array(z.string())),
  name: networkName,
  disableCheck: z.optional(z.boolean()),
  disableGC: z.optional(z.boolean()),
  plugins: z
    .array(z.looseObject({ type: pluginType, capabilities: z.optional(z.record(z.string(), z.boolean())) }))
    .check(z.minLength(1, 'must not be empty')),
});

/** What a plugin gets on standard input (CNI 1.1.0, section 3, "Plugin configuration objects"). Keys of its own stay. */
export interface PluginConfig {
  readonly cniVersion: CniVersion;
  /** Name of the network. */
  readonly name: string;
  /** File name of the plugin. */
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>> | undefined;
  /** What the runtime says about this container, as far as `capabilities` ask for it. */
  readonly runtimeConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly args?: Readonly<Record<string, unknown>> | undefined;
  readonly ipam?: { readonly type?: string | undefined; readonly [key: string]: unknown } | undefined;
  readonly dns?: Dns | undefined;
  /**
   * What the chain has made so far; on CHECK and DEL the whole ADD's result. For parseResult: it is not checked here,
   * because a DEL must not fail for it.
   */
  readonly prevResult: unknown;
  /** GC only: what must stay. Absent unless the configuration names it. */
  readonly validAttachments: readonly AttachmentKey[] | undefined;
  readonly [key: string]: unknown;
}

/** A network configuration list (CNI 1.1.0, section 1), `.conflist` on disk; a single configuration becomes one, too. */
export interface NetworkConfigList {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly (Readonly<Record<string, unknown>> & { readonly type: string })[];
}

/**
 * Reads a plugin's configuration from its standard input.
 *
 * @throws CniError 6 for what is no JSON, 1 for an unsupported version, 7 for everything else.
 */
export function parsePluginConfig(text: string): PluginConfig {
  const json = parseJson(text, 'the network configuration');
  const cniVersion = readVersion(json, 'the network configuration');
  const config = validate(pluginSchema, json, 'the network configuration');
  const { prevResult, 'cni.dev/valid-attachments': attachments, ...rest } = config;
  return {
    ...rest,
    cniVersion,
    prevResult: prevResult ?? undefined,
    validAttachments: attachments?.map(({ containerID, ifname }) => ({
      containerId: checkContainerId(containerID),
      ifname: checkIfname(ifname),
    })),
  };
}

/**
 * Reads a configuration file as a container runtime does: a list (`plugins`) or a single plugin's configuration.
 *
 * @throws CniError as parsePluginConfig
 */
export function parseNetworkConfig(text: string): NetworkConfigList {
  const json = parseJson(text, 'the network configuration');
  const isList = typeof json === 'object' && json !== null && 'plugins' in json;
  if (!isList) {
    const cniVersion = readVersion(json, 'the network configuration');
    const { name, ...plugin } = validate(pluginSchema, json, 'the network configuration');
    return { cniVersion, name, disableCheck: false, disableGC: false, plugins: [plugin] };
  }
  const list = validate(listSchema, json, 'the network configuration list');
  // The highest version that both sides know, of all that the list is written for.
  const cniVersion =
    SUPPORTED_VERSIONS.findLast((version) => list.cniVersions?.includes(version)) ??
    readVersion(json, 'the network configuration list');
  return {
    cniVersion,
    name: list.name,
    disableCheck: list.disableCheck ?? false,
    disableGC: list.disableGC ?? false,
    plugins: list.plugins,
  };
}

/** What a runtime adds to a plugin's configuration before it runs the plugin. */
export interface DerivedFields {
  /** Handed on as far as the plugin's `capabilities` ask for it. */
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
  readonly prevResult?: Result | undefined;
  readonly validAttachments?: readonly AttachmentKey[];
}

/**
 * The standard input of plugin number `index` of a list (CNI 1.1.0, section 3, "Deriving execution configuration").
 *
 * @throws CniError 7 if the list has no such plugin.
 */
export function derivePluginConfig(
  list: NetworkConfigList,
  index: number,
  fields: DerivedFields = {},
): Record<string, unknown> {
  const plugin = list.plugins[index];
  if (plugin === undefined) {
    throw new CniError(CniErrorCode.invalidConfig, `network ${list.name} has no plugin number ${index}`);
  }
  const { capabilities, ...own } = plugin;
  const wanted = typeof capabilities === 'object' && capabilities !== null ? capabilities : {};
  const runtimeConfig = Object.fromEntries(
    Object.entries(fields.runtimeConfig ?? {}).filter(([key]) => Reflect.get(wanted, key) === true),
  );
  return {
    ...own,
    cniVersion: list.cniVersion,
    name: list.name,
    ...(Object.keys(runtimeConfig).length > 0 && { runtimeConfig }),
    ...(fields.prevResult && { prevResult: formatResult(fields.prevResult, list.cniVersion) }),
    ...(fields.validAttachments && {
      'cni.dev/valid-attachments': fields.validAttachments.map(({ containerId, ifname }) => ({
        containerID: containerId,
        ifname,
      })),
    }),
  };
}

/** The configuration's cniVersion; 0.1.0, which is not supported, is what the absence of one means. */
function readVersion(json: unknown, what: string): CniVersion {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new CniError(CniErrorCode.invalidConfig, `${what} is not a JSON object`);
  }
  const version = ('cniVersion' in json ? json.cniVersion : undefined) ?? '0.1.0';
  if (isSupportedVersion(version)) return version;
  throw new CniError(
    CniErrorCode.incompatibleVersion,
    `${what}: CNI version ${excerpt(JSON.stringify(version))} is not supported`,
    { details: `supported are ${SUPPORTED_VERSIONS.join(', ')}` },
  );
}
