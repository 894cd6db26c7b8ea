import { credentials, status } from '@grpc/grpc-js';
import { Backoff } from '@infra-offload/base';
import type { Connected } from '@infra-offload/grpc';
import {
  ObjectKind,
  type ObjectState,
  type OffloadClient,
  Protocol,
  Service,
  type WantedObject,
} from '@infra-offload/infra-api';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeManager } from '../testing/fake-manager.js';
import { eventually } from '../testing/network.js';
import { connectManager } from './connection.js';
import { StatusBook } from './status-book.js';
import { SyncClient } from './sync-client.js';
import { WantedState } from './wanted-state.js';

let manager: FakeManager;
let connected: Connected<OffloadClient>;
let wanted: WantedState;
let sync: SyncClient;
let statuses: StatusBook;
let log: { msg: string; object?: string; reason?: string }[];
let applied: number[];

beforeEach(async () => {
  manager = await new FakeManager().start();
  connected = connectManager(manager.address, credentials.createInsecure());
  wanted = new WantedState();
  log = [];
  applied = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) });
  statuses = new StatusBook(logger);
  sync = new SyncClient({
    client: connected.client,
    nodeName: 'node-1',
    wanted,
    statuses,
    logger,
    backoff: new Backoff({ initialMs: 10, maxMs: 50 }),
    onApplied: (seconds) => applied.push(seconds),
  });
});

afterEach(() => {
  sync.stop();
  connected.close(0);
  manager.kill();
});

function service(name: string, port = 80): WantedObject {
  const value = Service.fromPartial({
    namespace: 'default',
    name,
    protocol: Protocol.PROTOCOL_TCP,
    frontends: [{ address: '10.96.0.1', port }],
  });
  return { object: { $case: 'service', value } };
}

const key = (name: string) => `3:default/${name}:/TCP`;
const isSynchronised = () => sync.state.kind === 'synchronised';

describe('SyncClient', () => {
  it('sends what is there as one snapshot in few messages, and later changes as they come', async () => {
    for (let i = 0; i < 2000; i++) wanted.upsert(service(`s${i}`));
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    expect(manager.objects.size).toBe(2000);
    expect(manager.messages.length).toBeLessThan(6);
    const count = manager.messages.length;
    wanted.upsert(service('s0', 81));
    wanted.upsert(service('s1', 80));
    wanted.remove({ kind: ObjectKind.OBJECT_KIND_SERVICE, name: 'default/s2:/TCP' });
    await eventually(() => !manager.objects.has(key('s2')), 'the removal');
    expect(manager.messages.length).toBe(count + 1);
    expect(manager.changes.slice(-2).map(({ change }) => change?.$case)).toEqual(['upsert', 'remove']);
    await eventually(() => applied.length === manager.messages.length, 'times are measured');
  });

  it('brings the manager up to date after a cut, whatever was missed', async () => {
    wanted.upsert(service('a'));
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    manager.cutStream();
    wanted.upsert(service('b'));
    wanted.remove({ kind: ObjectKind.OBJECT_KIND_SERVICE, name: 'default/a:/TCP' });
    await eventually(() => manager.streams === 2 && isSynchronised(), 'synchronised again');
    expect([...manager.objects.keys()]).toEqual([key('b')]);
  });

  it('comes back after the manager was away', async () => {
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    manager.kill();
    await eventually(() => sync.state.kind === 'disconnected', 'the loss is noticed');
    wanted.upsert(service('a'));
    expect(await sync.settled(key('a'), 10)).toBe(false);
    await manager.start();
    await eventually(isSynchronised, 'synchronised again');
    expect(manager.objects.has(key('a'))).toBe(true);
  });

  it('says that another agent has taken over', async () => {
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    manager.cutStream(status.ABORTED);
    await eventually(() => log.some(({ reason }) => reason?.includes('another agent') ?? false), 'the log');
  });

  it('stops writing to a manager that does not read, and sends only the latest of each object then', async () => {
    const big = (round: number): WantedObject => {
      const object = service('big', round);
      if (object.object?.$case === 'service') {
        object.object.value.endpoints = Array.from({ length: 8000 }, () => ({
          address: '10.0.0.1',
          port: round,
          weight: 0,
        }));
      }
      return object;
    };
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    const before = manager.messages.length;
    manager.pause();
    for (let round = 1; round <= 100; round++) {
      wanted.upsert(big(round));
      await new Promise((resolve) => setImmediate(resolve));
    }
    manager.resume();
    const latest = () => {
      const object = manager.objects.get(key('big'))?.object;
      return object?.$case === 'service' ? object.value.frontends[0]?.port : undefined;
    };
    await eventually(() => latest() === 100, 'the latest');
    expect(manager.messages.length - before).toBeLessThan(50);
  });

  it('keeps statuses, logs a degradation once, and forgets objects that are gone', async () => {
    wanted.upsert(service('a'));
    sync.start();
    await eventually(isSynchronised, 'synchronised');
    const object = { kind: ObjectKind.OBJECT_KIND_SERVICE, name: 'default/a:/TCP' };
    const report = (state: ObjectState, reason = '') =>
      manager.report([{ object, state, reason, message: 'why' }]);
    report(3, 'TableFull');
    report(3, 'TableFull');
    await eventually(() => statuses.get(object)?.reason === 'TableFull', 'the status');
    report(2);
    await eventually(() => statuses.get(object)?.state === 2, 'the next status');
    const about = log.filter(({ object: name }) => name === 'service default/a:/TCP').map(({ msg }) => msg);
    expect(about).toEqual(['degraded in the data plane', 'programmed again']);
    wanted.remove(object);
    report(3, 'Late');
    await eventually(() => !manager.objects.has(key('a')), 'the removal');
    manager.acknowledge();
    await sync.settled(key('a'), 1000);
    expect([...statuses.values()]).toEqual([]);
  });
});
