import type { Protocol } from '../objects/types.js';
import type { TrackedPod } from './pod-book.js';
import type { Selection } from './selection.js';
import type { SelectionIndex, SelectionListener } from './selection-index.js';
import { SortedMembers } from './sorted-members.js';
import type { AddressPort, AddressSet } from './types.js';

/** What is in a set. */
export interface SetDefinition {
  readonly name: string;
  readonly selection: Selection;
  /** A container port, for sets of addresses with ports. */
  readonly port?: { readonly name: string; readonly protocol: Protocol };
}

export interface SetChanges {
  readonly upserts: readonly AddressSet[];
  /** Names. */
  readonly removals: readonly string[];
}

/** The address sets that somebody needs, each filled from the index of pods. */
export class SetBook {
  readonly #pods: SelectionIndex<TrackedPod>;
  readonly #onChange: () => void;
  readonly #sets = new Map<string, TrackedSet>();
  readonly #dirty = new Set<TrackedSet>();

  /** @param onChange called when there may be something to `flush`. */
  constructor(pods: SelectionIndex<TrackedPod>, onChange: () => void) {
    this.#pods = pods;
    this.#onChange = onChange;
  }

  /** Those of the last flush. */
  *values(): IterableIterator<AddressSet> {
    for (const { told } of this.#sets.values()) if (told !== undefined) yield told;
  }

  retain(definition: SetDefinition): void {
    const known = this.#sets.get(definition.name);
    if (known !== undefined) {
      known.uses += 1;
      return;
    }
    const set = new TrackedSet(definition, () => this.#touch(set));
    this.#sets.set(definition.name, set);
    this.#pods.watch(definition.selection, set);
    this.#touch(set);
  }

  release({ name, selection }: SetDefinition): void {
    const set = this.#sets.get(name);
    if (set === undefined) return;
    set.uses -= 1;
    if (set.uses > 0) return;
    this.#sets.delete(name);
    this.#pods.unwatch(selection, set);
    this.#touch(set);
  }

  flush(): SetChanges {
    const upserts: AddressSet[] = [];
    const removals: string[] = [];
    for (const set of this.#dirty) {
      if (set.uses > 0) {
        if (set.refresh() && set.told !== undefined) upserts.push(set.told);
      } else if (set.told !== undefined) removals.push(set.definition.name);
    }
    this.#dirty.clear();
    return { upserts, removals };
  }

  #touch(set: TrackedSet): void {
    this.#dirty.add(set);
    this.#onChange();
  }
}

class TrackedSet implements SelectionListener<TrackedPod> {
  readonly definition: SetDefinition;
  uses = 1;
  /** As it was when last looked at. */
  told: AddressSet | undefined;
  readonly #onChange: () => void;
  readonly #addresses = new SortedMembers<string>();
  readonly #addressPorts = new SortedMembers<AddressPort>();
  /** What each pod has brought in. */
  readonly #members = new Map<TrackedPod, readonly Member[]>();

  constructor(definition: SetDefinition, onChange: () => void) {
    this.definition = definition;
    this.#onChange = onChange;
  }

  joined(pod: TrackedPod): void {
    this.#replace(pod, membersOf(pod, this.definition));
  }

  left(pod: TrackedPod): void {
    this.#replace(pod, []);
  }

  changed(pod: TrackedPod): void {
    this.#replace(pod, membersOf(pod, this.definition));
  }

  #replace(pod: TrackedPod, after: readonly Member[]): void {
    const before = this.#members.get(pod) ?? [];
    // Most of what changes in a pod is neither address nor port.
    if (before.length === after.length && before.every(({ text }, i) => text === after[i]?.text)) return;
    for (const { text } of before) {
      this.#addresses.remove(text);
      this.#addressPorts.remove(text);
    }
    for (const { text, item } of after) {
      if (typeof item === 'string') this.#addresses.add(text, item);
      else this.#addressPorts.add(text, item);
    }
    if (after.length === 0) this.#members.delete(pod);
    else this.#members.set(pod, after);
    this.#onChange();
  }

  /** @returns whether it is another one than it was. */
  refresh(): boolean {
    const addresses = this.#addresses.items();
    const addressPorts = this.#addressPorts.items();
    const { told } = this;
    if (told?.addresses === addresses && told.addressPorts === addressPorts) return false;
    this.told = { kind: 'AddressSet', name: this.definition.name, addresses, addressPorts };
    return true;
  }
}

/** An address, or a port of it, with a text that tells it from others. */
interface Member {
  readonly text: string;
  readonly item: string | AddressPort;
}

function membersOf({ addresses, ports }: TrackedPod, { port }: SetDefinition): readonly Member[] {
  if (port === undefined) return addresses.map((address) => ({ text: address, item: address }));
  const numbers = ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol);
  return addresses.flatMap((address) =>
    numbers.map(({ protocol, port }) => ({
      text: `${address} ${protocol} ${port}`,
      item: { address, protocol, port },
    })),
  );
}
