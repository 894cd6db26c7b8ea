/** How much a claim counts. Of several pods that name one address, those with the highest have it. */
export const ClaimRank = {
  /** The pod is being deleted, so it may have lost the address already. */
  terminating: 1,
  status: 2,
  /** The address was given to the pod on this node just now. */
  attached: 3,
} as const;

export type ClaimRank = (typeof ClaimRank)[keyof typeof ClaimRank];

export interface Claim {
  readonly address: string;
  readonly rank: ClaimRank;
}

/** Which pods have an address, where the statuses of old pods and new ones overlap. */
export class AddressClaims<Item> {
  readonly #claims = new Map<string, Map<Item, ClaimRank>>();

  /**
   * Replaces the claims of a pod.
   *
   * @param before what the pod has claimed so far.
   * @returns other pods that have other addresses from now on.
   */
  replace(pod: Item, before: readonly Claim[], after: readonly Claim[]): ReadonlySet<Item> {
    const others = new Set<Item>();
    const addresses = new Set([...before, ...after].map(({ address }) => address));
    for (const address of addresses) {
      const rank = after.find((claim) => claim.address === address)?.rank;
      const claims = this.#claims.get(address);
      if (claims === undefined) {
        if (rank !== undefined) this.#claims.set(address, new Map([[pod, rank]]));
        continue;
      }
      for (const other of claims.keys()) if (other !== pod) others.add(other);
      if (rank !== undefined) claims.set(pod, rank);
      else if (claims.delete(pod) && claims.size === 0) this.#claims.delete(address);
    }
    return others;
  }

  /** Whether nobody has a better claim. */
  has(pod: Item, address: string): boolean {
    const claims = this.#claims.get(address);
    const rank = claims?.get(pod);
    if (claims === undefined || rank === undefined) return false;
    for (const other of claims.values()) if (other > rank) return false;
    return true;
  }
}
