import { ipv4, ipv4Prefix, mac, POD_GATEWAY_MAC } from '@infra-offload/net';
import { entityKey, P4rtError, type WriteFailure } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type } from '@infra-offload/p4rt/proto';
import { Controller } from '../controller/controller.js';
import { dpdkDriver } from '../drivers/dpdk/driver.js';
import type { DpdkRow } from '../drivers/dpdk/rows.js';
import type { Driver } from '../drivers/driver.js';
import { createLoggers } from '../log.js';
import type { NodeObject, ObjectKey, PodObject, ServiceObject } from '../model/objects.js';
import { Epochs } from '../reconciler/epochs.js';
import { type Device, Reconciler } from '../reconciler/reconciler.js';
import type { StoreContents } from '../state/store.js';
import { MemoryStore } from './policy-world.js';

const loggers = createLoggers({ level: 'silent', modules: {} });
const SECOND = 1_000;

export const coreDriver: Driver<DpdkRow> = dpdkDriver({
  gatewayMac: POD_GATEWAY_MAC,
  endsDeniedFlows: true,
});

/** A device that takes what it is told at once, unless the test says otherwise. */
export class InstantDevice implements Device {
  readonly #entities = new Map<string, Entity>();
  /** Updates taken since the start. */
  updates = 0;
  /** Why an update is not taken. */
  refuses: (row: DpdkRow | undefined) => WriteFailure['code'] | undefined = () => undefined;

  write(updates: readonly Update[]): Promise<void> {
    const failures: WriteFailure[] = [];
    updates.forEach((update, index) => {
      const code = this.#take(update);
      if (code !== undefined)
        failures.push({ update, index, code, message: '', sent: true, entry: 'an entry' });
    });
    if (failures.length === 0) return Promise.resolve();
    return Promise.reject(
      new P4rtError('WRITE_FAILED', 'some failed', {
        details: { failures, total: updates.length, address: 'x' },
      }),
    );
  }

  /** What it answers beside what it holds, to a question for the same kind. */
  answers: readonly Entity[] = [];

  async *read(wanted: readonly Entity[]): AsyncIterable<Entity> {
    const kinds = new Set(wanted.map(kindOf));
    for (const entity of [...this.#entities.values(), ...this.answers])
      if (kinds.has(kindOf(entity))) yield entity;
  }

  get rows(): readonly DpdkRow[] {
    return [...this.#entities.values()].flatMap((entity) => coreDriver.fromEntity(entity) ?? []);
  }

  /** Keys of its rows in a table. */
  keys(table: DpdkRow['table']): readonly string[] {
    return this.rows
      .filter((row) => row.table === table)
      .map((row) => String(coreDriver.key(row)))
      .sort();
  }

  #take({ type, entity }: Update): WriteFailure['code'] | undefined {
    if (entity === undefined) return 'INVALID_ARGUMENT';
    const refusal = this.refuses(coreDriver.fromEntity(entity));
    if (refusal !== undefined) return refusal;
    this.updates++;
    const key = entityKey(entity);
    if (type === Update_Type.DELETE) this.#entities.delete(key);
    else this.#entities.set(key, entity);
    return undefined;
  }
}

function kindOf({ entity }: Entity): string {
  const id =
    entity?.$case === 'tableEntry'
      ? entity.value.tableId
      : entity?.$case === 'actionProfileMember' || entity?.$case === 'actionProfileGroup'
        ? entity.value.actionProfileId
        : entity?.$case === 'counterEntry'
          ? entity.value.counterId
          : 0;
  return `${entity?.$case}/${id}`;
}

export interface CoreOptions {
  readonly store?: MemoryStore;
  readonly driver?: Driver<DpdkRow>;
  readonly drainSeconds?: number;
  readonly contents?: Partial<StoreContents>;
}

/** What a manager is without gRPC and disks: controller, reconciler, and a device in memory. */
export class Core {
  readonly device: InstantDevice;
  readonly store: MemoryStore;
  readonly controller: Controller<DpdkRow>;
  readonly reconciler: Reconciler<DpdkRow>;
  /** Interfaces whose port was asked for, in order. */
  readonly requested: string[] = [];
  /** Objects whose status changed, in order. */
  readonly told: ObjectKey[] = [];
  /** Milliseconds since the epoch. */
  now = Date.now();

  constructor({
    store = new MemoryStore(),
    driver = coreDriver,
    drainSeconds = 0,
    contents,
  }: CoreOptions = {}) {
    this.store = store;
    this.device = new InstantDevice();
    const epochs = new Epochs(() => this.now);
    const restored = { ...store.contents(), ...contents };
    this.reconciler = new Reconciler(
      driver,
      epochs,
      { batchUpdates: 64, batchBytes: 1e6, writesInFlight: 1, maxRetryMs: SECOND, keepsUnknown: true },
      {
        found: (rows) => this.controller.found(rows),
        progressed: (owners) => this.controller.progressed(owners),
        suspected: () => undefined,
      },
      loggers.reconciler,
    );
    this.controller = new Controller({
      driver,
      reconciler: this.reconciler,
      store: store.face,
      drainSeconds,
      epochs,
      logger: loggers.manager,
      now: () => this.now,
      requestPort: (name) => void this.requested.push(name),
    });
    this.controller.onStatus((key) => void this.told.push(key));
    this.controller.restore(restored);
  }

  /** Connects the device, and waits until it has what is wanted. */
  async attach(device: InstantDevice = this.device): Promise<void> {
    await this.reconciler.attach(device, () => true);
    this.controller.targetChanged();
    await this.settled();
  }

  detach(): void {
    this.reconciler.detach();
    this.controller.targetChanged();
  }

  /** Waits until all that can be carried out is. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Tells the ports of interfaces `mem<port>`. */
  tellPorts(...names: readonly string[]): void {
    for (const name of names) this.controller.setPort(name, { kind: 'known', port: Number(name.slice(3)) });
  }

  stop(): void {
    this.controller.stop();
    this.reconciler.detach();
  }
}

/** Has pods 1 and 2 with their ports, and the target. */
export async function twoPods(core: Core): Promise<void> {
  core.controller.upsert(aPod(1));
  core.controller.upsert(aPod(2));
  core.tellPorts('mem1', 'mem2');
  await core.attach();
}

/** Pod number `i`: attachment `c<i>/eth0`, interface `mem<i>`, address 10.244.1.`i`. */
export function aPod(i: number, more: Partial<PodObject> = {}): PodObject {
  return {
    kind: 'pod',
    attachmentId: `c${i}/eth0`,
    namespace: 'default',
    name: `pod-${i}`,
    interfaceName: `mem${i}`,
    mac: mac(0x0200_0000_0100 + i),
    ip: ipv4(`10.244.1.${i}`),
    ...more,
  };
}

/** Service `name` at 10.96.0.`i`:80/TCP, with endpoints at 10.244.1.`n`:8080. */
export function aService(
  name: string,
  i: number,
  endpoints: readonly number[],
  more: Partial<ServiceObject> = {},
): ServiceObject {
  return {
    kind: 'service',
    namespace: 'default',
    name,
    portName: '',
    protocol: 'TCP',
    frontends: [{ address: ipv4(`10.96.0.${i}`), port: 80 }],
    endpoints: endpoints.map((n) => ({ address: ipv4(`10.244.1.${n}`), port: 8080, weight: 1 })),
    hasEndpointsElsewhere: false,
    affinitySeconds: undefined,
    unsupportedAddresses: [],
    agentConditions: [],
    ...more,
  };
}

/** The node, with its host interface on `mem0` and the address 10.244.1.254. */
export function aNode(more: Partial<NodeObject> = {}): NodeObject {
  return {
    kind: 'node',
    name: 'node-1',
    host: { interfaceName: 'mem0', mac: mac(0x0200_0000_0001), addresses: [ipv4('10.244.1.254')] },
    serviceCidrs: [ipv4Prefix(ipv4('10.96.0.0'), 16)],
    routes: [],
    addresses: [],
    unsupportedAddresses: [],
    ...more,
  };
}
