import { didYouMean } from '@infra-offload/base';
import { oneLine, safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { ServiceError } from '../error.js';
import { type Layer, mergeLayers, type Path, valueAt } from './layer.js';

/** Keys that have another name now, by their paths: `logLevel` is `log.level`. */
export type RenamedKeys = Readonly<Record<string, string>>;

/**
 * The configuration that layers of settings make, later ones over earlier ones.
 *
 * @param renamed keys that are refused with the name that they have now
 * @throws ServiceError CONFIG with one line that names every wrong key and its place
 */
export function checkSettings<Output>(
  schema: z.ZodType<Output>,
  layers: readonly Layer[],
  renamed: RenamedKeys = {},
): Output {
  const old = layers.flatMap((layer) => renamedIn(layer, renamed));
  if (old.length > 0) throw wrong(old);
  const result = safeParse(schema, mergeLayers(layers));
  if (result.success) return result.data;
  throw wrong(
    result.error.issues.flatMap((issue) => describe(issue, schema, layers)),
    result.error,
  );
}

function wrong(problems: readonly string[], cause?: unknown): ServiceError {
  return new ServiceError('CONFIG', problems.map(oneLine).join('; '), { cause });
}

function renamedIn(layer: Layer, renamed: RenamedKeys): string[] {
  return Object.entries(renamed).flatMap(([name, now]) => {
    const path = name.split('.');
    if (valueAt(layer.settings, path) === undefined) return [];
    return [`${layer.placeOf(path)}: '${name}' is called '${now}'`];
  });
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType, layers: readonly Layer[]): string[] {
  const path = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') {
    const what = path === '' ? issue.message : `${path}: ${issue.message}`;
    return [`${placeOf(issue.path, layers)}: ${what}`];
  }
  const known = keysAt(schema, issue.path);
  return issue.keys.map((key) => {
    const name = path === '' ? key : `${path}.${key}`;
    const hint = known === undefined ? '' : `; ${didYouMean(key, known)}`;
    return `${placeOf([...issue.path, key], layers)}: unknown key '${name}'${hint}`;
  });
}

/** Where a setting stands: in the uppermost layer that has it, or else where it would stand in the lowest. */
function placeOf(path: Path, layers: readonly Layer[]): string {
  const layer = layers.findLast(({ settings }) => valueAt(settings, path) !== undefined) ?? layers[0];
  return layer?.placeOf(path) ?? 'the configuration';
}

/** The keys that a group of settings may have; undefined if it may have any. */
function keysAt(schema: z.core.$ZodType, [key, ...rest]: Path): string[] | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
    return keysAt(schema.unwrap(), key === undefined ? [] : [key, ...rest]);
  }
  if (!(schema instanceof z.ZodObject)) return undefined;
  if (key === undefined) return Object.keys(schema.shape);
  const inner: unknown = Object.hasOwn(schema.shape, key) ? Reflect.get(schema.shape, key) : undefined;
  return inner instanceof z.ZodType ? keysAt(inner, rest) : undefined;
}
