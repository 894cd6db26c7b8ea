import { messageOf } from '@infra-offload/base';
import type { FlowEntry, FlowTable } from '../drivers/flow-table.js';
import type { Logger } from '../log.js';
import type { PodObject } from '../model/objects.js';
import type { Warnings } from '../warnings.js';
import { endEntries, type FlowSession } from './flows.js';

export interface FlowSharesContext {
  readonly driver: { readonly flowTable?: FlowTable };
  /** Flows at once of a pod. */
  readonly share: number;
  readonly pods: () => Iterable<{ readonly pod: PodObject; readonly port: number }>;
  /** Undefined while the target is away. */
  readonly session: () => FlowSession | undefined;
  readonly warnings: Pick<Warnings, 'tell'>;
  readonly logger: Logger;
}

/** Ports that are asked about together. */
const PORTS_PER_READ = 1000;
/** Flows that are chosen together: what there is to choose from is read anew for the next ones. */
const CHOSEN = 16_384;
/** Flows whose entries are deleted together. */
const TOGETHER = 256;

/** How many flows a pod had when they were counted, and how many had begun by then. */
interface Count {
  readonly flows: number;
  readonly begun: bigint;
}

const NEVER: Count = { flows: 0, begun: 0n };

/**
 * Ends flows of pods that have more at once than their share. They are only counted when enough have begun since the last
 * time that there may be too many, and only read when there are.
 */
export class FlowShares {
  readonly #context: FlowSharesContext;
  readonly #counts = new Map<string, Count>();
  #isLooking = false;
  #failure: string | undefined;
  /** Flows that were ended so far. */
  ended = 0;

  constructor(context: FlowSharesContext) {
    this.#context = context;
  }

  /** Looks at all pods. To be called every few seconds. */
  async look(): Promise<void> {
    const { driver, session, logger } = this.#context;
    const [table, target] = [driver.flowTable, session()];
    if (this.#isLooking || table === undefined || target === undefined) return;
    this.#isLooking = true;
    try {
      await this.#look(table, target);
      this.#failure = undefined;
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#failure)
        logger.warn({ reason }, 'flows of pods cannot be kept within their share');
      this.#failure = reason;
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(table: FlowTable, target: FlowSession): Promise<void> {
    const pods = [...this.#context.pods()];
    const ids = new Set(pods.map(({ pod }) => pod.attachmentId));
    for (const id of this.#counts.keys()) if (!ids.has(id)) this.#counts.delete(id);
    for (let i = 0; i < pods.length; i += PORTS_PER_READ) {
      const some = pods.slice(i, i + PORTS_PER_READ);
      const asked = some.map(({ port }) => table.begun(port));
      let next = 0;
      const suspects: { pod: PodObject; begun: bigint }[] = [];
      for await (const entity of target.read(asked)) {
        const pod = some[next++]?.pod;
        const begun = table.begunOf(entity);
        if (pod !== undefined && this.#mayBeBeyond(pod, begun)) suspects.push({ pod, begun });
      }
      for (const { pod, begun } of suspects) await this.#check(table, target, pod, begun);
    }
  }

  #mayBeBeyond({ attachmentId }: PodObject, begun: bigint): boolean {
    const known = this.#counts.get(attachmentId) ?? NEVER;
    // If fewer have begun, the program of the target was started anew, and has forgotten all.
    const last = begun < known.begun ? NEVER : known;
    this.#counts.set(attachmentId, last);
    return BigInt(last.flows) + begun - last.begun > BigInt(this.#context.share);
  }

  async #check(table: FlowTable, target: FlowSession, pod: PodObject, begun: bigint): Promise<void> {
    const { share, warnings } = this.#context;
    let flows = 0;
    const of = { source: { address: pod.ip }, isReply: false };
    for await (const entity of target.read([table.count(of)])) flows += table.countOf(entity);
    if (flows > share) {
      const name = `${pod.namespace}/${pod.name}`;
      const text = 'more flows at once than its share';
      const message = `pod ${name} had ${flows} flows at once, and its share is ${share}: those that are missed least were ended`;
      warnings.tell('PodFlowsExceeded', `pod ${name}`, text, message);
      // With some room, so that not every new flow has another one ended.
      flows -= await this.#end(table, target, of, flows - Math.ceil((share * 7) / 8));
    }
    this.#counts.set(pod.attachmentId, { flows, begun });
  }

  async #end(
    table: FlowTable,
    target: FlowSession,
    of: Parameters<FlowTable['read']>[0],
    wanted: number,
  ): Promise<number> {
    let ended = 0;
    while (ended < wanted) {
      const chosen = await leastMissed(table, target, of, Math.min(CHOSEN, wanted - ended));
      if (chosen.length === 0) break;
      for (let i = 0; i < chosen.length; i += TOGETHER) {
        const some = chosen.slice(i, i + TOGETHER);
        const tuples = some.flatMap(({ original, reply }) => [original, reply]);
        await endEntries(target, tuples.flatMap(table.remembered));
        ended += some.length;
        this.ended += some.length;
      }
    }
    return ended;
  }
}

/** Flows that nobody misses, or else those that have been idle longest. */
async function leastMissed(
  table: FlowTable,
  target: FlowSession,
  of: Parameters<FlowTable['read']>[0],
  most: number,
): Promise<readonly FlowEntry[]> {
  let found: FlowEntry[] = [];
  const shorten = () => {
    found.sort((a, b) => Number(b.isDispensable) - Number(a.isDispensable) || b.idleMs - a.idleMs);
    found = found.slice(0, most);
  };
  for await (const entity of target.read([table.read(of)])) {
    const entry = table.decode(entity);
    if (entry === undefined) continue;
    found.push(entry);
    if (found.length >= 2 * most + TOGETHER) shorten();
  }
  shorten();
  return found;
}
