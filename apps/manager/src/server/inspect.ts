import { messageOf } from '@infra-offload/base';
import type {
  DeviceEntry,
  ListEntriesRequest,
  ObjectReference,
  ObjectStatus,
  StatusRequest,
  StatusResponse,
  TableUsage,
} from '@infra-offload/infra-api';
import { P4InfoError } from '@infra-offload/p4info';
import { formatEntity } from '@infra-offload/p4rt';
import type { Cell, Owner } from '@infra-offload/reconciler';
import type { Controller } from '../controller/controller.js';
import type { CounterFace, Driver, DropCounter, ReasonCount } from '../drivers/driver.js';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import { keyOfReference, type ObjectKey, referenceOf } from '../model/objects.js';
import type { Problem } from '../readiness.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import type { TargetState } from '../target/connection.js';
import type { Warning } from '../warnings.js';
import { type CounterCell, type ReadEntities, readCells } from './cells.js';
import { RunningTotal } from './running-total.js';
import { toObjectStatus } from './sync.js';

export interface InspectContext<Row> {
  readonly driver: Driver<Row>;
  readonly controller: Controller<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly logger: Logger;
  readonly targetAddress: string;
  readonly targetState: () => TargetState;
  /** Reads from the device; undefined when it is away. */
  readonly read: () => ReadEntities | undefined;
  readonly agent: () => {
    readonly connected: boolean;
    readonly nodeName: string;
    readonly appliedRevision: bigint;
  };
  /** Why the manager is not ready. */
  readonly problems: () => readonly Problem[];
  readonly warnings: () => readonly Warning[];
}

/** Status and ListEntries: what operators look at. */
export class Inspector<Row> {
  readonly #context: InspectContext<Row>;
  #counting: Promise<StatusResponse['counters']> | undefined;
  readonly #serviceFlows = new RunningTotal();
  /** Why counters could not be read the last time. */
  #unreadBecause: string | undefined;

  constructor(context: InspectContext<Row>) {
    this.#context = context;
  }

  async status({ allObjects }: StatusRequest): Promise<StatusResponse> {
    const { controller, reconciler, targetAddress, targetState, agent, problems, warnings } = this.#context;
    const counts = { programmed: 0, pending: 0, degraded: 0 };
    const objects: ObjectStatus[] = [];
    for (const [key, status] of controller.statuses()) {
      counts[status.state]++;
      if (allObjects || status.state !== 'programmed') objects.push(toObjectStatus(key, status));
    }
    const target = targetState();
    return {
      target: {
        address: targetAddress,
        connected: target.kind !== 'connecting',
        primary: target.kind === 'synchronising' || target.kind === 'ready',
        inSync: reconciler.inSync,
        writeRequests: BigInt(reconciler.stats.writeRequests),
        updatesWritten: BigInt(reconciler.stats.updatesWritten),
        lastFullSyncMs: BigInt(reconciler.stats.lastFullSyncMs),
        lastError: target.kind === 'connecting' ? target.lastError : '',
        lacks: target.kind === 'ready' ? [...target.lacks] : [],
      },
      agent: agent(),
      objects,
      tables: this.tables(),
      ...counts,
      counters: await this.#counters(),
      problems: problems().map(toProblem),
      warnings: warnings().map(toProblem),
    };
  }

  /** How full the tables are that the manager writes, as far as it knows. */
  tables(): TableUsage[] {
    const { driver, reconciler } = this.#context;
    const entries = new Map<string, bigint>(driver.tables.map((table) => [table, 0n]));
    for (const { installed } of reconciler.cells()) {
      if (installed === undefined) continue;
      const table = driver.table(installed);
      entries.set(table, (entries.get(table) ?? 0n) + 1n);
    }
    return [...entries].map(([name, used]) => ({
      name,
      entries: used,
      size: BigInt(driver.program.findTable(name)?.size ?? driver.program.actionProfile(name).size),
    }));
  }

  /**
   * What the manager wants or found on the device.
   *
   * @throws ManagerError INVALID_OBJECT for an unknown table or object.
   */
  *entries({ table, object }: ListEntriesRequest): Generator<DeviceEntry> {
    const alias = table === '' ? undefined : this.#alias(table);
    const { driver } = this.#context;
    const references = new Map<Owner<Row>, readonly ObjectReference[]>();
    for (const cell of this.#cells(object === undefined ? undefined : this.#key(object))) {
      const row = cell.wanted ?? cell.installed;
      if (row === undefined) continue;
      const of = driver.table(row);
      if (alias === undefined || alias === of) yield this.#entry(cell, row, of, references);
    }
  }

  #cells(key: ObjectKey | undefined): Iterable<Cell<Row>> {
    if (key === undefined) return this.#context.reconciler.cells();
    return this.#context.controller
      .owners(key)
      .flatMap((owner) => owner.cells.filter((cell) => cell.isWantedBy(owner)));
  }

  /** @param references of objects by owner, as far as worked out. */
  #entry(
    cell: Cell<Row>,
    row: Row,
    table: string,
    references: Map<Owner<Row>, readonly ObjectReference[]>,
  ): DeviceEntry {
    const { driver } = this.#context;
    const { wanted, installed, failure, owner, others } = cell;
    const owners = [owner, ...others.filter(({ agrees }) => agrees).map((wish) => wish.owner)];
    return {
      table,
      text: formatEntity(driver.program, driver.toEntity(row)),
      objects: owners.flatMap((one) => (one === undefined ? [] : this.#objectsOf(one, references))),
      installed: installed !== undefined && (wanted === undefined || driver.equal(wanted, installed)),
      error: failure === undefined ? '' : `${failure.reason}: ${failure.message}`,
    };
  }

  #objectsOf(
    owner: Owner<Row>,
    known: Map<Owner<Row>, readonly ObjectReference[]>,
  ): readonly ObjectReference[] {
    let references = known.get(owner);
    if (references === undefined) {
      references = this.#context.controller.objectsOf(owner).map(referenceOf);
      known.set(owner, references);
    }
    return references;
  }

  #key(reference: NonNullable<ListEntriesRequest['object']>): ObjectKey {
    const key = keyOfReference(reference);
    if (key !== undefined) return key;
    throw new ManagerError(
      'INVALID_OBJECT',
      `object: kind ${reference.kind}, name "${reference.name}" names no object`,
    );
  }

  #alias(name: string): string {
    const { program, tables } = this.#context.driver;
    const profile = program.actionProfiles.find((one) => one.name === name || one.alias === name);
    try {
      const alias = profile?.alias ?? program.table(name).alias;
      if (tables.includes(alias)) return alias;
    } catch (error) {
      if (!P4InfoError.is(error)) throw error;
      throw new ManagerError('INVALID_OBJECT', `table: ${messageOf(error)}`, { cause: error });
    }
    throw new ManagerError(
      'INVALID_OBJECT',
      `table "${name}" is filled by the data plane; choose ${tables.join(', ')}`,
    );
  }

  /** For all reasons; empty while the device cannot be asked. */
  async packetsBy(outcome: 'drops' | 'rejects'): Promise<readonly ReasonCount[]> {
    const counter = this.#context.driver[outcome];
    if (counter === undefined) return [];
    const reasons = new Map(counter.reasons.map((each) => [each.reason, each]));
    try {
      const counts: ReasonCount[] = [];
      for await (const { index, packets } of this.#read(counter, [...reasons.keys()])) {
        const reason = reasons.get(Number(index));
        if (reason !== undefined) counts.push({ ...reason, packets: Number(packets) });
      }
      this.#unreadBecause = undefined;
      return counts;
    } catch (error) {
      this.#unread(error);
      return [];
    }
  }

  /** New flows to services so far; undefined while the device cannot be asked. */
  async serviceFlows(): Promise<number | undefined> {
    const { controller, driver, read } = this.#context;
    if (driver.serviceFlows === undefined || read() === undefined) return undefined;
    const ids = [...controller.serviceIds()].map(([id]) => id);
    const flows = new Map<bigint, bigint>();
    try {
      for await (const { index, packets } of this.#read(driver.serviceFlows, ids)) flows.set(index, packets);
      return Number(this.#serviceFlows.after(flows));
    } catch (error) {
      this.#unread(error);
      return undefined;
    }
  }

  /** Counters are read often: what hinders that is said once. */
  #unread(error: unknown): void {
    const reason = messageOf(error);
    if (reason !== this.#unreadBecause) this.#context.logger.warn({ reason }, 'counters cannot be read');
    this.#unreadBecause = reason;
  }

  /** Those who ask at the same time share what is read from the device. */
  #counters(): Promise<StatusResponse['counters']> {
    this.#counting ??= this.#readCounters().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #readCounters(): Promise<StatusResponse['counters']> {
    const { controller, driver } = this.#context;
    const { drops, rejects, serviceFlows } = driver;
    const reasonsOf = (counter: DropCounter | undefined) =>
      new Map(counter?.reasons.map(({ reason, text }) => [reason, `${reason} (${text})`]));
    const services = new Map([...controller.serviceIds()].map(([id, key]) => [id, referenceOf(key).name]));
    try {
      return [
        ...(await this.#nonZero(drops, reasonsOf(drops))),
        ...(await this.#nonZero(rejects, reasonsOf(rejects))),
        ...(await this.#nonZero(serviceFlows, services)),
      ];
    } catch (error) {
      this.#unread(error);
      return [];
    }
  }

  async #nonZero(
    counter: CounterFace | undefined,
    names: ReadonlyMap<number, string>,
  ): Promise<StatusResponse['counters']> {
    if (counter === undefined) return [];
    const found: StatusResponse['counters'] = [];
    for await (const { index, packets, bytes } of this.#read(counter, [...names.keys()])) {
      if (packets === 0n && bytes === 0n) continue;
      found.push({ name: counter.name, index: names.get(Number(index)) ?? String(index), packets, bytes });
    }
    return found;
  }

  #read(counter: CounterFace, indexes: readonly number[]): AsyncIterable<CounterCell> {
    return readCells(this.#context.read(), counter, indexes);
  }
}

function toProblem({ reason, message, since }: Problem | Warning): StatusResponse['problems'][number] {
  return { reason, message, sinceMs: BigInt(since) };
}
