import type { Guard } from '@infra-offload/guard';
import { POD_GATEWAY } from '@infra-offload/net';
import type { Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import type { Owner } from '@infra-offload/reconciler';
import { NODE_CLAIM_KEY } from '../drivers/common.js';
import type { Judgement } from '../drivers/tracing.js';
import type { Remark } from '../model/condition.js';
import { kindOf, type ObjectKey } from '../model/objects.js';
import {
  type Consequences,
  type KeeperOptions,
  type PodPolicy,
  PolicyKeeper,
  type ProfileInForce,
} from '../policy/keeper.js';
import type { StoredProfiles } from '../policy/profiles.js';
import type { Entry } from './entry.js';

/** Tells the policies what they depend on, and carries out what comes of it: at once for all that changes together. */
export class Policies<Row> {
  readonly #keeper: PolicyKeeper<Row>;
  readonly #carryOut: (consequences: Consequences) => void;
  /** Whose addresses may always reach the pods. */
  #node: ObjectKey | undefined;
  readonly #flushSoon: () => void;

  constructor(options: KeeperOptions<Row>, carryOut: (consequences: Consequences) => void, guard: Guard) {
    this.#flushSoon = guard.soon(() => this.flush());
    this.#keeper = new PolicyKeeper(options);
    this.#carryOut = carryOut;
  }

  /** Takes up the state of the last run. */
  restore(profiles: StoredProfiles, entries: readonly Entry<Row>[]): void {
    this.#keeper.restore(profiles);
    for (const entry of entries) this.#note(entry);
    this.#keeper.restored();
  }

  /** To be called when an object, or what it lost to others, has changed. */
  note(entry: Entry<Row>): void {
    this.#note(entry);
    if (this.#keeper.isDirty) this.#flushSoon();
  }

  /** Has everything that was noted carried out. */
  flush(): void {
    if (this.#keeper.isDirty) this.#carryOut(this.#keeper.flush());
  }

  /** See {@link PolicyKeeper.found}. */
  found(rows: readonly Row[]): void {
    if (this.#keeper.found(rows)) this.flush();
  }

  /** See {@link PolicyKeeper.progressed}. */
  progressed(owners: readonly Owner<Row>[]): void {
    this.#carryOut(this.#keeper.progressed(owners));
  }

  /** What holds for a pod, after {@link flush}. */
  of(pod: ObjectKey): PodPolicy {
    return this.#keeper.policyOf(pod);
  }

  /** See {@link PolicyKeeper.judge}. */
  judge(pod: ObjectKey, direction: Direction, packet: PolicyPacket): Judgement | undefined {
    this.flush();
    return this.#keeper.judge(pod, direction, packet);
  }

  /** What is to be said of a set, a policy or an isolation. */
  conditions(key: ObjectKey): readonly Remark[] {
    return this.#keeper.conditions(key);
  }

  /** See {@link PolicyKeeper.owners}. */
  owners(key: ObjectKey): readonly Owner<Row>[] {
    return this.#keeper.owners(key);
  }

  /** See {@link PolicyKeeper.policiesOf}. */
  policiesOf(owner: Owner<Row>): readonly ObjectKey[] {
    return this.#keeper.policiesOf(owner);
  }

  /** See {@link PolicyKeeper.onProfileId}. */
  onProfileId(listener: (id: number) => void): () => void {
    return this.#keeper.onProfileId(listener);
  }

  /** See {@link PolicyKeeper.profilesInForce}. */
  inForce(): readonly ProfileInForce[] {
    return this.#keeper.profilesInForce();
  }

  #note(entry: Entry<Row>): void {
    const { key, object, invalid } = entry;
    const isBroken = invalid !== undefined;
    switch (kindOf(key)) {
      case 'set':
        this.#keeper.putSet(key, object?.kind === 'set' ? object : undefined, isBroken);
        return;
      case 'policy':
        this.#keeper.putPolicy(key, object?.kind === 'policy' ? object : undefined);
        return;
      case 'isolation':
        this.#keeper.putIsolation(key, object?.kind === 'isolation' ? object : undefined, isBroken);
        return;
      case 'pod':
        this.#keeper.putPod(key, object?.kind === 'pod' ? object : undefined);
        return;
      case 'node':
        this.#noteNode(entry);
        return;
      case 'service':
        return;
    }
  }

  #noteNode({ key, object, lost }: Entry<Row>): void {
    if (object?.kind === 'node' && !lost.includes(NODE_CLAIM_KEY)) {
      this.#node = key;
      const { addresses, host } = object;
      this.#keeper.putNodeAddresses([POD_GATEWAY, ...(host?.addresses ?? []), ...addresses]);
    } else if (this.#node === key) {
      this.#node = undefined;
      this.#keeper.putNodeAddresses([]);
    }
  }
}
