import { Client, credentials, status } from '@grpc/grpc-js';
import { P4Program } from '@infra-offload/p4info';
import { P4Info } from '@infra-offload/p4info/proto';
import { insert, modify, remove } from '@infra-offload/p4rt';
import {
  SetForwardingPipelineConfigRequest_Action as Action,
  WriteRequest_Atomicity as Atomicity,
  type Entity,
} from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpArtifacts } from '@infra-offload/p4src';
import { afterEach, describe, expect, it } from 'vitest';
import { bareEntry } from '../entities/messages.js';
import { smallArtifacts, smallConfig } from '../testing/forwarding.js';
import { Harness, k8sConfig } from '../testing/harness.js';
import { P4RUNTIME_VERSION } from './service.js';

let harness: Harness;
afterEach(() => harness.stop());

const { tables, actionProfiles } = k8sDp;

function pod(ip: number, port = 1) {
  const action = tables.pod_forward.actions.forward({
    port,
    dst_mac: '02:00:00:00:00:02',
    src_mac: '02:00:00:00:00:01',
    since: 0,
  });
  return tables.pod_forward.entry({ pod_ip: ip }, action);
}

describe('stream channel', () => {
  it('S1 primary and backups are told over their streams, and when the primary leaves', async () => {
    harness = await Harness.start();
    const [a, b] = [harness.controller(), harness.controller()];
    a.arbitrate(1n << 64n);
    expect(await a.nextStatus()).toBe(status.OK);
    b.arbitrate(5n);
    expect(await b.nextStatus()).toBe(status.ALREADY_EXISTS);
    a.close();
    expect(await b.nextStatus()).toBe(status.NOT_FOUND);
    b.arbitrate((1n << 64n) + 1n);
    expect(await b.nextStatus()).toBe(status.OK);
  });

  it('S2 a stream is ended with NOT_FOUND for an unknown device, INVALID_ARGUMENT for an election id in use', async () => {
    harness = await Harness.start();
    const [a, b, c] = [harness.controller(), harness.controller(), harness.controller()];
    a.arbitrate(1n, { deviceId: 9n });
    expect(await a.ended()).toMatchObject({ code: 'NOT_FOUND' });
    b.arbitrate(1n);
    await b.next();
    c.arbitrate(1n);
    expect(await c.ended()).toMatchObject({ code: 'INVALID_ARGUMENT' });
    b.arbitrate(1n, { role: { name: 'other' } });
    expect(await b.ended()).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('S3 packets and digest acknowledgements that are of no use are answered with a StreamError', async () => {
    harness = await Harness.start();
    const controller = harness.controller();
    const packetOut = { payload: Uint8Array.of(1, 2), metadata: [] };
    controller.send({ $case: 'packet', value: packetOut });
    expect(await controller.next()).toMatchObject({
      $case: 'error',
      value: { canonicalCode: status.PERMISSION_DENIED },
    });
    controller.arbitrate(1n);
    await controller.next();
    controller.send({ $case: 'packet', value: packetOut });
    expect(await controller.next()).toMatchObject({
      $case: 'error',
      value: { canonicalCode: status.UNIMPLEMENTED, details: { $case: 'packetOut' } },
    });
    controller.send({ $case: 'digestAck', value: { digestId: 4, listId: 1n } });
    expect(await controller.next()).toMatchObject({
      $case: 'error',
      value: { canonicalCode: status.INVALID_ARGUMENT },
    });
    controller.send(undefined);
    expect(await controller.ended()).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('pipeline configuration', () => {
  async function started(): Promise<void> {
    harness = await Harness.start();
    const controller = harness.controller();
    controller.arbitrate(1n);
    await controller.next();
  }

  it('P1 only the primary sets it, only on the device that there is', async () => {
    await started();
    const config = k8sConfig();
    expect(await harness.setPipeline(Action.VERIFY, config, 2n)).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await harness.setPipeline(Action.VERIFY, config, 1n, 2n)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await harness.setPipeline(Action.UNSPECIFIED, config)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(harness.getPipeline(0, 5n)).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it('P2 VERIFY changes nothing; before a commit there is no config, and reads and writes are FAILED_PRECONDITION', async () => {
    await started();
    expect(await harness.setPipeline(Action.VERIFY, k8sConfig())).toMatchObject({ code: 'OK' });
    expect(await harness.getPipeline()).toBeUndefined();
    expect(await harness.write([insert(pod(1))])).toMatchObject({ code: 'FAILED_PRECONDITION', details: [] });
    expect((await harness.read([tables.pod_forward.all()])).outcome).toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('P3 the config is read back whole or in part, always with its cookie', async () => {
    await started();
    const config = k8sConfig(42n);
    await harness.setPipeline(Action.VERIFY_AND_COMMIT, config);
    const p4info = config.p4info && P4Info.decode(Buffer.from(P4Info.encode(config.p4info).finish()));
    expect(await harness.getPipeline(0)).toMatchObject({ cookie: { cookie: 42n }, p4info });
    expect(Buffer.from((await harness.getPipeline(3))?.p4DeviceConfig ?? [])).toEqual(
      Buffer.from(config.p4DeviceConfig),
    );
    expect(await harness.getPipeline(1)).toEqual({
      cookie: { cookie: 42n },
      p4info: undefined,
      p4DeviceConfig: new Uint8Array(0),
    });
    expect((await harness.getPipeline(2))?.p4info).toEqual(p4info);
  });

  it('P4 VERIFY_AND_COMMIT clears the state; RECONCILE_AND_COMMIT keeps it, for the same program and for a larger one', async () => {
    await started();
    await harness.setPipeline(Action.RECONCILE_AND_COMMIT, k8sConfig());
    await harness.write([
      insert(pod(1)),
      insert(
        actionProfiles.endpoint_selector.member(
          3,
          tables.endpoint_group.actions.select_endpoint({ endpoint_id: 3 }),
        ),
      ),
    ]);
    await harness.write([insert(actionProfiles.endpoint_selector.group(9, [{ member: 3, weight: 1 }]))]);
    const everything = [
      tables.pod_forward.all(),
      actionProfiles.endpoint_selector.members(),
      actionProfiles.endpoint_selector.groups(),
    ];
    const before = (await harness.read(everything)).entities;
    expect(before).toHaveLength(3);
    expect(await harness.setPipeline(Action.RECONCILE_AND_COMMIT, k8sConfig(2n))).toMatchObject({
      code: 'OK',
    });
    expect((await harness.read(everything)).entities).toEqual(before);
    const config = k8sConfig(3n);
    const text = new TextDecoder('latin1')
      .decode(config.p4DeviceConfig)
      .replace('size 0x10000\n', 'size 0x20000\n');
    const changed = { ...config, p4DeviceConfig: Buffer.from(text, 'latin1') };
    expect(await harness.setPipeline(Action.RECONCILE_AND_COMMIT, changed)).toMatchObject({ code: 'OK' });
    expect((await harness.read(everything)).entities).toEqual(before);
    expect(await harness.setPipeline(Action.RECONCILE_AND_COMMIT, smallConfig())).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect((await harness.read(everything)).entities).toEqual(before);
    expect((await harness.getPipeline())?.cookie).toEqual({ cookie: 3n });
    await harness.setPipeline(Action.VERIFY_AND_COMMIT, k8sConfig());
    expect((await harness.read(everything)).entities).toEqual([]);
  });

  it('P5 VERIFY_AND_SAVE takes reads and writes at once, packets only after COMMIT', async () => {
    await started();
    expect(await harness.setPipeline(Action.COMMIT, undefined)).toMatchObject({ code: 'NOT_FOUND' });
    await harness.setPipeline(Action.VERIFY_AND_SAVE, k8sConfig());
    expect(await harness.write([insert(pod(1))])).toMatchObject({ code: 'OK' });
    expect(() => harness.softswitch.trace(0, new Uint8Array(60))).toThrow(/no pipeline/);
    expect(await harness.setPipeline(Action.COMMIT, k8sConfig())).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await harness.setPipeline(Action.COMMIT, undefined)).toMatchObject({ code: 'OK' });
    expect((await harness.read([tables.pod_forward.all()])).entities).toHaveLength(1);
    expect(harness.softswitch.trace(0, new Uint8Array(60))).toBeDefined();
    expect(await harness.setPipeline(Action.COMMIT, undefined)).toMatchObject({ code: 'NOT_FOUND' });
  });

  const { spec, p4info } = smallArtifacts;
  const faults: readonly [
    what: string,
    config: () => ReturnType<typeof smallConfig> | undefined,
    message: RegExp,
  ][] = [
    ['no config', () => undefined, /no config/],
    ['no P4Info', () => ({ ...smallConfig(), p4info: undefined }), /no p4info/],
    [
      'no device config',
      () => ({ ...smallConfig(), p4DeviceConfig: new Uint8Array(0) }),
      /no p4_device_config/,
    ],
    [
      'bytes that are no device config',
      () => ({ ...smallConfig(), p4DeviceConfig: Uint8Array.of(255, 255, 1) }),
      /p4_device_config/,
    ],
    ['a program that is not well formed', () => smallConfig({ spec: 'table {' }), /small\.spec/],
    [
      'a program without a table',
      () => smallConfig({ spec: spec.replaceAll(/table acl\b/g, 'table acm') }),
      /no table 'acl'/,
    ],
    [
      'a program without a selector',
      () => smallConfig({ spec: spec.replaceAll('as_sel', 'other_sel') }),
      /no selector 'as_sel'/,
    ],
    [
      'a program with another key',
      () => smallConfig({ spec: spec.replace('m.dst wildcard', 'm.dst exact') }),
      /field dst.*ternary.*exact/,
    ],
    [
      'a program with another action',
      () =>
        smallConfig({
          spec: spec.replaceAll('mark', 'brand').replace('bit<8> value', 'bit<8> value\n\tbit<8> more'),
        }),
      /action mark.*1 parameters.*2/,
    ],
    ['context.json that is no JSON', () => smallConfig({ context: '{' }), /context\.json/],
    [
      'context.json of another form',
      () => smallConfig({ context: '{"tables": 3}' }),
      /context\.json: tables/,
    ],
    [
      'P4Info with a match on ranges',
      () => smallConfig({ p4info: p4info.replace('TERNARY', 'RANGE') }),
      /ranges/,
    ],
    [
      'P4Info with an unknown action',
      () => {
        const config = smallConfig();
        const [table] = config.p4info?.tables ?? [];
        const [ref] = table?.actionRefs ?? [];
        const tables = config.p4info?.tables.map((each) =>
          each === table ? { ...each, actionRefs: ref ? [{ ...ref, id: 5 }] : [] } : each,
        );
        return { ...config, p4info: config.p4info && { ...config.p4info, tables: tables ?? [] } };
      },
      /no action 5/,
    ],
    [
      'P4Info with an unknown action profile',
      () => smallConfig({ p4info: p4info.replace('implementation_id: 285212673', 'implementation_id: 7') }),
      /table nexthop: P4Info has no action profile 7/,
    ],
    [
      'P4Info with one id for objects of two kinds',
      () =>
        smallConfig({
          p4info: p4info.replace('counters { preamble { id: 301989889', 'counters { preamble { id: 33554433'),
        }),
      /uses the id 33554433 twice \(c\.bytes\)/,
    ],
    [
      'P4Info with one id for two tables',
      () => {
        const config = smallConfig();
        const [table] = config.p4info?.tables ?? [];
        return {
          ...config,
          p4info: config.p4info && { ...config.p4info, tables: table ? [table, table] : [] },
        };
      },
      /p4info: tables\[1\]: .* have the same id 33554433/,
    ],
    [
      'P4Info with a parameter of no width',
      () => smallConfig({ p4info: p4info.replace('name: "value" bitwidth: 8', 'name: "value"') }),
      /table acl, action mark, parameter value: P4Info gives no width/,
    ],
  ];
  it.each(faults)('P6 %s is INVALID_ARGUMENT, and says so', async (_what, config, message) => {
    await started();
    const result = await harness.setPipeline(Action.VERIFY_AND_COMMIT, config());
    expect(result.code).toBe('INVALID_ARGUMENT');
    expect(result.message).toMatch(message);
  });

  it('P7 the program of k8s_dp binds without a warning', async () => {
    await started();
    const { loadConfig } = await import('../pipeline/config.js');
    const { HostDataplane } = await import('../dataplane/host/host-dataplane.js');
    const { LocalEngine } = await import('../dataplane/host/engine/local.js');
    const loaded = loadConfig(new HostDataplane(harness.ports, new LocalEngine()), k8sConfig());
    expect(loaded.program.warnings).toEqual([]);
    expect(loaded.program.tables.size).toBe(P4Program.parse(k8sDpArtifacts.p4info).tables.length);
  });
});

describe('write', () => {
  it('W1 is for the primary alone, and for the device that there is', async () => {
    harness = await Harness.withPipeline();
    expect(await harness.write([insert(pod(1))], { electionId: 2n })).toMatchObject({
      code: 'PERMISSION_DENIED',
      details: [],
    });
    expect(await harness.write([insert(pod(1))], { deviceId: 2n })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await harness.write([insert(pod(1))], { role: 'nobody' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await harness.write([])).toMatchObject({ code: 'OK' });
  });

  it('W2 goes on after an error and tells how every update went', async () => {
    harness = await Harness.withPipeline();
    const result = await harness.write([insert(pod(1)), insert(pod(1)), remove(pod(2)), insert(pod(3))]);
    expect(result.code).toBe('UNKNOWN');
    expect(result.details.map(({ code }) => code)).toEqual(['OK', 'ALREADY_EXISTS', 'NOT_FOUND', 'OK']);
    expect((await harness.read([tables.pod_forward.all()])).entities).toHaveLength(2);
  });

  it.each([Atomicity.ROLLBACK_ON_ERROR, Atomicity.DATAPLANE_ATOMIC])(
    'W3 atomicity %s is all or nothing',
    async (atomicity) => {
      harness = await Harness.withPipeline();
      await harness.write([insert(pod(1, 5))]);
      const batch = [modify(pod(1, 6)), insert(pod(2)), remove(pod(9)), insert(pod(3))];
      const result = await harness.write(batch, { atomicity });
      expect(result.details.map(({ code }) => code)).toEqual(['ABORTED', 'ABORTED', 'NOT_FOUND', 'ABORTED']);
      expect((await harness.read([tables.pod_forward.all()])).entities).toEqual([
        expect.objectContaining({ entity: expect.objectContaining({ $case: 'tableEntry' }) }),
      ]);
      expect(await harness.write([modify(pod(1, 6)), insert(pod(2))], { atomicity })).toMatchObject({
        code: 'OK',
      });
      expect((await harness.read([tables.pod_forward.all()])).entities).toHaveLength(2);
    },
  );

  it('W4 learner tables cannot be written, but read', async () => {
    harness = await Harness.withPipeline();
    const entry: Entity = { entity: { $case: 'tableEntry', value: bareEntry(k8sDp.tables.conntrack.id) } };
    expect(await harness.writeOne(insert(entry))).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect((await harness.read([entry])).outcome).toMatchObject({ code: 'OK' });
  });

  it('W5 updates without type or entity, and entities that there are not, fail alone', async () => {
    harness = await Harness.withPipeline();
    const { details } = await harness.write([
      { type: 0, entity: pod(1) },
      { type: 1, entity: undefined },
      { type: 1, entity: { entity: undefined } },
      { type: Number('9'), entity: pod(1) },
      { type: 1, entity: { entity: { $case: 'digestEntry', value: { digestId: 1, config: undefined } } } },
      { type: 1, entity: pod(1) },
    ]);
    expect(details.map(({ code }) => code)).toEqual([
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      'UNIMPLEMENTED',
      'OK',
    ]);
  });

  it.each([256, 600, 5000])('W6 %s failing updates arrive within the limits of clients', async (count) => {
    harness = await Harness.withPipeline();
    const result = await harness.write(Array.from({ length: count }, (_, i) => remove(pod(i))));
    expect(result.code).toBe('UNKNOWN');
    expect(result.trailer).toBeLessThan(45_000);
    expect(result.details).toHaveLength(count < 1000 ? count : 0);
    expect(result.message).toContain(`${count} of ${count} updates failed`);
  });
});

describe('read', () => {
  it('R1 large answers come in bounded messages', async () => {
    harness = await Harness.withPipeline();
    const all = Array.from({ length: 20_000 }, (_, i) => insert(pod(i)));
    for (let i = 0; i < all.length; i += 1000) await harness.write(all.slice(i, i + 1000));
    const { entities, messages } = await harness.read([tables.pod_forward.all()]);
    expect(entities).toHaveLength(20_000);
    expect(messages).toBeGreaterThanOrEqual(40);
  });

  it('R2 a part that is wrong does not keep the others back, and is told at its place', async () => {
    harness = await Harness.withPipeline();
    await harness.write([insert(pod(1))]);
    const unknown: Entity = { entity: { $case: 'tableEntry', value: bareEntry(77) } };
    const { entities, outcome } = await harness.read([
      tables.pod_forward.all(),
      unknown,
      { entity: undefined },
    ]);
    expect(entities).toHaveLength(1);
    expect(outcome.code).toBe('UNKNOWN');
    expect(outcome.details.map(({ code }) => code)).toEqual(['OK', 'NOT_FOUND', 'INVALID_ARGUMENT']);
    expect((await harness.read([], 4n)).outcome).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('R3 needs neither a stream nor a role', async () => {
    harness = await Harness.withPipeline();
    const { outcome } = await harness.read([
      k8sDp.counters.drop_counter.all(),
      k8sDp.counters.drop_counter.cell(5),
    ]);
    expect(outcome.code).toBe('OK');
  });
});

it('Z1 capabilities tell the version', async () => {
  harness = await Harness.start();
  const version = await new Promise((resolve, reject) =>
    harness.client.capabilities({ deviceId: 1n }, (error, response) =>
      error ? reject(error) : resolve(response.p4runtimeApiVersion),
    ),
  );
  expect(version).toBe(P4RUNTIME_VERSION);
});

it('Z2 requests that are no protobuf are errors, and the server goes on', async () => {
  harness = await Harness.withPipeline();
  const raw = new Client(harness.softswitch.p4runtimeAddress, credentials.createInsecure());
  const send = (method: string, bytes: Uint8Array): Promise<number | undefined> =>
    new Promise((resolve) => {
      const same = (value: Buffer): Buffer => value;
      const deadline = Date.now() + 5_000;
      raw.makeUnaryRequest(
        `/p4.v1.P4Runtime/${method}`,
        same,
        same,
        Buffer.from(bytes),
        { deadline },
        (error) => resolve(error?.code),
      );
    });
  const garbage = [
    Uint8Array.of(0xff, 0xff, 0xff),
    Uint8Array.of(0x22, 0x7f, 1),
    new Uint8Array(300).fill(0x22),
  ];
  for (const bytes of garbage) {
    for (const method of ['Write', 'SetForwardingPipelineConfig', 'GetForwardingPipelineConfig']) {
      expect(await send(method, bytes)).toBeGreaterThan(0);
    }
  }
  raw.close();
  expect(await harness.write([insert(pod(1))])).toMatchObject({ code: 'OK' });
});
