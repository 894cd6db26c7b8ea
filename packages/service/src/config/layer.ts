import { isSystemError } from '@infra-offload/base';
import { ConfigFile, YamlError } from '@infra-offload/yaml';
import { ServiceError } from '../error.js';

/** Settings before validation. */
export type Settings = Readonly<Record<string, unknown>>;
export type Path = readonly PropertyKey[];

/** Settings from one place: a file, or the command line with its environment. */
export interface Layer {
  readonly settings: Settings;
  /** Where a setting stands, for messages: `file:line:column`, `--flag`, `VARIABLE`. */
  placeOf(path: Path): string;
}

/**
 * The settings of a YAML file.
 *
 * @param isOptional no settings if the file is not there
 * @throws ServiceError CONFIG with file, line and column
 */
export function fileLayer(file: string, isOptional = false): Layer {
  try {
    const config = ConfigFile.read(file);
    return { settings: config.settings, placeOf: (path) => config.place(path) };
  } catch (cause) {
    if (!YamlError.is(cause)) throw cause;
    if (isOptional && isSystemError(cause.cause, 'ENOENT')) return { settings: {}, placeOf: () => file };
    throw new ServiceError('CONFIG', cause.message, { cause });
  }
}

/**
 * The settings of all layers, later ones over earlier ones. Of a group of settings a layer may have a part; null is nothing, as
 * what YAML has after a key whose settings are all commented out.
 */
export function mergeLayers(layers: readonly Layer[]): Settings {
  return layers.reduce<Settings>((below, { settings }) => merge(below, settings), {});
}

function merge(below: Settings, above: Settings): Settings {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined || value === null) continue;
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
    if (!isGroup(value)) set(merged, key, value);
    else if (before === undefined) set(merged, key, merge({}, value));
    // A value where a group belongs stays, for the schema to refuse.
    else if (isGroup(before)) set(merged, key, merge(before, value));
  }
  return merged;
}

/** Also for `__proto__`, which a file may have as a key. */
function set(settings: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(settings, key, { value, enumerable: true, configurable: true, writable: true });
}

export function isGroup(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path; undefined if there is none. */
export function valueAt(settings: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? Reflect.get(value, key)
        : undefined,
    settings,
  );
}
