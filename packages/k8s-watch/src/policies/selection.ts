import { createHash } from 'node:crypto';
import type { LabelRequirement, LabelSelector, NetworkPolicy, PolicyPeer } from '../objects/types.js';
import { NAMESPACE_NAME_LABEL } from './well-known.js';

/** Which pods a peer or a policy means: those with some labels, in one namespace or in all with some labels. */
export interface Selection {
  /** Equal for equal selections, whatever the order in which somebody has written them. */
  readonly text: string;
  readonly namespaces: NamespaceScope;
  readonly pods: LabelSelector;
}

export type NamespaceScope =
  | { readonly type: 'Name'; readonly text: string; readonly name: string }
  | { readonly type: 'Labels'; readonly text: string; readonly selector: LabelSelector };

const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** Every pod of the cluster. */
export const ALL_PODS: Selection = selection(scopeOf(EVERYTHING), EVERYTHING);

/** The pods that a policy isolates. */
export function subjectsOf({ namespace, podSelector }: NetworkPolicy): Selection {
  return selection(namedScope(namespace), podSelector);
}

/** The pods that a peer of a policy in `namespace` means. */
export function peersOf(
  { podSelector, namespaceSelector }: Extract<PolicyPeer, { type: 'Pods' }>,
  namespace: string,
): Selection {
  const scope = namespaceSelector === undefined ? namedScope(namespace) : scopeOf(namespaceSelector);
  return selection(scope, podSelector ?? EVERYTHING);
}

function selection(namespaces: NamespaceScope, podSelector: LabelSelector): Selection {
  const pods = normalised(podSelector);
  return { text: `${namespaces.text}/${textOf(pods) || '*'}`, namespaces, pods };
}

function namedScope(name: string): NamespaceScope {
  return { type: 'Name', text: name, name };
}

function scopeOf(namespaceSelector: LabelSelector): NamespaceScope {
  const selector = normalised(namespaceSelector);
  const [only, ...others] = selector.matchExpressions;
  if (only?.key === NAMESPACE_NAME_LABEL && only.operator === 'In' && others.length === 0) {
    const [name, ...more] = only.values;
    // What no namespace can be called is nobody's name.
    if (name !== undefined && more.length === 0 && isPlain(name)) return namedScope(name);
  }
  return { type: 'Labels', text: `{${textOf(selector)}}`, selector };
}

/** As requirements alone, in the order of their texts, each of them once. */
function normalised({ matchLabels, matchExpressions }: LabelSelector): LabelSelector {
  const requirements = new Map<string, LabelRequirement>();
  const add = (requirement: LabelRequirement) => requirements.set(requirementText(requirement), requirement);
  for (const [key, value] of Object.entries(matchLabels)) add({ key, operator: 'In', values: [value] });
  for (const { key, operator, values } of matchExpressions) {
    add({ key, operator, values: [...new Set(values)].sort() });
  }
  const sorted = [...requirements].sort(([a], [b]) => (a < b ? -1 : 1));
  return { matchLabels: {}, matchExpressions: sorted.map(([, requirement]) => requirement) };
}

function textOf({ matchExpressions }: LabelSelector): string {
  return matchExpressions.map(requirementText).join(',');
}

/** As kubectl writes selectors, without spaces: `app=web`, `tier!=(cache|db)`, `owner`, `!legacy`. */
function requirementText({ key, operator, values }: LabelRequirement): string {
  const name = quoted(key);
  switch (operator) {
    case 'In':
      return `${name}=${valuesText(values)}`;
    case 'NotIn':
      return `${name}!=${valuesText(values)}`;
    case 'Exists':
      return name;
    case 'DoesNotExist':
      return `!${name}`;
    default:
      return operator satisfies never;
  }
}

function valuesText(values: readonly string[]): string {
  const texts = values.map(quoted);
  return texts.length === 1 ? texts.join() : `(${texts.join('|')})`;
}

/** What labels are made of in Kubernetes; manifests may have anything. */
function isPlain(text: string): boolean {
  return /^[\w./-]*$/.test(text);
}

/** All that is no printable character of ASCII is escaped. */
function quoted(text: string): string {
  if (isPlain(text)) return text;
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text).replace(/[^ -~]/g, escaped);
}

/** Names of objects have this length at most. */
const MAX_NAME = 253;
const KEPT = 180;

/** A text as it is if that is a name, else its beginning with a digest. */
export function shortName(text: string): string {
  if (text.length <= MAX_NAME) return text;
  return `${text.slice(0, KEPT)}~${createHash('sha256').update(text).digest('hex')}`;
}
