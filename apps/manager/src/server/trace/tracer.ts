import { messageOf } from '@infra-offload/base';
import type { TracedPacket, TraceRequest, TraceResponse } from '@infra-offload/infra-api';
import { mac } from '@infra-offload/net';
import { modify } from '@infra-offload/p4rt';
import type { OfflineTarget } from '@infra-offload/softswitch/offline';
import type { Controller } from '../../controller/controller.js';
import type { Driver } from '../../drivers/driver.js';
import type { FlowTuple } from '../../drivers/flow-table.js';
import { encodePacket } from '../../drivers/packet.js';
import type { Explanation, Tracing } from '../../drivers/tracing.js';
import { ManagerError } from '../../errors.js';
import { describeKey, keyOfReference, type ObjectKey } from '../../model/objects.js';
import type { Reconciler } from '../../reconciler/reconciler.js';
import { type Flows, type FoundFlow, toAddress } from '../flows.js';
import { type Question, questionOf } from './question.js';
import { shadowOf } from './shadow.js';
import { WantedWorld } from './world.js';

export interface TracerContext<Row> {
  readonly driver: Driver<Row>;
  readonly controller: Controller<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly flows: Flows;
}

/** Whoever a packet of a pod is for, the program does not look at its destination MAC address. */
const ANY_MAC = mac(0);

/** Trace: what the program does with a packet, told without sending one. */
export class Tracer<Row> {
  readonly #context: TracerContext<Row>;
  /** One shadow at a time: it takes some memory. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: TracerContext<Row>) {
    this.#context = context;
  }

  /** @throws ManagerError UNSUPPORTED, TARGET_UNAVAILABLE, INVALID_OBJECT, NOT_FOUND */
  trace(request: TraceRequest): Promise<TraceResponse> {
    const answer = this.#turn.then(() => this.#trace(request));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async #trace(request: TraceRequest): Promise<TraceResponse> {
    const { driver, controller, reconciler, flows } = this.#context;
    const { tracing } = driver;
    if (tracing === undefined)
      throw new ManagerError('UNSUPPORTED', 'the pipeline of this target cannot be traced');
    if (!reconciler.attached)
      throw new ManagerError(
        'TARGET_UNAVAILABLE',
        'the target is not connected, or this manager is not its primary: what it has is not known',
      );
    const world = new WantedWorld(controller);
    const question = questionOf(request, world);
    const { pod, tuple } = question;
    // What the device has at this moment.
    const rows = [...reconciler.cells()].flatMap(({ installed }) => installed ?? []);
    const port = tracing.port(pod, rows);
    if (port === undefined) throw this.#notThere(question);
    const isAnyPort = request.sourcePort === 0;
    const shadow = await shadowOf(driver, rows);
    const notes: string[] = [];
    const found = await noting(notes, async () => {
      for await (const entity of flows.read(tracing.learned(tuple, rows))) shadow.learn(entity);
      const flow = isAnyPort ? undefined : await flows.find(tuple);
      if (flow !== undefined) await this.#adopt(shadow, tracing, flow);
      return flow;
    });
    const packet = encodePacket(tuple, { source: pod.mac, destination: ANY_MAC, flow: found });
    const explanation = tracing.explain(
      shadow.trace(port, packet),
      { pod, tuple, isAnyPort, flow: found?.flow },
      world,
    );
    return {
      ...explanation,
      notes: [...notes, ...explanation.notes, ...this.#troubles(explanation)],
      sent: toPacket(tuple),
      received: explanation.received && toPacket(explanation.received),
      flow: found?.flow,
    };
  }

  /** Has the shadow know a flow, and the epoch, which says whether the flow is to be checked. */
  async #adopt(shadow: OfflineTarget, tracing: Tracing<Row>, found: FoundFlow): Promise<void> {
    tracing.adopt(shadow, found.learned);
    const { driver, flows } = this.#context;
    if (driver.flows === undefined) return;
    for await (const entity of flows.read([driver.flows.read])) shadow.write(modify(entity));
  }

  #notThere({ pod }: Question): ManagerError {
    const key: ObjectKey = `pod/${pod.attachmentId}`;
    const { reason = '', message = '' } = this.#context.controller.status(key) ?? {};
    const why = reason === '' ? '' : `: ${reason}: ${message}`;
    return new ManagerError(
      'TARGET_UNAVAILABLE',
      `pod ${pod.namespace}/${pod.name} is not in the device${why}`,
    );
  }

  /** What of the objects that the packet meets is not in the device. */
  #troubles({ steps }: Explanation): string[] {
    const { controller } = this.#context;
    const keys = new Set(steps.flatMap(({ objects }) => objects.flatMap((one) => keyOfReference(one) ?? [])));
    return [...keys].flatMap((key) => {
      const status = controller.status(key);
      if (status === undefined || status.state === 'programmed') return [];
      const detail = [status.reason, status.message].filter((text) => text !== '').join(': ');
      return [`${describeKey(key)} is ${status.state}${detail === '' ? '' : ` (${detail})`}`];
    });
  }
}

function toPacket({ protocol, source, destination }: FlowTuple): TracedPacket {
  return { protocol, source: toAddress(source), destination: toAddress(destination) };
}

/** Notes that a target does not tell what it has learned, instead of giving up. */
async function noting<T>(notes: string[], action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (!ManagerError.is(error, 'UNSUPPORTED')) throw error;
    notes.push(`${messageOf(error)}: flows that exist are left out of account`);
    return undefined;
  }
}
