import { closedIsolation, type FelixChange, FelixState } from '@infra-offload/felix';
import type { Controller } from '../controller/controller.js';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import { isolationKey, type ObjectKey, objectKey, type PodObject } from '../model/objects.js';
import type { Pods } from '../server/pods.js';
import { messageOf, type PolicyPayload } from './felix-facts.js';
import type { FelixJournal, JournalContents } from './felix-journal.js';
import { ipdkKey, ipdkObject } from './felix-objects.js';
import { IPDK } from './names.js';

export interface IpdkPoliciesContext<Row> {
  readonly controller: Controller<Row>;
  readonly pods: Pods<Row>;
  /** What Felix has said, as passed on by the agent. */
  readonly journal: FelixJournal;
  readonly contents: JournalContents;
  readonly logger: Logger;
  /** Pods that an IPDK agent made. */
  readonly ipdkPods: () => readonly PodObject[];
}

/**
 * Policies that an IPDK agent passes on from Felix. As soon as it has passed on any, a pod that Felix has told no endpoint of is
 * closed; an agent that enforces none never does, and its pods are open.
 */
export class IpdkPolicies<Row> {
  readonly #context: IpdkPoliciesContext<Row>;
  readonly #state = new FelixState();
  #isUsed = false;

  constructor(context: IpdkPoliciesContext<Row>) {
    this.#context = context;
  }

  /** Takes up what was said to an earlier run. To be called when the controller has its objects back. */
  restore(): void {
    const { contents, controller, logger } = this.#context;
    for (const payload of contents.payloads) this.#state.apply(messageOf(payload));
    const stored = [...controller.statuses()].map(([key]) => key).filter(isPolicyKey);
    this.#isUsed = contents.payloads.length > 0 || contents.isLost || stored.length > 0;
    const kept = new Set(this.#carry(this.#state.takeChanges()).wanted);
    this.#closeUnknown();
    // What is in force stays so if it may be that only the journal has lost it.
    if (contents.payloads.length === 0) return;
    for (const key of stored) {
      const isOfPod = this.#context.ipdkPods().some((pod) => isolationKey(pod) === key);
      if (!kept.has(key) && !isOfPod) controller.remove(key);
    }
    logger.info({ objects: kept.size }, "the policies of IPDK's agent are known");
  }

  /**
   * Takes over one message of Felix.
   *
   * @throws ManagerError if not all that follows from it is in the data plane. It is kept nevertheless, but for a change of
   * something of which nothing is known; FelixError if it does not say what it is about.
   */
  async take(payload: PolicyPayload, cancelled: AbortSignal): Promise<void> {
    const { journal, pods } = this.#context;
    const message = messageOf(payload);
    const problem = this.#state.apply(message);
    // What is removed need not have been there.
    if (problem !== undefined && message.type === 'ipSetDelta') throw new ManagerError('NOT_FOUND', problem);
    journal.append(payload);
    if (!this.#isUsed && !message.type.endsWith('Remove')) {
      this.#isUsed = true;
      this.#closeUnknown();
    }
    const { wanted, unwanted } = this.#carry(this.#state.takeChanges());
    const results = await Promise.allSettled([
      journal.stored(),
      ...wanted.map((key) => pods.programmed(key, cancelled)),
      ...unwanted.map((key) => pods.withdraw(key, cancelled)),
    ]);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    const [first] = failures;
    if (first === undefined) return;
    if (!ManagerError.is(first)) throw first;
    const more = failures.length > 1 ? `, and ${failures.length - 1} more` : '';
    const text = `${first.message}${more}; it is kept, and takes effect as far and as soon as that is possible`;
    throw new ManagerError(first.code, text, { details: first.details, cause: first });
  }

  /** To be called before a pod is wanted: it is closed until Felix tells its endpoint. */
  guard(pod: PodObject): void {
    if (this.#isUsed && this.#context.controller.object(isolationKey(pod)) === undefined) this.#close(pod);
  }

  /** To be called when a pod is gone. */
  released(pod: PodObject): void {
    const key = isolationKey(pod);
    const isShared = this.#context.ipdkPods().some((other) => isolationKey(other) === key);
    if (!isShared && !this.#state.knows(pod)) this.#context.controller.remove(key);
  }

  #closeUnknown(): void {
    if (this.#isUsed) for (const pod of this.#context.ipdkPods()) this.guard(pod);
  }

  #close(pod: PodObject): void {
    const value = closedIsolation(pod);
    const object = ipdkObject({ object: { $case: 'podIsolation', value } });
    if (object !== undefined) this.#context.controller.upsert(object);
  }

  /** Wants what is to be, and no more what is not. */
  #carry(changes: readonly FelixChange[]): {
    readonly wanted: readonly ObjectKey[];
    readonly unwanted: readonly ObjectKey[];
  } {
    const { controller, ipdkPods } = this.#context;
    const wanted: ObjectKey[] = [];
    const unwanted: ObjectKey[] = [];
    for (const change of changes) {
      if (change.type === 'upsert') {
        const object = ipdkObject(change.object);
        if (object === undefined) continue;
        controller.upsert(object);
        wanted.push(objectKey(object));
        continue;
      }
      const key = ipdkKey(change.reference);
      if (key === undefined) continue;
      // An endpoint may go before its pod does: the pod is closed then, not open.
      const pod = ipdkPods().find((one) => isolationKey(one) === key);
      if (pod === undefined) {
        controller.remove(key);
        unwanted.push(key);
      } else {
        this.#close(pod);
        wanted.push(key);
      }
    }
    return { wanted, unwanted };
  }
}

function isPolicyKey(key: ObjectKey): boolean {
  return ['set', 'policy', 'isolation'].some((kind) => key.startsWith(`${kind}/${IPDK}/`));
}
