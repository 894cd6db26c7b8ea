import { messageOf } from '@infra-offload/base';
import { Names } from './names.js';
import type { Actor, Destination, Endpoint, PodName, Scenario, Step } from './scenario.js';
import type { Peer, Protocol, Side, SocketCommand } from './sockets/protocol.js';
import {
  actorAt,
  GATEWAY,
  type Lane,
  PROTOCOLS,
  reachedAt,
  SERVED,
  SERVICE_PORT,
  UNSERVED,
  type WorldEvent,
} from './world.js';

/** Bytes of a message if nobody says how many. */
const SIZE = 32;
/** What is seen where nothing is. */
export const NOTHING = 'nothing';
/** Of a step of which nothing certain can be said: the socket is gone, or what was lost before may come late. */
const SKIPPED = 'skipped';
const DONE = 'done';

/** Ports of clients: a range that the kernel gives nobody, with some for each scenario. */
const FIRST_PORT = 10_000;
const PORTS = 16;
const RANGES = 1_400;

const FIXED_PORTS: ReadonlySet<number> = new Set([...Object.values(SERVED), ...Object.values(SERVICE_PORT)]);

type StepOf<Kind extends Step['do']> = Extract<Step, { readonly do: Kind }>;

interface Flow {
  /** What the sockets call it. */
  readonly key: string;
  readonly protocol: Protocol;
  readonly client: Actor;
  readonly toService: boolean;
  server: Actor | undefined;
  /** Sides without a socket, or with one that sees no more what comes. */
  readonly gone: Set<Side>;
  readonly deaf: Set<Side>;
  /** Something was lost. TCP may send it again. */
  lost: boolean;
  messages: number;
}

/** Plays a scenario in a lane, and tells what the sockets see at each step. */
export class Player {
  readonly #lane: Lane;
  readonly #scenario: Scenario;
  readonly #flows = new Map<string, Flow>();
  readonly #names = new Names();
  readonly #firstPort: number;
  /** Servers that are stopped, and how they are started again. */
  readonly #unserved = new Map<string, () => Promise<void>>();
  #endpoints: readonly Endpoint[] = [];
  #seen: WorldEvent[] = [];
  #wake: () => void = () => undefined;

  readonly #number: number;

  /** @param number another for every scenario that is played in the lane */
  constructor(lane: Lane, scenario: Scenario, number: number) {
    this.#number = number;
    this.#lane = lane;
    this.#scenario = scenario;
    this.#firstPort = FIRST_PORT + (number % RANGES) * PORTS;
    lane.sockets.listen((event) => {
      this.#seen.push(event);
      this.#wake();
    });
  }

  async begin(): Promise<void> {
    await this.#lane.setPolicies([], this.#scenario.policyChange ?? 'cut');
    await this.#setEndpoints(this.#scenario.endpoints);
  }

  /**
   * What is seen at a step, or why it cannot be done.
   *
   * @param giveUp aborted when what has not been seen by then never will be
   */
  async play(step: Step, giveUp: AbortSignal): Promise<string> {
    this.#seen = [];
    try {
      return await this.#play(step, giveUp);
    } catch (error) {
      return `cannot be done: ${messageOf(error)}`;
    }
  }

  async #play(step: Step, giveUp: AbortSignal): Promise<string> {
    switch (step.do) {
      case 'open':
        return this.#open(step, giveUp);
      case 'send':
        return this.#send(step, giveUp);
      case 'end':
      case 'close':
      case 'reset':
      case 'vanish':
        return this.#finish(step, giveUp);
      case 'endpoints':
        await this.#setEndpoints(step.pods);
        return DONE;
      case 'policies':
        await this.#lane.setPolicies(
          step.policies.map(({ pod, direction, allow }) => ({
            pod: this.#names.pod(pod),
            direction,
            allow: allow.map((rule) => ({ ...rule, peers: this.#names.allMeant(rule.peers) })),
          })),
          this.#scenario.policyChange ?? 'cut',
        );
        return DONE;
      case 'serve':
        await this.#serve(this.#names.pod(step.pod), step.protocol, true);
        return DONE;
      case 'unserve':
        await this.#serve(this.#names.pod(step.pod), step.protocol, false);
        return DONE;
      case 'replace':
        await this.#replace(this.#names.pod(step.pod));
        return DONE;
    }
  }

  /** Takes away what is left of the flows, so that nobody has to remember them. */
  async end(): Promise<void> {
    for (const flow of this.#flows.values())
      for (const side of ['client', 'server'] as const) {
        if (flow.protocol === 'tcp') await this.#tell(flow, side, { kind: 'reset' });
        else if (side === 'client') await this.#tell(flow, side, { kind: 'close' });
      }
    for (const serve of [...this.#unserved.values()]) await serve();
  }

  async #open(step: StepOf<'open'>, giveUp: AbortSignal): Promise<string> {
    const { protocol, to } = step;
    const flow: Flow = {
      key: `${this.#number}.${step.flow}`,
      protocol,
      client: this.#names.meant(step.from),
      toService: 'service' in to,
      server: undefined,
      gone: new Set(),
      deaf: new Set(),
      lost: false,
      messages: 0,
    };
    this.#flows.set(step.flow, flow);
    await this.#lane.sockets.command(flow.client, {
      kind: 'open',
      flow: flow.key,
      protocol,
      to: this.#addressOf(to, protocol),
      localPort: this.#firstPort + step.port,
    });
    if (protocol !== 'tcp') {
      const { size = SIZE } = step;
      return this.#send({ do: 'send', flow: step.flow, side: 'client', size }, giveUp);
    }
    const last = await this.#see(flow, giveUp, ({ event, side }) => {
      return event === 'greeted' || (event === 'failed' && side === 'client');
    });
    // Of a greeting that has come there is a sender, whose process may tell later.
    const over = last?.event === 'greeted' ? giveUp : AbortSignal.abort();
    const accepted = await this.#see(flow, over, ({ event }) => event === 'accepted');
    if (accepted) this.#serves(flow, accepted.actor);
    if (last?.event !== 'greeted') {
      flow.lost = true;
      await this.#tell(flow, 'client', { kind: 'close' });
      flow.gone.add('client');
    }
    if (last?.event === 'failed') return `${this.#names.nameOf(flow.client)} gets ${last.error}`;
    if (accepted?.event !== 'accepted') return NOTHING;
    const said = `${this.#names.nameOf(accepted.actor)} accepts ${this.#peer(accepted.peer, accepted.actor)}`;
    return last ? said : `${said}, who does not learn of it`;
  }

  async #send({ flow: name, side, size = SIZE }: StepOf<'send'>, giveUp: AbortSignal): Promise<string> {
    const flow = this.#flow(name);
    if (flow.gone.has(side) || (flow.lost && (flow.protocol === 'tcp' || side === 'server'))) return SKIPPED;
    const number = ++flow.messages;
    await this.#tell(flow, side, { kind: 'send', number, size });
    const seen = await this.#see(flow, giveUp, (event) => {
      if (event.event === 'received') return event.side !== side && event.number === number;
      return event.event === 'failed' && event.side === side;
    });
    if (seen?.event === 'received') {
      if (side === 'client') this.#serves(flow, seen.actor);
      return `${this.#names.nameOf(seen.actor)} receives ${seen.size} from ${this.#peer(seen.peer, seen.actor)}`;
    }
    flow.lost = true;
    if (seen?.event !== 'failed') return NOTHING;
    if (flow.protocol === 'tcp') flow.gone.add('client').add('server');
    return `${side} gets ${seen.error}`;
  }

  async #finish(
    { do: kind, flow: name, side }: StepOf<'end' | 'close' | 'reset' | 'vanish'>,
    giveUp: AbortSignal,
  ): Promise<string> {
    const flow = this.#flow(name);
    if (flow.gone.has(side)) return SKIPPED;
    await this.#tell(flow, side, { kind });
    if (kind !== 'end') flow.gone.add(side);
    const other = side === 'client' ? 'server' : 'client';
    if (flow.protocol !== 'tcp' || kind === 'vanish' || flow.lost || flow.gone.has(other)) return DONE;
    if (flow.deaf.has(other)) {
      if (kind === 'reset') flow.gone.add(other);
      return DONE;
    }
    const seen = await this.#see(flow, giveUp, (event) => {
      return event.side === other && (event.event === 'ended' || event.event === 'failed');
    });
    if (seen === undefined) flow.lost = true;
    if (seen?.event !== 'failed') {
      flow.deaf.add(other);
      return seen === undefined ? NOTHING : `${other} sees the end`;
    }
    flow.gone.add(other);
    return `${other} gets ${seen.error}`;
  }

  #addressOf(to: Destination, protocol: Protocol): Peer {
    const { address, port } =
      'service' in to
        ? reachedAt(this.#lane.addresses, to.at ?? 'clusterIP', protocol)
        : { address: this.#lane.address(this.#names.meant(to.pod)), port: SERVED[protocol] };
    return { address, port: to.port === 'unserved' ? UNSERVED : port };
  }

  async #setEndpoints(endpoints: readonly Endpoint[]): Promise<void> {
    const { service = {}, exactAddresses = false } = this.#scenario;
    this.#endpoints = endpoints;
    await this.#lane.setService({
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      ...service,
      sources: this.#names.allMeant(service.sources ?? []),
      endpoints: this.#names.allMeant(endpoints),
      masqueradesAll: exactAddresses,
    });
  }

  async #serve(pod: PodName, protocol: Protocol, on: boolean): Promise<void> {
    const kind = on ? 'listen' : 'unlisten';
    await this.#lane.sockets.command(pod, { kind, protocol, port: SERVED[protocol] });
    if (on) this.#unserved.delete(`${pod} ${protocol}`);
    else this.#unserved.set(`${pod} ${protocol}`, () => this.#serve(pod, protocol, true));
  }

  async #replace(pod: PodName): Promise<void> {
    // Its sockets go first, without a packet: else it is chance who still hears of their end.
    for (const flow of this.#flows.values()) {
      for (const side of ['client', 'server'] as const) {
        if (flow[side] !== pod) continue;
        if (flow.protocol === 'tcp' && !flow.gone.has(side)) await this.#tell(flow, side, { kind: 'vanish' });
        flow.gone.add(side);
      }
    }
    for (const protocol of PROTOCOLS) this.#unserved.delete(`${pod} ${protocol}`);
    await this.#lane.replace(pod);
  }

  #serves(flow: Flow, actor: Actor): void {
    if (flow.server === undefined && flow.toService) this.#names.choose(actor, this.#endpoints);
    flow.server = actor;
  }

  /** The first event of a flow that `is` says is one to wait for; undefined if there is none. */
  async #see(
    flow: Flow,
    giveUp: AbortSignal,
    is: (event: WorldEvent) => boolean,
  ): Promise<WorldEvent | undefined> {
    for (;;) {
      const found = this.#seen.find((event) => event.flow === flow.key && is(event));
      if (found || giveUp.aborted) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        giveUp.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #tell(
    flow: Flow,
    side: Side,
    command: { kind: 'send'; number: number; size: number } | { kind: 'end' | 'close' | 'reset' | 'vanish' },
  ): Promise<void> {
    const actor = side === 'client' ? flow.client : flow.server;
    if (actor === undefined) return Promise.resolve();
    const full: SocketCommand = { ...command, flow: flow.key, side };
    return this.#lane.sockets.command(actor, full);
  }

  #flow(name: string): Flow {
    const flow = this.#flows.get(name);
    if (!flow) throw new Error(`no step opens ${name}`);
    return flow;
  }

  /** An address and a port by names, as `actor` sees them. Ports that the scenario chose have their small numbers. */
  #peer({ address, port }: Peer, actor: Actor): string {
    const name = this.#addressName(address);
    // Which one it is, is the node's choice.
    if (name === 'node' && actor === 'far') return 'node, any port';
    const own = port - this.#firstPort;
    if (own >= 0 && own < PORTS) return `${name}, port ${own}`;
    if (Object.values(this.#lane.addresses.nodePorts).includes(port)) return `${name}, node port`;
    return `${name}, ${FIXED_PORTS.has(port) ? port : 'another port'}`;
  }

  #addressName(address: string): string {
    const { clusterIP, externalIP, balancer } = this.#lane.addresses;
    if (address === clusterIP) return 'the service';
    if (address === externalIP) return 'the external address';
    if (address === balancer) return 'the load balancer';
    if (address === GATEWAY) return this.#scenario.exactAddresses ? 'gateway' : 'node';
    const actor = actorAt(this.#lane, address);
    return actor === undefined ? address : this.#names.nameOf(actor);
  }
}
