import type { Claim } from '../drivers/driver.js';
import type { ObjectKey } from '../model/objects.js';

/**
 * Who holds what only one object can have. The first to claim a thing holds it until it lets go; then the next in
 * line does. The order survives restarts as the order in which `restore` names the claimants.
 */
export class Claims {
  /** Claimants in the order in which they came; the first holds it. */
  readonly #lines = new Map<string, ObjectKey[]>();
  readonly #held = new Map<ObjectKey, readonly string[]>();

  /** Who holds `claim`. */
  first(claim: string): ObjectKey | undefined {
    return this.#lines.get(claim)?.[0];
  }

  /** The other object that holds `claim`, if `object` is not its holder. */
  holder(claim: string, object: ObjectKey): ObjectKey | undefined {
    const first = this.first(claim);
    return first === object ? undefined : first;
  }

  /**
   * Replaces what `object` claims.
   *
   * @returns objects that hold something from now on which they claimed before in vain.
   */
  set(object: ObjectKey, claims: readonly Claim[]): ReadonlySet<ObjectKey> {
    const before = this.#held.get(object) ?? [];
    const keys = claims.map((claim) => claim.key);
    const promoted = new Set<ObjectKey>();
    if (before.length === keys.length && before.every((key, i) => key === keys[i])) return promoted;
    const kept = new Set(keys);
    for (const key of before) {
      if (kept.has(key)) continue;
      const heir = this.#leave(key, object);
      if (heir !== undefined) promoted.add(heir);
    }
    for (const key of keys) {
      const line = this.#lines.get(key);
      if (line === undefined) this.#lines.set(key, [object]);
      else if (!line.includes(object)) line.push(object);
    }
    if (keys.length === 0) this.#held.delete(object);
    else this.#held.set(object, keys);
    return promoted;
  }

  /** Leaves the line; returns the new holder if there is one. */
  #leave(key: string, object: ObjectKey): ObjectKey | undefined {
    const line = this.#lines.get(key);
    if (line === undefined) return undefined;
    const held = line[0] === object;
    const rest = line.filter((other) => other !== object);
    if (rest.length === 0) this.#lines.delete(key);
    else this.#lines.set(key, rest);
    return held ? rest[0] : undefined;
  }
}
