import { MultiMap } from '@infra-offload/base';
import { matchesLabels } from '../objects/labels.js';
import type { LabelRequirement } from '../objects/types.js';
import { type LabelledPod, NamespacePods } from './namespace-pods.js';
import type { NamespaceScope, Selection } from './selection.js';

/** Who wants to know which pods a selection selects. */
export interface SelectionListener<Item> {
  joined(pod: Item): void;
  left(pod: Item): void;
  /** The pod stays selected, and is other than before. */
  changed?(pod: Item): void;
}

/** One selection, for all who ask for it. */
interface Matcher<Item extends LabelledPod> {
  readonly selection: Selection;
  readonly scope: Scope<Item>;
  readonly members: Set<Item>;
  readonly listeners: Set<SelectionListener<Item>>;
}

/** Selections for the same namespaces. */
interface Scope<Item extends LabelledPod> {
  readonly namespaces: NamespaceScope;
  /** Those in which pods are, or which the scope names. */
  readonly matching: Set<Namespace<Item>>;
  /** By what a pod must have for them: "key=value", or "key", or "" for nothing in particular. */
  readonly matchers: MultiMap<string, Matcher<Item>>;
}

interface Namespace<Item extends LabelledPod> {
  readonly name: string;
  readonly pods: NamespacePods<Item>;
  readonly scopes: Set<Scope<Item>>;
}

type Labels = Readonly<Record<string, string>>;

/**
 * Which pods selections select, kept up to date both ways: a pod that comes or changes is compared with the selections that
 * ask for one of its labels, a selection that comes with the pods that have one of its labels.
 */
export class SelectionIndex<Item extends LabelledPod> {
  /** Undefined: nothing is known of the namespace, so that no selector of namespaces selects it. */
  readonly #labelsOfNamespace: (name: string) => Labels | undefined;
  readonly #namespaces = new Map<string, Namespace<Item>>();
  readonly #scopes = new Map<string, Scope<Item>>();
  readonly #matchers = new Map<string, Matcher<Item>>();
  readonly #selecting = new Map<Item, Set<Matcher<Item>>>();

  constructor(labelsOfNamespace: (name: string) => Labels | undefined) {
    this.#labelsOfNamespace = labelsOfNamespace;
  }

  /** Tells `listener` of the pods that are selected, those now and those later, until `unwatch`. */
  watch(selection: Selection, listener: SelectionListener<Item>): void {
    const matcher = this.#matchers.get(selection.text) ?? this.#addMatcher(selection);
    matcher.listeners.add(listener);
    for (const pod of matcher.members) listener.joined(pod);
  }

  /** The listener hears that all pods have left. */
  unwatch(selection: Selection, listener: SelectionListener<Item>): void {
    const matcher = this.#matchers.get(selection.text);
    if (!matcher?.listeners.delete(listener)) return;
    for (const pod of matcher.members) listener.left(pod);
    if (matcher.listeners.size === 0) this.#removeMatcher(matcher);
  }

  /** The pod is new, or other than before. */
  set(pod: Item): void {
    const namespace = this.#namespace(pod.namespace);
    namespace.pods.set(pod);
    this.#match(pod, namespace);
  }

  delete(pod: Item): void {
    const selecting = this.#selecting.get(pod);
    if (selecting === undefined) return;
    for (const matcher of selecting) this.#leave(pod, matcher);
    this.#selecting.delete(pod);
    const namespace = this.#namespace(pod.namespace);
    namespace.pods.delete(pod);
    this.#forgetIfUnused(namespace);
  }

  /** The namespace has other labels. */
  namespaceChanged(name: string): void {
    const namespace = this.#namespaces.get(name);
    if (namespace === undefined) return;
    let isSame = true;
    for (const scope of this.#scopes.values()) {
      const isIn = this.#includes(scope.namespaces, name);
      if (isIn === namespace.scopes.has(scope)) continue;
      isSame = false;
      this.#link(scope, namespace, isIn);
    }
    if (isSame) return;
    for (const pod of namespace.pods.values()) this.#match(pod, namespace);
  }

  #match(pod: Item, { scopes }: Namespace<Item>): void {
    const before = this.#selecting.get(pod);
    const after = new Set<Matcher<Item>>();
    const consider = (matchers: Iterable<Matcher<Item>>) => {
      for (const matcher of matchers) {
        if (matchesLabels(matcher.selection.pods, pod.labels)) after.add(matcher);
      }
    };
    for (const { matchers } of scopes) {
      consider(matchers.get(''));
      for (const key of Object.keys(pod.labels)) {
        consider(matchers.get(key));
        consider(matchers.get(`${key}=${pod.labels[key]}`));
      }
    }
    this.#selecting.set(pod, after);
    for (const matcher of before ?? []) if (!after.has(matcher)) this.#leave(pod, matcher);
    for (const matcher of after) {
      if (!before?.has(matcher)) this.#join(pod, matcher);
      else for (const listener of matcher.listeners) listener.changed?.(pod);
    }
  }

  #join(pod: Item, { members, listeners }: Matcher<Item>): void {
    members.add(pod);
    for (const listener of listeners) listener.joined(pod);
  }

  #leave(pod: Item, { members, listeners }: Matcher<Item>): void {
    members.delete(pod);
    for (const listener of listeners) listener.left(pod);
  }

  #addMatcher(selection: Selection): Matcher<Item> {
    const scope = this.#scope(selection.namespaces);
    const matcher: Matcher<Item> = { selection, scope, members: new Set(), listeners: new Set() };
    const anchor = anchorOf(selection);
    for (const key of anchorKeys(anchor)) scope.matchers.add(key, matcher);
    for (const { pods } of scope.matching) {
      for (const pod of anchor === undefined ? pods.values() : pods.having(anchor)) {
        if (!matchesLabels(selection.pods, pod.labels)) continue;
        matcher.members.add(pod);
        this.#selecting.get(pod)?.add(matcher);
      }
    }
    this.#matchers.set(selection.text, matcher);
    return matcher;
  }

  #removeMatcher(matcher: Matcher<Item>): void {
    const { selection, scope, members } = matcher;
    this.#matchers.delete(selection.text);
    for (const pod of members) this.#selecting.get(pod)?.delete(matcher);
    for (const key of anchorKeys(anchorOf(selection))) scope.matchers.delete(key, matcher);
    if (scope.matchers.size > 0) return;
    this.#scopes.delete(scope.namespaces.text);
    for (const namespace of [...scope.matching]) {
      this.#link(scope, namespace, false);
      this.#forgetIfUnused(namespace);
    }
  }

  #scope(namespaces: NamespaceScope): Scope<Item> {
    const known = this.#scopes.get(namespaces.text);
    if (known !== undefined) return known;
    const scope: Scope<Item> = { namespaces, matching: new Set(), matchers: new MultiMap() };
    this.#scopes.set(namespaces.text, scope);
    if (namespaces.type === 'Name') this.#link(scope, this.#namespace(namespaces.name), true);
    else {
      for (const namespace of this.#namespaces.values()) {
        if (this.#includes(namespaces, namespace.name)) this.#link(scope, namespace, true);
      }
    }
    return scope;
  }

  #namespace(name: string): Namespace<Item> {
    const known = this.#namespaces.get(name);
    if (known !== undefined) return known;
    const namespace: Namespace<Item> = { name, pods: new NamespacePods(), scopes: new Set() };
    this.#namespaces.set(name, namespace);
    for (const scope of this.#scopes.values()) {
      if (this.#includes(scope.namespaces, name)) this.#link(scope, namespace, true);
    }
    return namespace;
  }

  #forgetIfUnused(namespace: Namespace<Item>): void {
    if (namespace.pods.size > 0) return;
    const scopes = [...namespace.scopes];
    if (scopes.some(({ namespaces }) => namespaces.type === 'Name')) return;
    for (const scope of scopes) this.#link(scope, namespace, false);
    this.#namespaces.delete(namespace.name);
  }

  #link(scope: Scope<Item>, namespace: Namespace<Item>, isIn: boolean): void {
    if (isIn) {
      scope.matching.add(namespace);
      namespace.scopes.add(scope);
    } else {
      scope.matching.delete(namespace);
      namespace.scopes.delete(scope);
    }
  }

  #includes(scope: NamespaceScope, name: string): boolean {
    if (scope.type === 'Name') return scope.name === name;
    const labels = this.#labelsOfNamespace(name);
    return labels !== undefined && matchesLabels(scope.selector, labels);
  }
}

/** What of a selection a pod is most likely to lack: a label with one of few values, or else any label. */
function anchorOf({ pods }: Selection): LabelRequirement | undefined {
  let best: LabelRequirement | undefined;
  for (const requirement of pods.matchExpressions) {
    const { operator, values } = requirement;
    if (operator === 'In' && (best?.operator !== 'In' || values.length < best.values.length))
      best = requirement;
    if (operator === 'Exists') best ??= requirement;
  }
  return best;
}

function anchorKeys(anchor: LabelRequirement | undefined): readonly string[] {
  if (anchor === undefined) return [''];
  const { key, operator, values } = anchor;
  return operator === 'In' ? values.map((value) => `${key}=${value}`) : [key];
}
