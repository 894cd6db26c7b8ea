import { type IPv4, POD_GATEWAY_MAC } from '@infra-offload/net';
import { P4rtError, type WriteFailure } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type } from '@infra-offload/p4rt/proto';
import type { PolicyPacket } from '@infra-offload/policy-compiler';
import type { RowKey } from '@infra-offload/reconciler';
import { Controller } from '../controller/controller.js';
import { dpdkDriver } from '../drivers/dpdk/driver.js';
import type { DpdkRow } from '../drivers/dpdk/rows.js';
import type { Driver } from '../drivers/driver.js';
import { createLoggers } from '../log.js';
import type { ObjectKey } from '../model/objects.js';
import { Epochs } from '../reconciler/epochs.js';
import { type Device, Reconciler } from '../reconciler/reconciler.js';
import { fromJson, toJson } from '../state/record.js';
import type { StateStore, StoreContents } from '../state/store.js';
import { PolicyTables } from './policy-tables.js';

const { INSERT, DELETE } = Update_Type;
const loggers = createLoggers({ level: 'silent', modules: {} });

const { flows: _, ...withoutFlows } = dpdkDriver({ gatewayMac: POD_GATEWAY_MAC, endsDeniedFlows: true });
/** The DPDK driver without the members of groups, which no policy needs, for a device that remembers no flows. */
export const policyTestDriver: Driver<DpdkRow> = { ...withoutFlows, base: () => [] };

/** What becomes of one update. */
export type Fate = 'done' | 'refused' | 'full' | 'answer-lost';

interface PendingWrite {
  readonly left: { readonly update: Update; readonly index: number }[];
  readonly failures: WriteFailure[];
  readonly total: number;
  readonly settle: (failures: readonly WriteFailure[]) => void;
}

/** A device that takes one update at a time, whenever the test says so. */
export class SlowDevice implements Device {
  readonly #held = new Map<RowKey, { readonly row: DpdkRow; readonly entity: Entity }>();
  readonly #tables = new Map<number, PolicyTables>();
  #sending: Set<number> | undefined;
  #pending: PendingWrite[] = [];
  /** Updates taken since the start. */
  updates = 0;

  write(updates: readonly Update[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({
        left: updates.map((update, index) => ({ update, index })),
        failures: [],
        total: updates.length,
        settle: (failures) => {
          if (failures.length === 0) resolve();
          else
            reject(
              new P4rtError('WRITE_FAILED', 'some failed', {
                details: { failures, total: updates.length, address: 'x' },
              }),
            );
        },
      });
    });
  }

  async *read(wanted: readonly Entity[]): AsyncIterable<Entity> {
    const tables = new Set(wanted.map(tableId));
    for (const { entity } of [...this.#held.values()]) if (tables.has(tableId(entity))) yield entity;
  }

  /** Updates that wait to be taken. */
  get waiting(): number {
    return this.#pending.reduce((sum, write) => sum + write.left.length, 0);
  }

  /** Takes one of the waiting updates, the one that `choice` falls on. */
  take(choice: number, fate: Fate): void {
    const at = choice % this.waiting;
    let before = 0;
    for (const write of this.#pending) {
      const [chosen] = write.left.splice(at - before, at - before < write.left.length ? 1 : 0);
      before += write.left.length + (chosen === undefined ? 0 : 1);
      if (chosen === undefined) continue;
      const code =
        fate === 'done' || isCut(chosen.update)
          ? this.#apply(chosen.update)
          : this.#fail(chosen.update, fate);
      if (code !== undefined) {
        write.failures.push({ ...chosen, code, message: '', sent: true, entry: 'an entry' });
      }
      if (write.left.length === 0) {
        this.#pending = this.#pending.filter((other) => other !== write);
        write.settle(write.failures);
      }
      return;
    }
  }

  /** The connection breaks: what was not taken never is. */
  forgetPending(): void {
    this.#pending = [];
  }

  /** The device starts anew, empty. */
  wipe(): void {
    this.forgetPending();
    this.#held.clear();
    this.#tables.clear();
    this.#sending = undefined;
  }

  get rows(): readonly DpdkRow[] {
    return [...this.#held.values()].map(({ row }) => row);
  }

  /** Whether the pipeline lets a packet to or from a pod pass that belongs to no flow. */
  allows(podIp: IPv4, direction: 'ingress' | 'egress', packet: PolicyPacket): boolean {
    this.#sending ??= new Set(
      this.rows.flatMap((row) => (row.table === 'port_table' && row.role === 'pod' ? [row.podIp] : [])),
    );
    const hasWay =
      direction === 'ingress' ? this.#held.has(`pod_forward/${podIp}`) : this.#sending.has(podIp);
    if (!hasWay) return false;
    const isolation = this.#held.get(`policy_${direction}/${podIp}`)?.row;
    if (isolation === undefined || !('id' in isolation)) return true;
    let tables = this.#tables.get(isolation.id);
    if (tables === undefined) {
      tables = new PolicyTables(
        [...this.#held.values()].map(({ entity }) => entity),
        isolation.id,
      );
      this.#tables.set(isolation.id, tables);
    }
    return tables.allows(packet);
  }

  #apply({ type, entity }: Update): WriteFailure['code'] | undefined {
    const row = entity && policyTestDriver.fromEntity(entity);
    if (row === undefined || entity === undefined) return 'INVALID_ARGUMENT';
    this.updates++;
    this.#tables.clear();
    this.#sending = undefined;
    const key = policyTestDriver.key(row);
    const has = this.#held.has(key);
    if (type === INSERT && has) return 'ALREADY_EXISTS';
    if (type !== INSERT && !has) return 'NOT_FOUND';
    if (type === DELETE) this.#held.delete(key);
    else this.#held.set(key, { row, entity });
    return undefined;
  }

  #fail(update: Update, fate: Exclude<Fate, 'done'>): WriteFailure['code'] {
    switch (fate) {
      case 'refused':
        return 'INVALID_ARGUMENT';
      case 'full':
        return 'RESOURCE_EXHAUSTED';
      case 'answer-lost':
        this.#apply(update);
        return 'DEADLINE_EXCEEDED';
    }
  }
}

/** A store that keeps JSON, as the real one does. */
export class MemoryStore {
  readonly #records = new Map<ObjectKey, string>();
  readonly #profiles = new Map<number, string | number>();
  readonly #restingIds = new Map<number, number>();
  readonly #departed = new Map<IPv4, number>();

  readonly face: Omit<StateStore, 'problem' | 'stored' | 'close'> = {
    put: (key, record) => this.#records.set(key, JSON.stringify(toJson(record))),
    remove: (key) => this.#records.delete(key),
    useProfileId: (id, digest) => this.#profiles.set(id, digest),
    restProfileId: (id, releasedAt) => this.#profiles.set(id, releasedAt),
    restId: (id, releasedAt) => this.#restingIds.set(id, releasedAt),
    wakeId: (id) => this.#restingIds.delete(id),
    departAddress: (address, at) => this.#departed.set(address, at),
    returnAddress: (address) => this.#departed.delete(address),
  };

  contents(): StoreContents {
    const profiles = [...this.#profiles];
    return {
      isWhole: true,
      records: new Map([...this.#records].map(([key, text]) => [key, fromJson(key, JSON.parse(text))])),
      restingIds: [...this.#restingIds],
      departedAddresses: [...this.#departed],
      profileIds: profiles.flatMap(([id, digest]) =>
        typeof digest === 'string' ? [[id, digest] as const] : [],
      ),
      restingProfileIds: profiles.flatMap(([id, at]) => (typeof at === 'number' ? [[id, at] as const] : [])),
    };
  }
}

/** Controller and reconciler of one manager. */
export function startController(store: MemoryStore) {
  const epochs = new Epochs();
  const reconciler: Reconciler<DpdkRow> = new Reconciler(
    policyTestDriver,
    epochs,
    { batchUpdates: 4, batchBytes: 1e6, writesInFlight: 3, maxRetryMs: 1000, keepsUnknown: false },
    {
      found: (rows) => controller.found(rows),
      progressed: (owners) => controller.progressed(owners),
      suspected: () => undefined,
    },
    loggers.reconciler,
  );
  const controller: Controller<DpdkRow> = new Controller({
    driver: policyTestDriver,
    reconciler,
    store: store.face,
    drainSeconds: 0,
    epochs,
    logger: loggers.manager,
    requestPort: (name) => controller.setPort(name, { kind: 'known', port: Number(name.slice(3)) }),
  });
  controller.restore(store.contents());
  return { controller, reconciler };
}

/**
 * Whether an update takes a pod off the network. That never fails here: who refuses to isolate a pod, and to cut it off
 * as well, cannot be helped.
 */
function isCut({ type, entity }: Update): boolean {
  const row = entity && policyTestDriver.fromEntity(entity);
  return type === DELETE && (row?.table === 'port_table' || row?.table === 'pod_forward');
}

function tableId({ entity }: Entity): number {
  return entity?.$case === 'tableEntry' ? entity.value.tableId : 0;
}
