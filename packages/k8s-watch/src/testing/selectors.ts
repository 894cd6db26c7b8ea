import { isRecord, type KubeObject, type Resource } from './objects.js';
import { badRequest } from './status.js';

export type Matcher = (object: KubeObject) => boolean;

/** The label selectors of the API: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas. */
export function labelMatcher(selector: string): Matcher {
  const requirements = splitOutsideParentheses(selector).map(labelRequirement);
  return ({ metadata: { labels = {} } }) => requirements.every((matches) => matches(labels));
}

type Labels = Readonly<Record<string, string>>;

function labelRequirement(text: string): (labels: Labels) => boolean {
  const value = (labels: Labels, key: string) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((item) => item.trim());
    const wanted = operator === 'in';
    return (labels) => {
      const label = value(labels, key);
      return label === undefined ? !wanted : values.includes(label) === wanted;
    };
  }
  const equality = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (equality !== null) {
    const [, key = '', operator, wanted] = equality;
    return (labels) => (value(labels, key) === wanted) === (operator !== '!=');
  }
  const existence = /^(!?)\s*([^\s=!(),]+)$/.exec(text);
  if (existence !== null) {
    const [, not, key = ''] = existence;
    return (labels) => (value(labels, key) !== undefined) === (not === '');
  }
  throw badRequest(`unable to parse requirement: '${text}'`);
}

/** The field selectors of the API, for the fields that a resource supports: `a=b`, `a!=b`, joined by commas. */
export function fieldMatcher(selector: string, resource: Resource): Matcher {
  const fields = ['metadata.name', 'metadata.namespace', ...resource.selectableFields];
  const requirements = selector.split(',').map((text) => {
    const [, field = '', operator, wanted = ''] = /^([^=!]+)(==|=|!=)(.*)$/.exec(text.trim()) ?? [];
    if (operator === undefined) throw badRequest(`invalid field selector: '${text}'`);
    if (!fields.includes(field)) throw badRequest(`field label not supported: ${field}`);
    const path = field.split('.');
    return (object: KubeObject) => (fieldText(object, path) === wanted) === (operator !== '!=');
  });
  return (object) => requirements.every((matches) => matches(object));
}

function fieldText(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const part of path) value = isRecord(value) ? value[part] : undefined;
  return value === undefined || value === null ? '' : String(value);
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}
