import type { IPv4 } from '@infra-offload/net';
import type { Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import type { Controller } from '../../controller/controller.js';
import type { Judgement, TraceWorld } from '../../drivers/tracing.js';
import {
  type NodeObject,
  objectKey,
  type PodObject,
  type ServiceObject,
  type WantedState,
} from '../../model/objects.js';

type Objects = Pick<Controller<never>, 'statuses' | 'object' | 'serviceIds' | 'judge'>;

/** The wanted objects by what the data plane knows of them. */
export class WantedWorld implements TraceWorld {
  readonly #controller: Objects;
  readonly pods: readonly PodObject[];
  readonly services: readonly ServiceObject[];
  readonly node: NodeObject | undefined;

  constructor(controller: Objects) {
    this.#controller = controller;
    const pods: PodObject[] = [];
    const services: ServiceObject[] = [];
    let node: NodeObject | undefined;
    for (const object of objectsOf(controller)) {
      if (object.kind === 'pod') pods.push(object);
      else if (object.kind === 'service') services.push(object);
      else if (object.kind === 'node') node ??= object;
    }
    this.pods = pods;
    this.services = services;
    this.node = node;
  }

  pod(address: IPv4): PodObject | undefined {
    return this.pods.find(({ ip }) => ip === address);
  }

  service(id: number): ServiceObject | undefined {
    for (const [known, key] of this.#controller.serviceIds()) {
      if (known !== id) continue;
      const object = this.#controller.object(key);
      return object?.kind === 'service' ? object : undefined;
    }
    return undefined;
  }

  servicesAt(address: IPv4): readonly ServiceObject[] {
    return this.services.filter(({ frontends }) => frontends.some((one) => one.address === address));
  }

  judge(pod: PodObject, direction: Direction, packet: PolicyPacket): Judgement | undefined {
    return this.#controller.judge(objectKey(pod), direction, packet);
  }
}

function* objectsOf(controller: Objects): Generator<WantedState> {
  for (const [key] of controller.statuses()) {
    const object = controller.object(key);
    if (object !== undefined) yield object;
  }
}
