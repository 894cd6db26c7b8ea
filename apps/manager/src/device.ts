import { type Mac, parseMac } from '@infra-offload/net';
import type { Lifecycle } from '@infra-offload/service';
import type { Config } from './config/config.js';
import { Controller } from './controller/controller.js';
import type { Driver } from './drivers/driver.js';
import { isIpdkObject } from './ipdk/names.js';
import type { Loggers } from './log.js';
import { Epochs } from './reconciler/epochs.js';
import { Reconciler } from './reconciler/reconciler.js';
import type { Security } from './security.js';
import { StateDirectory } from './state/directory.js';
import { StateStore, type StoreContents } from './state/store.js';
import { TargetConnection } from './target/connection.js';
import { GnmiPorts } from './target/gnmi.js';
import { InterfacePorts } from './target/interface-ports.js';
import { PortResolver } from './target/port-resolver.js';

/** What keeps the target equal to what is wanted. */
export interface Device<Row> {
  readonly directory: StateDirectory;
  readonly store: StateStore;
  /** What the last run has stored. */
  readonly contents: StoreContents;
  readonly reconciler: Reconciler<Row>;
  readonly controller: Controller<Row>;
  readonly resolver: PortResolver;
  /** Not started yet. */
  readonly connection: TargetConnection<Row>;
}

/**
 * Reads the state of the last run, and makes ready what writes it into the target.
 *
 * @param onTargetState called when the target comes and goes, once `connection` has been started
 * @throws ManagerError STORE
 */
export async function openDevice<Row>(
  lifecycle: Lifecycle,
  config: Config,
  loggers: Loggers,
  security: Security,
  driver: Driver<Row>,
  onTargetState: () => void,
): Promise<Device<Row>> {
  const { target, reconcile, dataPlane } = config;
  const directory = await StateDirectory.open(config.stateDirectory, loggers.state);
  lifecycle.add(() => directory.close());
  const { store, contents } = await StateStore.open(directory, loggers.state);
  lifecycle.add(() => store.close());
  const epochs = new Epochs();
  const reconciler = new Reconciler<Row>(
    driver,
    epochs,
    {
      batchUpdates: reconcile.batchUpdates,
      batchBytes: reconcile.batchBytes,
      writesInFlight: reconcile.writesInFlight,
      maxRetryMs: reconcile.maxRetrySeconds * 1000,
      keepsUnknown: awaitsSnapshot(contents),
    },
    {
      found: (rows) => controller.found(rows),
      progressed: (owners) => controller.progressed(owners),
      suspected: (suspicion) => connection.suspect(suspicion),
    },
    loggers.reconciler,
  );
  const controller: Controller<Row> = new Controller({
    driver,
    reconciler,
    store,
    drainSeconds: dataPlane.drainSeconds,
    epochs,
    logger: loggers.manager,
    requestPort: (name) => resolver.request(name),
  });
  lifecycle.add(() => controller.stop());
  const gnmi = new GnmiPorts({
    address: target.gnmiAddress,
    credentials: security.gnmi,
    deadlineMs: target.deadlineMs,
  });
  lifecycle.add(() => gnmi.close());
  const resolver = new PortResolver(
    new InterfacePorts(
      config.interfaceType,
      gnmi,
      (name) => controller.macOf(name) ?? arpProxyMac(config, name),
    ),
    (name) => controller.interfaces().includes(name),
    (name, found) => controller.setPort(name, found),
    loggers.target,
  );
  lifecycle.add(() => resolver.stop());
  const connection: TargetConnection<Row> = new TargetConnection(
    {
      address: target.p4runtimeAddress,
      credentials: security.p4runtime,
      deviceId: target.deviceId,
      deadlineMs: target.deadlineMs,
    },
    driver,
    reconciler,
    loggers.target,
    (state) => {
      onTargetState();
      controller.targetChanged();
      // Ports may have been made anew while the target was away.
      if (state.kind === 'ready') for (const name of controller.interfaces()) resolver.request(name);
    },
  );
  lifecycle.add(() => connection.stop());
  controller.restore(contents);
  return { directory, store, contents, reconciler, controller, resolver, connection };
}

/**
 * Whether the device may hold what is wanted and not stored, which a snapshot of the agent will tell: because the state was lost,
 * or because the last run could not store it in the end. IPDK's agents send no snapshot, so that what they have not said is
 * unwanted, unless the state was lost.
 */
function awaitsSnapshot({ isWhole, records }: StoreContents): boolean {
  return !isWhole || ![...records.keys()].some(isIpdkObject);
}

/** The MAC address of the ARP proxy is what pods know as that of their gateway. */
function arpProxyMac({ dataPlane }: Config, interfaceName: string): Mac | undefined {
  return interfaceName === dataPlane.arpProxyInterface ? parseMac(dataPlane.gatewayMac) : undefined;
}
