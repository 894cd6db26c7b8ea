import {
  faultTest,
  growsInProportion,
  mutateBytes,
  mutateJson,
  mutateText,
  mutateWire,
  Trial,
} from '@infra-offload/faults';
import { decodeDeviceConfig, encodeDeviceConfig } from '@infra-offload/p4rt';
import { type Entity, ForwardingPipelineConfig, Update, Update_Type } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import { describe, expect, it } from 'vitest';
import { SoftswitchError } from '../errors.js';
import { forwardingOf, readAll, smallArtifacts, smallConfig } from '../testing/forwarding.js';
import { k8sConfig } from '../testing/harness.js';

/** INTERNAL is what a raw error becomes: no input may bring that about. */
const isRefusal = (error: unknown) => SoftswitchError.is(error) && error.code !== 'INTERNAL';
const LARGE = ForwardingPipelineConfig.encode(k8sConfig(1n)).finish();
const SMALL = ForwardingPipelineConfig.encode(smallConfig()).finish();

/** As grpc-js hands it over; what is no message at all becomes a status there. */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

describe('a pipeline configuration', () => {
  faultTest(
    {
      fault: 'ForwardingPipelineConfig, damaged',
      promise: 'it is loaded or refused with a status',
      sample: 150,
    },
    ({ cases, random }) => {
      const trial = new Trial(isRefusal);
      for (let index = 0; index < cases; index++) {
        const config = decoded(
          (bytes) => ForwardingPipelineConfig.decode(bytes),
          mutateWire(random, random.chance(3) ? LARGE : SMALL),
        );
        if (config !== undefined) trial.try(config, forwardingOf);
      }
      return trial.measured;
    },
  );

  faultTest(
    {
      fault: 'context.json of p4c, damaged',
      promise: 'it is loaded or refused with a status',
      sample: 300,
    },
    ({ cases, random }) => {
      const trial = new Trial(isRefusal);
      const json = JSON.parse(smallArtifacts.context);
      for (let index = 0; index < cases; index++) {
        const context = random.chance(60)
          ? JSON.stringify(mutateJson(random, json))
          : mutateText(random, smallArtifacts.context);
        trial.try({ context }, (edit) => forwardingOf(smallConfig(edit)));
      }
      return trial.measured;
    },
  );

  const spec = Buffer.from(smallArtifacts.spec);
  faultTest(
    {
      fault: 'SWX specification within a pipeline, damaged',
      promise: 'it is loaded or refused with a status',
      sample: 200,
    },
    ({ cases, random }) => {
      const trial = new Trial(isRefusal);
      for (let index = 0; index < cases; index++) {
        const damaged = random.chance(70)
          ? Buffer.from(mutateText(random, smallArtifacts.spec))
          : mutateBytes(random, spec);
        trial.try(damaged, (binary) => forwardingOf(withBinary(binary)));
      }
      return trial.measured;
    },
  );

  it.each<[string, number, (size: number) => ForwardingPipelineConfig]>([
    [
      'counters',
      3_000,
      (size) =>
        many(
          size,
          (n) => `counters { preamble { id: ${9_000_000 + n} name: "c${n}" alias: "c${n}" } size: 1 }`,
        ),
    ],
    [
      'registers',
      3_000,
      (size) =>
        many(
          size,
          (n) => `registers { preamble { id: ${9_000_000 + n} name: "r${n}" alias: "r${n}" } size: 1 }`,
        ),
    ],
    [
      'action profiles',
      3_000,
      (size) =>
        many(size, (n) => `action_profiles { preamble { id: ${9_000_000 + n} name: "p${n}" } size: 1 }`),
    ],
  ])('with many %s takes time in proportion', (_, size, make) => {
    const trial = new Trial(isRefusal);
    expect(growsInProportion(size, make, (config) => trial.try(config, forwardingOf))).toBe(true);
    trial.try(make(10), forwardingOf);
  });
});

describe('an update', () => {
  const t = k8sDp.tables;
  const profile = k8sDp.actionProfiles.endpoint_selector;
  const setService = t.service.actions.set_service({
    group_id: 1,
    endpoint_base: 256,
    service_id: 1,
    flags: 0,
    affinity_profile: 0,
  });
  const entities: readonly Entity[] = [
    t.pod_forward.entry(
      { pod_ip: '10.244.0.1' },
      t.pod_forward.actions.forward({ port: 1, dst_mac: 2, src_mac: 3, since: 0 }),
    ),
    t.service.entry({ dst_ip: '10.96.0.1', protocol: 6, dst_port: 80 }, setService),
    profile.member(1, profile.actions.select_endpoint({ endpoint_id: 1 })),
    profile.group(1, [{ member: 1, weight: 2 }]),
    t.endpoint_group.entry({ group_id: 1 }, t.endpoint_group.group(1)),
    k8sDp.counters.drop_counter.cell(1, { packets: 3n, bytes: 4n }),
  ];
  const seeds = entities.map((entity) => Update.encode({ type: Update_Type.INSERT, entity }).finish());

  faultTest(
    {
      fault: 'update of a Write, damaged',
      promise: 'it is done or refused with a status; Read goes on',
      sample: 2_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const forwarding = forwardingOf(k8sConfig());
      const trial = new Trial(isRefusal);
      for (let index = 0; index < cases; index++) {
        const update = decoded((bytes) => Update.decode(bytes), mutateWire(random, random.pick(seeds)));
        if (update === undefined) continue;
        if (random.chance(50)) update.type = random.below(5);
        trial.try(update, (one) => forwarding.update(one, undefined));
        const { entity } = update;
        if (entity !== undefined && random.chance(20)) trial.try(entity, (one) => readAll(forwarding, one));
      }
      return trial.measured;
    },
  );
});

function withBinary(binary: Uint8Array): ForwardingPipelineConfig {
  const config = smallConfig();
  const { name, bfrtInfo, profiles } = decodeDeviceConfig(config.p4DeviceConfig);
  const changed = profiles.map((one) => ({ ...one, binary }));
  return { ...config, p4DeviceConfig: encodeDeviceConfig({ name, bfrtInfo, profiles: changed }) };
}

/** A small program whose P4Info has more than the program keeps, and a context that names all of it. */
function many(size: number, make: (n: number) => string): ForwardingPipelineConfig {
  const numbers = Array.from({ length: size }, (_, n) => n + 1);
  const context = JSON.parse(smallArtifacts.context);
  const externs = numbers.map((n) => ({ name: `x${n}`, target_name: `x${n}` }));
  return smallConfig({
    p4info: `${smallArtifacts.p4info}\n${numbers.map(make).join('\n')}`,
    context: JSON.stringify({ ...context, externs: [...(context.externs ?? []), ...externs] }),
  });
}
