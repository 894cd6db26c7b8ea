import * as z from 'zod';

/** The paths of all settings that a schema takes: `tls.mode`. Of a group with free names, that of the group. */
export function keyPaths(schema: z.ZodType): string[] {
  return [...pathsIn(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }), [])];
}

function* pathsIn(schema: unknown, path: readonly string[]): Generator<string> {
  const properties = member(schema, 'properties');
  if (typeof properties !== 'object' || properties === null) yield path.join('.');
  else for (const [key, inner] of Object.entries(properties)) yield* pathsIn(inner, [...path, key]);
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
