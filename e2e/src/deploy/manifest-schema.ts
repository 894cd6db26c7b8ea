import * as models from '@kubernetes/client-node';

/** A model class of the Kubernetes API, as the client has them. */
interface Model {
  getAttributeTypeMap(): readonly { readonly baseName: string; readonly type: string }[];
}

const CLASSES = new Map<string, Model>(
  Object.entries(models).flatMap(([name, value]) =>
    typeof value === 'function' && 'getAttributeTypeMap' in value ? [[name, value as Model]] : [],
  ),
);

/**
 * Compares an object with the schema of its kind: unknown fields, and values of another type.
 *
 * @returns what is wrong, with its path.
 */
export function schemaProblems(object: unknown): string[] {
  if (!isRecord(object)) return ['is no object'];
  const { apiVersion, kind } = object;
  const version = String(apiVersion).split('/').at(-1) ?? '';
  const model = `${version.charAt(0).toUpperCase()}${version.slice(1)}${String(kind)}`;
  return problemsOf(object, model, String(kind));
}

function problemsOf(value: unknown, type: string, path: string): string[] {
  const item = /^(?:Array|Set)<(.*)>$/.exec(type)?.[1];
  if (item !== undefined) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((entry, i) => problemsOf(entry, item, `${path}[${i}]`));
  }
  const values = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (values !== undefined) {
    if (!isRecord(value)) return [`${path} is no map`];
    return Object.entries(value).flatMap(([key, entry]) => problemsOf(entry, values, `${path}.${key}`));
  }
  switch (type) {
    case 'any':
      return [];
    case 'string':
    case 'boolean':
    case 'number':
      return typeof value === type ? [] : [`${path} is a ${typeof value}, not a ${type}`];
    case 'IntOrString':
      return typeof value === 'string' || typeof value === 'number' ? [] : [`${path} is no number or string`];
    default:
      return problemsOfModel(value, type, path);
  }
}

function problemsOfModel(value: unknown, type: string, path: string): string[] {
  const model = CLASSES.get(type);
  if (model === undefined) return [`${path}: there is no ${type}`];
  if (!isRecord(value)) return [`${path} is no ${type}`];
  const fields = new Map(model.getAttributeTypeMap().map((field) => [field.baseName, field.type]));
  return Object.entries(value).flatMap(([key, entry]) => {
    const field = fields.get(key);
    return field === undefined
      ? [`${path}.${key} is no field of ${type}`]
      : problemsOf(entry, field, `${path}.${key}`);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
