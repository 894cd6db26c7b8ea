import { ConfigFile, oneLine, safeParse, YamlError } from '@infra-offload/yaml';
import type { z } from 'zod';
import { ManagerError } from '../errors.js';
import { type Config, configSchema } from './config.js';
import { ipdkPathOf, translateIpdkSettings } from './ipdk.js';

/** Settings that a flag or an environment variable may override: path in the file, flag, variable. */
export const OVERRIDES = [
  { path: 'listen', flag: 'listen', env: 'INFRA_MANAGER_LISTEN' },
  { path: 'target.p4runtimeAddress', flag: 'p4runtime', env: 'INFRA_MANAGER_P4RUNTIME' },
  { path: 'target.gnmiAddress', flag: 'gnmi', env: 'INFRA_MANAGER_GNMI' },
  { path: 'target.deviceId', flag: 'device-id', env: 'INFRA_MANAGER_DEVICE_ID' },
  { path: 'tls.mode', flag: 'tls-mode', env: 'INFRA_MANAGER_TLS_MODE' },
  { path: 'tls.cert', flag: 'tls-cert', env: 'INFRA_MANAGER_TLS_CERT' },
  { path: 'tls.key', flag: 'tls-key', env: 'INFRA_MANAGER_TLS_KEY' },
  { path: 'tls.ca', flag: 'tls-ca', env: 'INFRA_MANAGER_TLS_CA' },
  { path: 'target.p4runtimeTls.mode', flag: 'p4runtime-tls-mode', env: 'INFRA_MANAGER_P4RUNTIME_TLS_MODE' },
  { path: 'target.gnmiTls.mode', flag: 'gnmi-tls-mode', env: 'INFRA_MANAGER_GNMI_TLS_MODE' },
  { path: 'interfaceType', flag: 'interface-type', env: 'INFRA_MANAGER_INTERFACE_TYPE' },
  { path: 'stateDirectory', flag: 'state-directory', env: 'INFRA_MANAGER_STATE_DIRECTORY' },
  { path: 'metrics.listen', flag: 'metrics-listen', env: 'INFRA_MANAGER_METRICS_LISTEN' },
  { path: 'log.level', flag: 'log-level', env: 'INFRA_MANAGER_LOG_LEVEL' },
] as const;

type Override = (typeof OVERRIDES)[number];

export interface ConfigSources {
  /** YAML file; none means defaults. */
  readonly file?: string | undefined;
  /** Values of flags, by the flag's name; they win over everything. */
  readonly flags?: { readonly [F in Override['flag']]?: string | undefined };
  /** Environment; it wins over the file. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called for each setting of the file that has no effect. */
  readonly notice?: (text: string) => void;
}

/**
 * Reads the configuration: the file, the environment over it, flags over both.
 *
 * @throws ManagerError CONFIG with one line that names the key, and its place in the file, or the flag or variable.
 */
export function loadConfig({ file, flags = {}, env = {}, notice = () => {} }: ConfigSources): Config {
  const config = file === undefined ? undefined : readFile(file);
  const tree = config === undefined ? {} : translateIpdkSettings(config, notice);
  const origin = new Map<string, string>();
  for (const override of OVERRIDES) {
    const flag = flags[override.flag];
    const value = flag ?? env[override.env];
    if (value === undefined) continue;
    origin.set(override.path, flag === undefined ? override.env : `--${override.flag}`);
    set(tree, override.path.split('.'), override.path === 'target.deviceId' ? toNumber(value) : value);
  }
  const parsed = safeParse(configSchema, tree);
  if (parsed.success) return parsed.data;
  throw new ManagerError('CONFIG', oneLine(describe(parsed.error, config, origin)));
}

type Tree = Record<string, unknown>;

function readFile(file: string): ConfigFile {
  try {
    return ConfigFile.read(file);
  } catch (error) {
    if (!YamlError.is(error)) throw error;
    throw new ManagerError('CONFIG', error.message, { details: { file }, cause: error });
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function set(tree: Tree, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const child = tree[key] ?? {};
  // A scalar where a section belongs is reported by the schema.
  if (!isTree(child)) return;
  tree[key] = child;
  set(child, rest, value);
}

function toNumber(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function describe(
  error: Pick<z.ZodError, 'issues'>,
  file: ConfigFile | undefined,
  origin: ReadonlyMap<string, string>,
): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'the configuration is wrong';
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const [first = ''] = issue.keys;
    const keys = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`));
    const place = placeOf(file, [...issue.path, first]);
    return `${place}: unknown key ${keys.map((key) => `"${key}"`).join(', ')}; known here: ${knownKeys(issue.path)}`;
  }
  return `${origin.get(path) ?? placeOf(file, issue.path)}: ${path}: ${issue.message}`;
}

function placeOf(file: ConfigFile | undefined, path: readonly PropertyKey[]): string {
  return file?.place(ipdkPathOf(path, file.settings) ?? path) ?? 'flags and environment';
}

function knownKeys(path: readonly PropertyKey[]): string {
  const defaults: unknown = path.reduce<unknown>(
    (tree, key) => (isTree(tree) ? tree[String(key)] : undefined),
    configSchema.parse({}),
  );
  return isTree(defaults) ? Object.keys(defaults).join(', ') : 'none';
}
