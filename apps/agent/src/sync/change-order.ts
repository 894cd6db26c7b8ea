import { ObjectKind } from '@infra-offload/infra-api';
import { type ObjectKey, referenceOfKey } from './wanted-state.js';

/**
 * Sets come before the policies that name them, policies before the isolation of pods, and that before the pods. Removals
 * come last, the other way round. So the manager never has a policy without its sets, nor a pod without its isolation.
 */
const kindsInOrder: readonly ObjectKind[] = [
  ObjectKind.OBJECT_KIND_ADDRESS_SET,
  ObjectKind.OBJECT_KIND_NETWORK_POLICY,
  ObjectKind.OBJECT_KIND_POD_ISOLATION,
];

/** Where all other kinds are, wanted or not: they are told in the order in which they changed. */
const others = kindsInOrder.length;

/** Where an object stands among those that are to be told. */
function rankOf(key: ObjectKey, isWanted: boolean): number {
  const { kind } = referenceOfKey(key);
  const rank = kindsInOrder.indexOf(kind);
  if (rank < 0) return others;
  return isWanted ? rank : 2 * others - rank;
}

/** Everything that is wanted, in the order of a snapshot. */
export function inOrder(keys: readonly ObjectKey[]): ObjectKey[] {
  const ranks: ObjectKey[][] = Array.from({ length: others + 1 }, () => []);
  for (const key of keys) ranks[rankOf(key, true)]?.push(key);
  return ranks.flat();
}

/** Objects that are to be told, in order; each is in here once. */
export class OrderedKeys {
  readonly #ranks: Set<ObjectKey>[] = Array.from({ length: 2 * others + 1 }, () => new Set());

  add(key: ObjectKey, isWanted: boolean): void {
    const rank = rankOf(key, isWanted);
    // It may have been wanted before, and not be any more, or the other way round.
    if (rank !== others) this.#ranks[2 * others - rank]?.delete(key);
    this.#ranks[rank]?.add(key);
  }

  delete(key: ObjectKey): void {
    for (const keys of this.#ranks) keys.delete(key);
  }

  has(key: ObjectKey): boolean {
    return this.#ranks.some((keys) => keys.has(key));
  }

  *[Symbol.iterator](): Generator<ObjectKey, void, undefined> {
    for (const keys of this.#ranks) yield* keys;
  }
}
