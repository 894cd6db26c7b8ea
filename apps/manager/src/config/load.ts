import { checkSettings, fileLayer, type Layer, type RenamedKeys } from '@infra-offload/service';
import { type Config, configSchema } from './config.js';
import { ipdkPathOf, translateIpdkSettings } from './ipdk.js';

const RENAMED: RenamedKeys = { metrics: 'monitoring', 'log.modules.metrics': 'log.modules.monitoring' };

/**
 * Reads the configuration: the file, if there is one, and over it what flags and environment say.
 *
 * @param notice called for each setting of the file that has no effect
 * @throws ServiceError CONFIG with one line that names every wrong key, and its place in the file, or the flag or variable
 */
export function loadConfig(
  file: string | undefined,
  given: Layer = { settings: {}, placeOf: () => 'flags' },
  notice: (text: string) => void = () => {},
): Config {
  const layers = file === undefined ? [given] : [ipdkLayer(fileLayer(file), notice), given];
  return checkSettings(configSchema, layers, RENAMED);
}

/** A file that may have the names of IPDK's manager. */
function ipdkLayer(layer: Layer, notice: (text: string) => void): Layer {
  return {
    settings: translateIpdkSettings(layer, notice),
    placeOf: (path) => layer.placeOf(ipdkPathOf(path, layer.settings) ?? path),
  };
}
