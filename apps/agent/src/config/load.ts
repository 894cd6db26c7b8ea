import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import {
  checkSettings,
  fileLayer,
  type Layer,
  mergeLayers,
  type RenamedKeys,
  ServiceError,
} from '@infra-offload/service';
import { translateIpdkNames } from './ipdk.js';
import { type AgentConfig, configSchema, NODE_NAME, policySourceOf } from './schema.js';

/** Where the configuration is looked for unless a flag says otherwise; it need not be there. */
export const DEFAULT_CONFIG_PATH = '/etc/infra/infraagent-config.yaml';

const RENAMED: RenamedKeys = { monitoringAddress: 'monitoring.listen' };

/**
 * Reads the configuration: defaults, over them the file, over it the file of this node beside it (`<node name>.yaml`), over
 * that what flags and environment say.
 *
 * @param path must exist; if absent, `defaultConfigPath` is read if it exists.
 * @throws ServiceError CONFIG that names file, line and column, or flag or variable, of every wrong key.
 */
export function loadConfig(
  path: string | undefined,
  given: Layer = { settings: {}, placeOf: () => 'flags' },
): AgentConfig {
  const file = path ?? DEFAULT_CONFIG_PATH;
  const base = fileLayer(file, path === undefined);
  const nodeName = nodeNameOf(given) ?? nodeNameOf(base) ?? hostname().toLowerCase();
  const layers: Layer[] = [];
  for (const layer of [base, ...overlaysOf(file, nodeName, base), given]) {
    layers.push(translateIpdkNames(layer, mergeLayers(layers)));
  }
  const all = checkSettings(configSchema, layers, RENAMED);
  const isFromApi = all.services === true && all.manifestsDirectory === undefined;
  const config = { ...all, nodeName, kubernetes: all.kubernetes ?? (isFromApi ? {} : undefined) };
  const problem = policyProblem(config);
  if (problem !== undefined) throw new ServiceError('CONFIG', `${file}, flags and environment: ${problem}`);
  return config;
}

function nodeNameOf({ settings }: Layer): string | undefined {
  return typeof settings.nodeName === 'string' ? settings.nodeName : undefined;
}

/** The file of this node, if it has one. */
function overlaysOf(file: string, nodeName: string, base: Layer): readonly Layer[] {
  const overlay = join(dirname(file), `${nodeName}.yaml`);
  // No other name is looked for, which might lead elsewhere or be too long; the schema refuses it.
  if (!NODE_NAME.test(nodeName) || resolve(overlay) === resolve(file)) return [];
  const layer = fileLayer(overlay, true);
  const other = nodeNameOf(layer);
  if (other !== undefined && other !== nodeName && other !== nodeNameOf(base)) {
    throw new ServiceError('CONFIG', `${overlay}: is for node ${nodeName}, but names it ${other}`);
  }
  return [layer];
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
