import type { LabelRequirement } from '../objects/types.js';

export interface LabelledPod {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The pods of one namespace, by those labels that anybody has asked for. */
export class NamespacePods<Item extends LabelledPod> {
  /** With the labels under which they are found. */
  readonly #pods = new Map<Item, LabelledPod['labels']>();
  /** By key, then by value; keys are added when they are asked for first. */
  readonly #byLabel = new Map<string, Map<string, Set<Item>>>();

  get size(): number {
    return this.#pods.size;
  }

  values(): Iterable<Item> {
    return this.#pods.keys();
  }

  /** The pod is new, or has other labels. */
  set(pod: Item): void {
    if (this.#pods.get(pod) === pod.labels) return;
    this.delete(pod);
    this.#pods.set(pod, pod.labels);
    for (const [key, values] of this.#byLabel) insert(values, key, pod);
  }

  delete(pod: Item): void {
    const labels = this.#pods.get(pod);
    if (labels === undefined) return;
    this.#pods.delete(pod);
    for (const [key, values] of this.#byLabel) {
      const value = labelOf(labels, key);
      const pods = value === undefined ? undefined : values.get(value);
      if (value !== undefined && pods?.delete(pod) && pods.size === 0) values.delete(value);
    }
  }

  /** Pods with a label that `In` or `Exists` asks for. */
  *having({ key, operator, values }: LabelRequirement): IterableIterator<Item> {
    const byValue = this.#index(key);
    for (const value of operator === 'In' ? values : byValue.keys()) yield* byValue.get(value) ?? [];
  }

  #index(key: string): Map<string, Set<Item>> {
    const known = this.#byLabel.get(key);
    if (known !== undefined) return known;
    const byValue = new Map<string, Set<Item>>();
    this.#byLabel.set(key, byValue);
    for (const pod of this.#pods.keys()) insert(byValue, key, pod);
    return byValue;
  }
}

function insert<Item extends LabelledPod>(byValue: Map<string, Set<Item>>, key: string, pod: Item): void {
  const value = labelOf(pod.labels, key);
  if (value === undefined) return;
  const pods = byValue.get(value);
  if (pods === undefined) byValue.set(value, new Set([pod]));
  else pods.add(pod);
}

function labelOf(labels: LabelledPod['labels'], key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
