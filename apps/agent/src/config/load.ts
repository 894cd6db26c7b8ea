import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { isSystemError, suggestion } from '@infra-offload/base';
import { ConfigFile, oneLine, safeParse, YamlError } from '@infra-offload/yaml';
import type * as z from 'zod';
import { AgentError } from '../errors.js';
import { ipdkNameOf, type RawSettings, translateIpdkNames } from './ipdk.js';
import { type AgentConfig, configSchema, policySourceOf } from './schema.js';

/** Where the configuration is looked for unless a flag says otherwise; it need not be there. */
export const defaultConfigPath = '/etc/infra/infraagent-config.yaml';

/** Settings from flags and environment, which go before those of the file. */
export type ConfigOverrides = Readonly<Record<string, unknown>>;

/**
 * Reads the configuration: defaults, over them the file, over it the file of this node beside it (`<node name>.yaml`), over
 * that `overrides`.
 *
 * @param path must exist; if absent, `defaultConfigPath` is read if it exists.
 * @throws AgentError CONFIG that names file, line and column of every wrong key.
 */
export function loadConfig(path: string | undefined, overrides: ConfigOverrides = {}): AgentConfig {
  const file = path ?? defaultConfigPath;
  let settings: RawSettings = {};
  // Each for itself, so that an error names its source.
  const add = ({ settings: more, placeOf }: Source) => {
    settings = merge(settings, translateIpdkNames(more, settings, placeOf));
    return check(settings, placeOf);
  };
  const { nodeName: nameInFile } = add(readFile(file, path !== undefined));
  const named = overrides.nodeName ?? nameInFile;
  const nodeName = typeof named === 'string' ? named : hostname().toLowerCase();
  const overlay = join(dirname(file), `${nodeName}.yaml`);
  // A name with a slash would lead elsewhere; it is refused below.
  if (basename(overlay) === `${nodeName}.yaml` && resolve(overlay) !== resolve(file)) {
    const { nodeName: other } = add(readFile(overlay, false));
    if (other !== undefined && other !== nameInFile && other !== nodeName) {
      throw new AgentError('CONFIG', `${overlay}: is for node ${nodeName}, but names it ${other}`);
    }
  }
  const given = 'flags and environment';
  const all = add({ settings: overrides, placeOf: () => given });
  const isFromApi = all.services === true && all.manifestsDirectory === undefined;
  const config = { ...all, nodeName, kubernetes: all.kubernetes ?? (isFromApi ? {} : undefined) };
  const problem = policyProblem(config);
  if (problem !== undefined) throw new AgentError('CONFIG', `${file}, flags and environment: ${problem}`);
  return config;
}

/** Only the whole configuration can have these. */
function policyProblem(config: AgentConfig): string | undefined {
  const { networkPolicy, kubernetes, manifestsDirectory, felix } = config;
  if (networkPolicy === 'kubernetes' && kubernetes === undefined && manifestsDirectory === undefined) {
    return 'networkPolicy: is kubernetes, but neither kubernetes nor manifestsDirectory is given';
  }
  const source = policySourceOf(config);
  if (felix !== undefined && source !== 'felix') {
    return `felix: is given, but networkPolicy is ${source}: make it felix, or leave felix out`;
  }
  return undefined;
}

/** Where settings come from. */
interface Source {
  readonly settings: RawSettings;
  /** Where a setting stands: `file:line:column`. */
  readonly placeOf: (path: readonly PropertyKey[]) => string;
}

function readFile(file: string, mustExist: boolean): Source {
  try {
    const config = ConfigFile.read(file);
    const { settings } = config;
    return { settings, placeOf: (path) => config.place(ipdkNameOf(path, settings) ?? path) };
  } catch (cause) {
    if (!YamlError.is(cause)) throw cause;
    if (!mustExist && isSystemError(cause.cause, 'ENOENT')) {
      return { settings: {}, placeOf: () => file };
    }
    throw new AgentError('CONFIG', cause.message, { cause });
  }
}

/** What `overrides` have goes first; of a group of settings they may have a part. */
function merge(settings: RawSettings, overrides: RawSettings): Record<string, unknown> {
  const merged = { ...settings };
  for (const [key, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isGroup(below) && isGroup(value) ? { ...below, ...value } : value;
  }
  return merged;
}

function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function check(settings: RawSettings, placeOf: Source['placeOf']): z.output<typeof configSchema> {
  const result = safeParse(configSchema, settings);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => describeIssue(issue, placeOf));
  throw new AgentError('CONFIG', problems.map(oneLine).join('; '), { cause: result.error });
}

function describeIssue(issue: z.core.$ZodIssue, placeOf: Source['placeOf']): readonly string[] {
  const path = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') return [`${placeOf(issue.path)}: ${path}: ${issue.message}`];
  const within = path === '' ? Object.keys(configSchema.shape) : [];
  return issue.keys.map((key) => {
    const name = path === '' ? key : `${path}.${key}`;
    const hint = suggestion(key, within);
    return `${placeOf([...issue.path, key])}: unknown key '${name}'${hint === undefined ? '' : `; ${hint}`}`;
  });
}
