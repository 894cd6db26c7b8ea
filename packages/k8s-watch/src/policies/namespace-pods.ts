import { MultiMap } from '@infra-offload/base';
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
  readonly #byLabel = new Map<string, MultiMap<string, Item>>();

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
      if (value !== undefined) values.delete(value, pod);
    }
  }

  /** Pods with a label that `In` or `Exists` asks for. */
  *having({ key, operator, values }: LabelRequirement): IterableIterator<Item> {
    const byValue = this.#index(key);
    for (const value of operator === 'In' ? values : byValue.keys()) yield* byValue.get(value);
  }

  #index(key: string): MultiMap<string, Item> {
    const known = this.#byLabel.get(key);
    if (known !== undefined) return known;
    const byValue = new MultiMap<string, Item>();
    this.#byLabel.set(key, byValue);
    for (const pod of this.#pods.keys()) insert(byValue, key, pod);
    return byValue;
  }
}

function insert<Item extends LabelledPod>(byValue: MultiMap<string, Item>, key: string, pod: Item): void {
  const value = labelOf(pod.labels, key);
  if (value !== undefined) byValue.add(value, pod);
}

function labelOf(labels: LabelledPod['labels'], key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
