import type { Random } from '@infra-offload/faults/random';
import { isAllowed } from '../policies.js';
import {
  type Actor,
  type Destination,
  type Endpoint,
  EXTERNALS,
  type Peer,
  POD_NAMES,
  type Policy,
  type Protocol,
  type Scenario,
  type ServiceSettings,
  type Side,
  type Step,
} from '../scenario.js';
import { usableEndpoints } from './usable-endpoints.js';

const WEBS = ['web-1', 'web-2'] as const;
const CLIENTS: readonly Actor[] = [...POD_NAMES, 'node', 'outside'];
const PEERS: readonly Peer[] = [...POD_NAMES, 'outside', 'far'];
const BOTH = ['client', 'server'] as const;
const PORTS = 14;
/** Of a message, now and then: more than one segment. */
const LARGE = 30_000;
/** Of a datagram, as often. */
const FRAGMENTED = 5_000;

interface Flow {
  readonly name: string;
  readonly protocol: Protocol;
  readonly from: Actor;
  readonly to: Destination;
  readonly port: number;
  /** By its name in the scenario. */
  server: Actor;
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
  #endpoints: readonly Endpoint[];
  readonly #service: ServiceSettings;
  #policies: readonly Policy[] = [];
  /** Nobody could tell the pods of `WEBS` apart yet. */
  #alike = true;

  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.#endpoints = random.chance(60) ? WEBS : [random.pick(WEBS)];
    if (random.chance(10)) this.#endpoints = [...this.#endpoints, 'far'];
    if (this.#endpoints.length === 1) this.#alike = false;
    this.#service = {
      ...(random.chance(40) ? { externalTrafficPolicy: 'Local' } : {}),
      ...(random.chance(15) ? { internalTrafficPolicy: 'Local' } : {}),
      ...(random.chance(15) ? { sources: [random.pick(CLIENTS)] } : {}),
    };
  }

  scenario(name: string): Scenario {
    const endpoints = this.#endpoints;
    const length = 5 + this.#random.below(14);
    while (this.#steps.length < length) this.#step();
    return { name, endpoints, service: this.#service, steps: this.#steps };
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
    const from = before?.from ?? (random.chance(65) ? random.pick(POD_NAMES) : random.pick(CLIENTS));
    const to = before?.to ?? this.#destination(from);
    if (to === undefined) return;
    const protocol = before?.protocol ?? random.pick(['tcp', 'udp'] as const);
    const [server = 'web-1'] = this.#usable(from, to);
    const port = before?.port ?? this.#port(from, to, protocol, server);
    if (port === undefined) return;
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
  #passes(from: Actor, server: Actor, protocol: Protocol, to: Destination): boolean {
    if (to.port === 'unserved' || this.#usable(from, to).length === 0) return false;
    return isAllowed(this.#policies, from, server, protocol);
  }

  #destination(from: Actor): Destination | undefined {
    const random = this.#random;
    const service = { service: true } as const;
    if (random.chance(5)) return { ...service, port: 'unserved' };
    if (random.chance(60)) {
      const to = random.chance(50) ? ({ ...service, at: random.pick(EXTERNALS) } as const) : service;
      return this.#isCertain(from, to) && !this.#isJudgedBefore(from, to) ? to : undefined;
    }
    // There is no way from outside to pods.
    if (from === 'outside') return undefined;
    const pod = random.pick([...POD_NAMES, 'far' as const].filter((other) => other !== from));
    return random.chance(10) ? { pod, port: 'unserved' } : { pod };
  }

  /** Who may answer. */
  #usable(from: Actor, to: Destination): readonly Actor[] {
    return 'service' in to ? usableEndpoints(this.#endpoints, this.#service, from, to) : [to.pod];
  }

  /** Who will answer: with several endpoints, only the first choice of all has a name that is known before. */
  #isCertain(from: Actor, to: Destination): boolean {
    const usable = this.#usable(from, to);
    if (usable.length < 2 || to.port === 'unserved') return true;
    return (
      this.#alike &&
      usable.every((endpoint) => WEBS.some((web) => web === endpoint)) &&
      !usable.includes(from)
    );
  }

  /** Egress is judged before the kernel translates the destination (expected.ts). */
  #isJudgedBefore(from: Actor, to: Destination): boolean {
    return (
      this.#isTranslatedLate(to) &&
      this.#policies.some(({ pod, direction }) => pod === from && direction === 'egress')
    );
  }

  /** By the kernel, also for pods. */
  #isTranslatedLate(to: Destination): boolean {
    if (!('service' in to)) return false;
    return to.at === 'outerNodePort' || (to.at === 'balancer' && this.#service.sources !== undefined);
  }

  /** New packets of the flow can go to its server only. */
  #isOnlyEndpoint({ from, to, server }: Flow): boolean {
    return this.#usable(from, to).join() === server;
  }

  /** A fresh port, or one that a flow to elsewhere has. */
  #port(from: Actor, to: Destination, protocol: Protocol, server: Actor): number | undefined {
    const own = this.#flows.filter((flow) => flow.from === from && flow.protocol === protocol);
    // What is over may be forgotten later here than on netfilter (expected.ts).
    const elsewhere = own.filter(
      (flow) =>
        !flow.over &&
        isElsewhere(flow.to, to) &&
        (flow.server === server || POD_NAMES.some((pod) => pod === from)),
    );
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
    const before = this.#endpoints;
    const next = this.#random.chance(10) ? [] : this.#nextEndpoints();
    if (next.join() === before.join()) return;
    const flows = this.#flows.filter((flow) => 'service' in flow.to && flow.protocol === 'udp' && !flow.over);
    this.#endpoints = next;
    const moving = flows.filter((flow) => !this.#usable(flow.from, flow.to).includes(flow.server));
    if (moving.some((flow) => this.#usable(flow.from, flow.to).length > 1)) {
      this.#endpoints = before;
      return;
    }
    this.#alike = false;
    this.#steps.push({ do: 'endpoints', pods: next });
    for (const flow of moving) {
      // It moves with what the client sends next, or is refused.
      const [server] = this.#usable(flow.from, flow.to);
      if (server === undefined || !isAllowed(this.#policies, flow.from, server, 'udp')) flow.over = true;
      flow.server = server ?? flow.server;
      this.#steps.push({ do: 'send', flow: flow.name, side: 'client' });
    }
  }

  #nextEndpoints(): readonly Endpoint[] {
    const random = this.#random;
    const pods = random.chance(30) ? WEBS : [random.pick(POD_NAMES)];
    if (random.chance(80)) return pods;
    return random.chance(50) ? ['far'] : [...pods, 'far'];
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
      peers: PEERS.filter((peer) => peer !== pod && this.#random.chance(50)),
      ...(this.#random.chance(40) ? { protocol: this.#random.pick(['tcp', 'udp'] as const) } : {}),
    }));
    const isFree = this.#flows.every(({ from, to }) => from !== pod || !this.#isTranslatedLate(to));
    return {
      pod,
      direction: isFree ? this.#random.pick(['ingress', 'egress'] as const) : 'ingress',
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
  return JSON.stringify(one) !== JSON.stringify(other);
}
