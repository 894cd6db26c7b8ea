import type { Flow, FlowFilter } from '@infra-offload/infra-api';
import { formatIPv4 } from '@infra-offload/net';
import { P4rtError, remove } from '@infra-offload/p4rt';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import type { FlowEntry, FlowSelection, FlowSocket, FlowTable, FlowTuple } from '../drivers/flow-table.js';
import type { LearnedFlow } from '../drivers/tracing.js';
import { ManagerError } from '../errors.js';
import { refusedByTarget } from './errors.js';
import { type FlowMatch, matchOfFilter, type WantedObjects } from './flow-filter.js';

/** The calls of a session with the target. */
export interface FlowSession {
  read(entities: readonly Entity[]): AsyncIterable<Entity>;
  write(updates: readonly Update[]): Promise<void>;
}

export interface FlowsContext {
  readonly driver: { readonly flowTable?: FlowTable };
  readonly controller: WantedObjects;
  /** Undefined while the target is away. */
  readonly session: () => FlowSession | undefined;
}

/** A flow as its entries tell it. Each has one for either direction, unless one is about to go. */
interface Joined {
  readonly entry: FlowEntry;
  readonly other: FlowEntry | undefined;
  state: string | undefined;
}

/** A flow, and what the device has of it. */
export interface FoundFlow {
  readonly flow: Flow;
  /** The tuple that was asked for is that of its answers. */
  readonly isReply: boolean;
  readonly learned: LearnedFlow;
}

/** Flows whose other entries, or cells, are read together. */
const TOGETHER = 256;

/** ListFlows and EndFlows. */
export class Flows {
  readonly #context: FlowsContext;

  constructor(context: FlowsContext) {
    this.#context = context;
  }

  /**
   * The flows for which a filter holds, some at a time.
   *
   * @throws ManagerError UNSUPPORTED, TARGET_UNAVAILABLE, INVALID_OBJECT, NOT_FOUND
   */
  async *list(filter: FlowFilter | undefined): AsyncGenerator<readonly Flow[]> {
    for await (const flows of this.#matching(filter)) yield flows.map(toFlow);
  }

  /** How many there are; without a filter no more is read of them than that. */
  async count(filter: FlowFilter | undefined): Promise<number> {
    const { table, match } = this.#prepare(filter);
    let count = 0;
    if (match.isWhole)
      for await (const entity of this.read([table.count({ isReply: false })])) count += table.countOf(entity);
    else for await (const flows of this.#matching(filter)) count += flows.length;
    return count;
  }

  /** Ends flows, and tells how many it were. */
  async end(filter: FlowFilter | undefined): Promise<number> {
    const { table } = this.#prepare(filter);
    let count = 0;
    for await (const flows of this.#matching(filter)) {
      await this.#delete(
        flows.flatMap(({ entry: { original, reply } }) => [original, reply].flatMap(table.remembered)),
      );
      count += flows.length;
    }
    return count;
  }

  /** The flow of which a tuple is one direction, as the device has it; undefined if there is none, or half of one. */
  async find(tuple: FlowTuple): Promise<FoundFlow | undefined> {
    const { table } = this.#prepare(undefined);
    const first = await this.#one(table.entry(tuple));
    const entry = first && table.decode(first);
    if (first === undefined || entry === undefined) return undefined;
    const second = await this.#one(table.entry(entry.isReply ? entry.original : entry.reply));
    const other = second && table.decode(second);
    const cell = (entry.cell ?? other?.cell)?.read;
    const value = cell && (await this.#one(cell));
    if (second === undefined || other === undefined || other.isReply === entry.isReply || value === undefined)
      return undefined;
    const [original, reply] = entry.isReply ? [second, first] : [first, second];
    const state = table.state(value, entry.isReply ? entry : other);
    return {
      flow: toFlow({ entry, other, state }),
      isReply: entry.isReply,
      learned: { original, reply, cell: value },
    };
  }

  async #one(wanted: Entity): Promise<Entity | undefined> {
    for await (const entity of this.read([wanted])) return entity;
    return undefined;
  }

  #prepare(filter: FlowFilter | undefined): { readonly table: FlowTable; readonly match: FlowMatch } {
    const { driver, controller } = this.#context;
    const table = driver.flowTable;
    if (table === undefined)
      throw new ManagerError('UNSUPPORTED', 'the pipeline of this target does not list its flows');
    return { table, match: matchOfFilter(filter, controller) };
  }

  async *#matching(filter: FlowFilter | undefined): AsyncGenerator<readonly Joined[]> {
    const { table, match } = this.#prepare(filter);
    let some: Joined[] = [];
    const pick = async (): Promise<readonly Joined[]> => {
      const fitting = some.filter(({ entry }) => match.fits(entry));
      some = [];
      await this.#complete(table, fitting);
      return fitting.filter(({ state }) => match.state === undefined || state === match.state);
    };
    for await (const flow of this.#joined(table, match.selections)) {
      some.push(flow);
      if (some.length >= TOGETHER) yield await pick();
    }
    yield await pick();
  }

  /** The entries of each flow of which a selection has one. */
  async *#joined(table: FlowTable, selections: readonly FlowSelection[]): AsyncGenerator<Joined> {
    const halves = new Map<string, FlowEntry>();
    // What more than one selection has comes more than once.
    const told = selections.length > 1 ? new Set<string>() : undefined;
    for await (const entity of this.read(selections.map((one) => table.read(one)))) {
      const entry = table.decode(entity);
      if (entry === undefined) continue;
      const name = nameOf(entry.original);
      const half = halves.get(name);
      if (told?.has(name)) continue;
      if (half === undefined) halves.set(name, entry);
      else if (half.isReply !== entry.isReply) {
        halves.delete(name);
        told?.add(name);
        yield joined(half, entry);
      }
    }
    const rest = [...halves.values()];
    for (let i = 0; i < rest.length; i += TOGETHER)
      yield* this.#otherHalves(table, rest.slice(i, i + TOGETHER));
  }

  async *#otherHalves(table: FlowTable, halves: readonly FlowEntry[]): AsyncGenerator<Joined> {
    const others = new Map<string, FlowEntry>();
    const wanted = halves.map(({ isReply, original, reply }) => table.entry(isReply ? original : reply));
    for await (const entity of this.read(wanted)) {
      const entry = table.decode(entity);
      if (entry !== undefined) others.set(nameOf(entry.original), entry);
    }
    for (const half of halves) {
      const other = others.get(nameOf(half.original));
      yield joined(half, other?.isReply === half.isReply ? undefined : other);
    }
  }

  /** Reads the states that entries do not tell. */
  async #complete(table: FlowTable, flows: readonly Joined[]): Promise<void> {
    const open = flows.flatMap((flow) => {
      const entry = flow.entry.cell === undefined ? flow.other : flow.entry;
      return flow.state === undefined && entry?.cell !== undefined
        ? [{ flow, entry, read: entry.cell.read }]
        : [];
    });
    if (open.length === 0) return;
    let next = 0;
    // A cell comes for each that was asked for, in that order.
    for await (const cell of this.read(open.map(({ read }) => read))) {
      const asked = open[next++];
      if (asked !== undefined) asked.flow.state = table.state(cell, asked.entry);
    }
  }

  async #delete(entities: readonly Entity[]): Promise<void> {
    try {
      await endEntries(this.#session(), entities);
    } catch (error) {
      throw explained(error);
    }
  }

  /**
   * What the device has of entities that it has learned, and what goes with them.
   *
   * @throws ManagerError UNSUPPORTED, TARGET_UNAVAILABLE
   */
  async *read(entities: readonly Entity[]): AsyncGenerator<Entity> {
    if (entities.length === 0) return;
    try {
      yield* this.#session().read(entities);
    } catch (error) {
      throw explained(error);
    }
  }

  #session(): FlowSession {
    const session = this.#context.session();
    if (session !== undefined) return session;
    throw new ManagerError(
      'TARGET_UNAVAILABLE',
      'the target is not connected, or this manager is not its primary',
    );
  }
}

/** Deletes entries of flows. Those that have ended by themselves meanwhile are as wanted. */
export async function endEntries(session: FlowSession, entities: readonly Entity[]): Promise<void> {
  try {
    await session.write(entities.map(remove));
  } catch (error) {
    const isWanted =
      P4rtError.is(error, 'WRITE_FAILED') && error.details.failures.every(({ code }) => code === 'NOT_FOUND');
    if (!isWanted) throw error;
  }
}

function joined(entry: FlowEntry, other: FlowEntry | undefined): Joined {
  return { entry, other, state: entry.state ?? other?.state };
}

function explained(error: unknown): unknown {
  return refusedByTarget(error, 'the target does not let its flows be read or ended');
}

function nameOf({ protocol, source, destination }: FlowTuple): string {
  return `${protocol} ${source.address}:${source.port} ${destination.address}:${destination.port}`;
}

function toFlow({ entry, other = entry, state = '' }: Joined): Flow {
  const { original, reply } = entry;
  const { source: endpoint } = reply;
  const isTranslated =
    original.destination.address !== endpoint.address || original.destination.port !== endpoint.port;
  // Without one of its directions a flow is none.
  const remaining = Math.min(entry.timeoutMs - entry.idleMs, other.timeoutMs - other.idleMs);
  return {
    protocol: original.protocol,
    client: toAddress(original.source),
    service: isTranslated ? toAddress(original.destination) : undefined,
    endpoint: toAddress(endpoint),
    state,
    idleMs: BigInt(Math.min(entry.idleMs, other.idleMs)),
    remainingMs: BigInt(Math.max(0, remaining)),
  };
}

export function toAddress({ address, port }: FlowSocket): { address: string; port: number } {
  return { address: formatIPv4(address), port };
}
