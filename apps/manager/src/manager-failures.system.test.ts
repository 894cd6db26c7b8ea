import { join } from 'node:path';
import { Client, credentials, status as grpc, type ServiceError } from '@grpc/grpc-js';
import { ObjectKind, OffloadClient, type SyncResponse } from '@infra-offload/infra-api';
import { mac } from '@infra-offload/net';
import {
  decodeDeviceConfig,
  encodeDeviceConfig,
  insert,
  P4RuntimeSession,
  remove,
} from '@infra-offload/p4rt';
import { k8sDp, k8sDpArtifacts } from '@infra-offload/p4src';
import { describe, expect, it } from 'vitest';
import { dpdkDriver } from './drivers/dpdk/driver.js';
import { DEGRADED, node, PROGRAMMED, pod, podObject, service, type TestAgent, web } from './testing/agent.js';
import { eventually, ready, startReady, world, worldForEachTest, written } from './testing/world.js';

worldForEachTest();

/** What grpc.health.v1 says of the Offload service. */
async function health(address: string): Promise<string> {
  const client = new Client(address, credentials.createInsecure());
  const name = Buffer.from('infra_offload.v1.Offload');
  const request = Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const bytes = (value: Buffer) => value;
  const answer = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, request, (error, response) => {
      if (response === undefined) reject(error);
      else resolve(response);
    });
  });
  client.close();
  return ['UNKNOWN', 'SERVING', 'NOT_SERVING'][answer[1] ?? 0] ?? '';
}

describe('the Sync protocol', () => {
  const begin = { $case: 'snapshotBegin', value: { nodeName: 'n' } } as const;
  const end = { $case: 'snapshotEnd', value: {} } as const;

  async function streamError(agent: TestAgent): Promise<[number, string]> {
    await eventually(() => agent.error !== undefined, 'the stream to end');
    return [agent.error?.code ?? 0, agent.error?.details ?? ''];
  }

  it.each([
    ['an upsert before the snapshot', [{ $case: 'upsert' as const, value: web() }], /before the snapshot/],
    ['an end without begin', [end], /none has begun/],
    ['a begin within a snapshot', [begin, begin], /begins within another/],
    [
      'an upsert of nothing',
      [begin, { $case: 'upsert' as const, value: { object: undefined } }],
      /contains no object/,
    ],
    [
      'a removal of nothing',
      [begin, { $case: 'remove' as const, value: { kind: 0, name: 'x' } }],
      /names no object/,
    ],
    [
      'a snapshot of no node',
      [{ $case: 'snapshotBegin' as const, value: { nodeName: '' } }],
      /names no node/,
    ],
  ])('%s ends the stream with INVALID_ARGUMENT', async (_, changes, message) => {
    const { agent } = await startReady(world);
    agent.connect();
    agent.send(...changes);
    const [code, details] = await streamError(agent);
    expect(code).toBe(grpc.INVALID_ARGUMENT);
    expect(details).toMatch(message);
    await agent.snapshot(web('10.244.1.2:80'));
  });

  it('bytes that are no message end the stream, and nothing else', async () => {
    const { manager, agent } = await startReady(world);
    const client = new Client(manager.address, credentials.createInsecure());
    const bytes = (value: Buffer) => value;
    const code = await new Promise<number>((resolve) => {
      const stream = client.makeBidiStreamRequest('/infra_offload.v1.Offload/Sync', bytes, bytes);
      stream.on('error', (error: ServiceError) => resolve(error.code));
      stream.on('data', () => undefined);
      stream.write(Buffer.from('not a protobuf message at all'));
    });
    client.close();
    // What gRPC itself answers to bytes that it cannot read.
    expect(code).toBe(grpc.INTERNAL);
    await agent.snapshot(web('10.244.1.2:80'));
  });

  it('an agent that says no more is answered before the stream ends', async () => {
    const { manager } = await startReady(world);
    const client = new OffloadClient(manager.address, credentials.createInsecure());
    const changes = [begin, { $case: 'upsert' as const, value: web('10.244.1.2:80') }, end];
    const applied = await new Promise<bigint>((resolve, reject) => {
      let last = 0n;
      const stream = client.sync();
      stream.on('data', (response: SyncResponse) => {
        last = response.appliedRevision;
      });
      stream.on('error', reject);
      stream.on('end', () => resolve(last));
      stream.end({ changes: changes.map((change, i) => ({ revision: BigInt(i + 1), change })) });
    });
    client.close();
    expect(applied).toBe(3n);
  });

  it('a stream that begins no snapshot leaves the running one alone', async () => {
    const { manager, agent } = await startReady(world);
    await agent.snapshot(web());
    const junk = world.agent(manager);
    junk.connect();
    junk.send(end);
    expect((await streamError(junk))[0]).toBe(grpc.INVALID_ARGUMENT);
    const silent = world.agent(manager);
    silent.connect();
    await agent.upsert(web('10.244.1.2:80'));
    expect(agent.error).toBeUndefined();
    expect((await agent.managerStatus()).agent).toMatchObject({ connected: true, nodeName: 'node-1' });
    // Both are still there when the manager stops.
    await manager.stop();
    expect((await streamError(silent))[0]).toBe(grpc.UNAVAILABLE);
    expect((await streamError(agent))[0]).toBe(grpc.UNAVAILABLE);
  });

  it('a newer stream ends the older with ABORTED', async () => {
    const { manager, agent } = await startReady(world);
    await agent.snapshot(web());
    const newer = world.agent(manager);
    await newer.snapshot(web());
    expect((await streamError(agent))[0]).toBe(grpc.ABORTED);
  });

  it('a pod added during a snapshot that does not name it stays', async () => {
    const { agent } = await startReady(world);
    agent.connect();
    agent.send(begin);
    await eventually(
      async () => (await agent.managerStatus()).agent?.nodeName === 'n',
      'the snapshot to begin',
    );
    await agent.addPod(pod(4));
    await agent.applied(agent.send(end));
    expect(await agent.managerStatus()).toMatchObject({ programmed: 1 });
  });

  it('an invalid new version leaves the old one in force', async () => {
    const { agent } = await startReady(world);
    await agent.snapshot(web('10.244.1.2:80'));
    await agent.upsert(web('10.244.1.2:0'));
    const status = await agent.status('default/web:/TCP', ({ state }) => state === DEGRADED);
    expect(status).toMatchObject({
      reason: 'ObjectInvalid',
      message: expect.stringContaining('stays in force'),
    });
    expect((await agent.entries('service')).length).toBe(1);
    await agent.upsert(web('10.244.1.2:80'));
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
  });
});

describe('restarts and losses', () => {
  it('a restarted manager writes nothing, and keeps ids, winners and drains', async () => {
    const { manager, agent } = await startReady(world);
    const objects = [
      node(),
      podObject(1),
      web('10.244.1.1:80', '10.244.1.2:80'),
      service('rival', ['10.96.0.10:80'], ['10.244.1.3:80']),
    ];
    await agent.snapshot(...objects);
    await agent.upsert(web('10.244.1.1:80', '10.244.1.3:80'));
    const entries = (await agent.entries()).map(({ text }) => text).sort();
    await manager.stop();

    const again = await startReady(world);
    await eventually(async () => (await again.agent.managerStatus()).pending === 0, 'everything to settle');
    expect((await again.agent.entries()).map(({ text }) => text).sort()).toEqual(entries);
    expect(await again.agent.managerStatus()).toMatchObject({
      programmed: 3,
      degraded: 1,
      target: { writeRequests: 0n },
    });
    await again.agent.snapshot(
      objects[0] ?? {},
      objects[1] ?? {},
      web('10.244.1.1:80', '10.244.1.3:80'),
      objects[3] ?? {},
    );
    expect((await written(again.agent)).writes).toBe(0);
    expect(again.agent.statuses.get('default/rival:/TCP')?.reason).toBe('FrontendConflict');
  });

  it('a target that comes back empty gets everything again', async () => {
    const { manager, agent } = await startReady(world);
    await agent.snapshot(web('10.244.1.2:80'), podObject(1));
    await world.stopTarget();
    await agent.status('default/web:/TCP', ({ reason }) => reason === 'TargetUnavailable');
    expect(manager.readiness()).toContain('is away');
    agent.send({ $case: 'upsert', value: service('new', ['10.96.0.11:80'], ['10.244.1.2:80']) });
    await world.startTarget();
    await agent.status('default/new:/TCP', ({ state }) => state === PROGRAMMED);
    await agent.status('c1/eth0', ({ state }) => state === PROGRAMMED);
    expect((await agent.entries()).every((entry) => entry.installed)).toBe(true);
  });

  it('a manager starts while the target is away', async () => {
    await world.stopTarget();
    const manager = await world.startManager();
    const agent = world.agent(manager);
    agent.connect();
    agent.send(
      { $case: 'snapshotBegin', value: { nodeName: 'n' } },
      { $case: 'upsert', value: web('10.244.1.2:80') },
    );
    await agent.status('default/web:/TCP', ({ reason }) => reason === 'TargetUnavailable');
    const { monitoringAddress } = manager;
    expect((await fetch(`http://${monitoringAddress}/readyz`)).status).toBe(503);
    expect((await fetch(`http://${monitoringAddress}/healthz`)).status).toBe(200);
    expect(await health(manager.address)).toBe('NOT_SERVING');
    await world.startTarget();
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
    expect((await fetch(`http://${monitoringAddress}/readyz`)).status).toBe(200);
    expect(await health(manager.address)).toBe('SERVING');
    expect(await (await fetch(`http://${monitoringAddress}/metrics`)).text()).toContain(
      'infra_manager_objects{kind="service",state="programmed"} 1',
    );
  });

  it('of two managers the newer is primary; the older stops writing, and comes back', async () => {
    const { manager: older, agent } = await startReady(world);
    await agent.snapshot(web('10.244.1.2:80'));
    const newer = await world.startManager({ stateDirectory: join(world.directory, 'other') });
    // It knows nothing of what the target holds.
    await eventually(
      () => newer.readiness()?.includes('until a snapshot') === true,
      'the newer to be primary',
    );
    await eventually(() => older.readiness()?.includes('another manager') === true, 'the older to notice');
    await agent.status('default/web:/TCP', ({ reason }) => reason === 'TargetUnavailable');
    await newer.stop();
    await ready(older);
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
  });

  it('a target that has seen a higher election id is taken over once its owner has gone', async () => {
    const address = world.target?.p4runtimeAddress ?? '';
    const other = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 2n ** 100n });
    const manager = await world.startManager();
    await eventually(
      () => manager.readiness()?.includes('another manager') === true,
      'the primary to be seen',
    );
    other.close();
    await ready(manager);
    await manager.stop();
    // One that never saw it, as after a clock was set back.
    const late = await world.startManager();
    await ready(late);
  });

  it('of two managers that take over an abandoned target, one becomes primary and stays it', async () => {
    const address = world.target?.p4runtimeAddress ?? '';
    const other = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 2n ** 128n - 1n });
    const managers = [
      await world.startManager(),
      await world.startManager({ stateDirectory: join(world.directory, 'other') }),
    ];
    const waits = ({ readiness }: (typeof managers)[number]) => readiness()?.includes('another manager');
    await eventually(() => managers.every(waits), 'both to see the primary');
    other.close();
    await eventually(
      () =>
        managers.filter(({ readiness }) => readiness() === undefined).length === 1 && managers.some(waits),
      'one of them to be primary',
    );
  });

  it('an audit repairs what somebody else has done to the device', async () => {
    const { agent } = await startReady(world, { reconcile: { auditSeconds: 1 } });
    await agent.snapshot(web('10.244.1.2:80'));
    const [entry] = await agent.entries('service');
    const session = await P4RuntimeSession.open({
      address: world.target?.p4runtimeAddress ?? '',
      deviceId: 1,
      electionId: 1n << 100n,
    });
    const { service: services, endpoint } = k8sDp.tables;
    await session.write([
      remove(services.key({ dst_ip: '10.96.0.10', protocol: 6, dst_port: 80 })),
      insert(
        endpoint.entry(
          { endpoint_id: 9999 },
          endpoint.actions.set_endpoint({ ip: '1.2.3.4', port: 5, flags: 0 }),
        ),
      ),
    ]);
    session.close();
    await eventually(async () => {
      const entries = await agent.entries();
      return (
        entries.some(({ text }) => text === entry?.text) && !entries.some(({ text }) => text.includes('9999'))
      );
    }, 'the repair');
  });
});

it('a full table degrades only what does not fit, and heals when there is room', async () => {
  const driver = dpdkDriver({ gatewayMac: mac(0x0200_0000_0099), endsDeniedFlows: true });
  const small = k8sDpArtifacts.spec.replace(/(\ntable service \{[\s\S]*?size )0x20000/, '$10x2');
  const config = decodeDeviceConfig(driver.deviceConfig);
  const profiles = config.profiles.map((profile) => ({ ...profile, binary: Buffer.from(small) }));
  const manager = await world.startManager(
    {},
    { ...driver, deviceConfig: encodeDeviceConfig({ ...config, profiles }) },
  );
  await ready(manager);
  const agent = world.agent(manager);
  const named = (i: number) => service(`s${i}`, [`10.96.0.${i}:80`], ['10.244.1.2:80']);
  await agent.snapshot(named(1), named(2), named(3));
  expect([1, 2, 3].map((i) => agent.statuses.get(`default/s${i}:/TCP`)?.state)).toEqual([
    PROGRAMMED,
    PROGRAMMED,
    DEGRADED,
  ]);
  expect(agent.statuses.get('default/s3:/TCP')).toMatchObject({
    reason: 'TableFull',
    message: expect.stringMatching(/service dst_ip=10\.96\.0\.3.*RESOURCE_EXHAUSTED/),
  });
  await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/s1:/TCP');
  await agent.status('default/s3:/TCP', ({ state }) => state === PROGRAMMED);
});
