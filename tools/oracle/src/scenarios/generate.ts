import type { Random } from '@infra-offload/faults/random';
import { isAllowed } from '../policies.js';
import {
  type Destination,
  POD_NAMES,
  type PodName,
  type Policy,
  type Protocol,
  type Scenario,
  type Side,
  type Step,
} from '../scenario.js';

const WEBS = ['web-1', 'web-2'] as const;
const BOTH = ['client', 'server'] as const;
const PORTS = 14;
/** Of a message, now and then: more than one segment. */
const LARGE = 30_000;
/** Of a datagram, as often. */
const FRAGMENTED = 5_000;

interface Flow {
  readonly name: string;
  readonly protocol: Protocol;
  readonly from: PodName;
  readonly to: Destination;
  readonly port: number;
  /** By its name in the scenario. */
  server: PodName;
  /** Sides that may still send. */
  readonly sends: Set<Side>;
  /** Nothing more is done with it, since it is not certain what would be seen. */
  over: boolean;
  /** Its port may be used again, for the same destination. */
  free: boolean;
  /** Then its port is not free any more once another endpoint has come (expected.ts). */
  resetByServer: boolean;
}

/**
 * A random scenario of which all that is seen is certain, on netfilter as here: where they are known to differ
 * (expected.ts), and where chance decides, it does not go.
 */
export function randomScenario(random: Random, name: string): Scenario {
  return new Generator(random).scenario(name);
}

class Generator {
  readonly #steps: Step[] = [];
  readonly #flows: Flow[] = [];
  #endpoints: readonly PodName[];
  #policies: readonly Policy[] = [];
  /** Nobody could tell the pods of `WEBS` apart yet. */
  #alike = true;

  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#endpoints = random.chance(60) ? WEBS : [random.pick(WEBS)];
    if (this.#endpoints.length === 1) this.#alike = false;
  }

  scenario(name: string): Scenario {
    const endpoints = this.#endpoints;
    const length = 5 + this.#random.below(14);
    while (this.#steps.length < length) this.#step();
    return { name, endpoints, steps: this.#steps };
  }

  #step(): void {
    const kind = this.#random.below(100);
    if (kind < 30 || this.#flows.length === 0) this.#open();
    else if (kind < 60) this.#send();
    else if (kind < 82) this.#finish();
    else if (kind < 90) this.#changeEndpoints();
    else if (kind < 97) this.#changePolicies();
    else this.#replace();
  }

  #open(): void {
    const random = this.#random;
    const again = this.#flows.filter((flow) => flow.free && this.#isCertain(flow.from, flow.to));
    const before = again.length > 0 && random.chance(50) ? random.pick(again) : undefined;
    if (before?.resetByServer && !this.#isOnlyEndpoint(before)) return;
    const from = before?.from ?? random.pick(POD_NAMES);
    const to = before?.to ?? this.#destination(from);
    if (to === undefined) return;
    const protocol = before?.protocol ?? random.pick(['tcp', 'udp'] as const);
    const port = before?.port ?? this.#port(from, to, protocol);
    if (port === undefined) return;
    const [endpoint = 'web-1'] = this.#endpoints;
    const server = 'service' in to ? endpoint : (to.pod as PodName);
    if (before) before.free = false;
    this.#alike = false;
    const flow: Flow = {
      name: `f${this.#flows.length}`,
      protocol,
      from,
      to,
      port,
      server,
      sends: new Set(BOTH),
      over: !this.#passes(from, server, protocol, to),
      free: false,
      resetByServer: false,
    };
    // A SYN that was dropped is nobody's.
    flow.free = flow.over && protocol === 'tcp';
    this.#flows.push(flow);
    this.#steps.push({ do: 'open', flow: flow.name, protocol, from, to, port });
  }

  /** Not `served`: no pod answers there but with an error. */
  #passes(from: PodName, server: PodName, protocol: Protocol, to: Destination): boolean {
    if (to.port === 'unserved' || ('service' in to && this.#endpoints.length === 0)) return false;
    return isAllowed(this.#policies, from, server, protocol);
  }

  #destination(from: PodName): Destination | undefined {
    const service = { service: true } as const;
    if (this.#random.chance(5)) return { ...service, port: 'unserved' };
    if (this.#random.chance(60)) return this.#isCertain(from, service) ? service : undefined;
    const pod = this.#random.pick(POD_NAMES.filter((other) => other !== from));
    return this.#random.chance(10) ? { pod, port: 'unserved' } : { pod };
  }

  /** Who will answer: with several endpoints, only the first choice of all has a name that is known before. */
  #isCertain(from: PodName, to: Destination): boolean {
    if (!('service' in to) || this.#endpoints.length < 2 || to.port === 'unserved') return true;
    return this.#endpoints.length > 1 && this.#alike && !this.#endpoints.includes(from);
  }

  /** New packets of the flow can go to its server only. */
  #isOnlyEndpoint({ to, server }: Flow): boolean {
    return !('service' in to) || this.#endpoints.join() === server;
  }

  /** A fresh port, or one that a flow to elsewhere has. */
  #port(from: PodName, to: Destination, protocol: Protocol): number | undefined {
    const own = this.#flows.filter((flow) => flow.from === from && flow.protocol === protocol);
    // What is over may be forgotten later here than on netfilter (expected.ts).
    const elsewhere = own.filter((flow) => !flow.over && isElsewhere(flow.to, to));
    const taken = this.#random.chance(25) ? elsewhere.map(({ port }) => port) : [];
    const candidates = taken.filter((port) =>
      own.every((flow) => flow.port !== port || (!flow.over && isElsewhere(flow.to, to))),
    );
    if (candidates.length > 0) return this.#random.pick(candidates);
    const fresh = Array.from({ length: PORTS }, (_, port) => port);
    return fresh.find((port) => this.#flows.every((flow) => flow.port !== port));
  }

  #send(): void {
    const able = this.#flows.flatMap((flow) =>
      BOTH.filter((side) => flow.sends.has(side) && !flow.over).map((side) => ({ flow, side })),
    );
    if (able.length === 0) return;
    const { flow, side } = this.#random.pick(able);
    const size = this.#random.chance(10) ? { size: flow.protocol === 'tcp' ? LARGE : FRAGMENTED } : {};
    this.#steps.push({ do: 'send', flow: flow.name, side, ...size });
  }

  #finish(): void {
    const able = this.#flows.filter((flow) => !flow.over);
    if (able.length === 0) return;
    const flow = this.#random.pick(able);
    if (flow.protocol === 'udp') {
      if (!this.#random.chance(25)) return;
      flow.over = true;
      this.#steps.push({ do: 'close', flow: flow.name, side: 'client' });
      return;
    }
    const side = this.#random.pick(BOTH);
    const other = otherOf(side);
    const kinds = flow.sends.has(side)
      ? (['end', 'close', 'close', 'reset', 'vanish'] as const)
      : (['close', 'reset'] as const);
    const kind = this.#random.pick(kinds);
    this.#steps.push({ do: kind, flow: flow.name, side });
    if (kind === 'end') {
      flow.sends.delete(side);
      return;
    }
    if (kind === 'vanish') {
      // Whoever is left finds out.
      if (flow.sends.has(other) && flow.sends.has(side))
        this.#steps.push({ do: 'send', flow: flow.name, side: other });
      flow.over = true;
      return;
    }
    if (kind === 'close') {
      // What the other side sends from now on is answered with a reset, so it closes, too.
      this.#steps.push({ do: 'close', flow: flow.name, side: other });
    } else flow.resetByServer = side === 'server';
    flow.over = true;
    flow.free = true;
  }

  #changeEndpoints(): void {
    const single = this.#random.pick(POD_NAMES);
    const onService = this.#flows.filter(
      (flow) => 'service' in flow.to && flow.protocol === 'udp' && !flow.over,
    );
    const stay = onService.every(({ server }) => WEBS.some((web) => web === server));
    const next = this.#random.chance(10) ? [] : stay && this.#random.chance(30) ? WEBS : [single];
    if (next.join() === this.#endpoints.join()) return;
    this.#alike = false;
    this.#endpoints = next;
    this.#steps.push({ do: 'endpoints', pods: next });
    for (const flow of onService) {
      if (next.some((pod) => pod === flow.server)) continue;
      flow.server = single;
      // It moves with what the client sends next, or is refused.
      if (next.length === 0 || !isAllowed(this.#policies, flow.from, single, 'udp')) flow.over = true;
      this.#steps.push({ do: 'send', flow: flow.name, side: 'client' });
    }
  }

  #changePolicies(): void {
    const count = this.#random.below(3);
    this.#policies = Array.from({ length: count }, () => this.#policy());
    this.#alike = false;
    this.#steps.push({ do: 'policies', policies: this.#policies });
    for (const flow of this.#flows) {
      if (flow.over || isAllowed(this.#policies, flow.from, flow.server, flow.protocol)) continue;
      // The flow has ended, and the client finds out, if it looks. Another endpoint would answer what it does not know.
      flow.over = true;
      if (flow.sends.has('client') && this.#isOnlyEndpoint(flow) && this.#random.chance(60))
        this.#steps.push({ do: 'send', flow: flow.name, side: 'client' });
    }
  }

  #policy(): Policy {
    const pod = this.#random.pick(POD_NAMES);
    const rules = Array.from({ length: this.#random.below(3) }, () => ({
      peers: POD_NAMES.filter((peer) => peer !== pod && this.#random.chance(50)),
      ...(this.#random.chance(40) ? { protocol: this.#random.pick(['tcp', 'udp'] as const) } : {}),
    }));
    return {
      pod,
      direction: this.#random.pick(['ingress', 'egress'] as const),
      allow: rules.filter(({ peers }) => peers.length > 0),
    };
  }

  #replace(): void {
    const pod = this.#random.pick(POD_NAMES);
    this.#alike = false;
    this.#steps.push({ do: 'replace', pod });
    for (const flow of this.#flows) {
      if (flow.from === pod) flow.free = false;
      if (flow.over || (flow.server !== pod && flow.from !== pod)) continue;
      flow.over = true;
      // The new pod gets datagrams, and resets connections.
      if (flow.from !== pod && this.#isOnlyEndpoint(flow) && flow.sends.size === BOTH.length)
        this.#steps.push({ do: 'send', flow: flow.name, side: 'client' });
    }
  }
}

function otherOf(side: Side): Side {
  return side === 'client' ? 'server' : 'client';
}

function isElsewhere(one: Destination, other: Destination): boolean {
  return 'service' in one !== 'service' in other || ('pod' in one && 'pod' in other && one.pod !== other.pod);
}
