import {
  faultTest,
  growsInProportion,
  mutateBytes,
  mutateText,
  mutateWire,
  Trial,
  wireField,
} from '@infra-offload/faults';
import { describe, expect, it } from 'vitest';
import { decodeDeviceConfig, encodeDeviceConfig } from './device-config.js';
import { P4rtError } from './errors.js';
import { Notification } from './gen/gnmi/gnmi.js';
import { formatPath, parsePath } from './gnmi/path.js';
import { decodeUpdateValue } from './gnmi/value.js';

const text = new TextEncoder();
const config = encodeDeviceConfig({
  name: 'k8s_dp',
  bfrtInfo: text.encode('{"schema_version":"1.0.0"}'),
  profiles: [
    { name: 'pipe', context: text.encode('{}'), binary: text.encode('apply {'), pipeScope: [0, 1, 300] },
    { name: 'other', context: new Uint8Array(), binary: new Uint8Array(100) },
  ],
});

describe('a device config', () => {
  faultTest(
    {
      fault: 'device config of infrap4d, damaged',
      promise: 'profiles or a P4rtError',
      sample: 3_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(P4rtError.is);
      for (let index = 0; index < cases; index++) {
        trial.try(
          random.chance(70) ? mutateWire(random, config) : mutateBytes(random, config),
          decodeDeviceConfig,
        );
      }
      return trial.measured;
    },
  );

  it.each([
    [
      'profiles',
      Buffer.concat(new Array(257).fill(wireField(3, new Uint8Array()))),
      /more than 256 profiles/,
    ],
    ['pipes', wireField(3, wireField(4, new Uint8Array(4_097))), /more than 4096 pipes/],
  ])('with more %s than any device has is refused', (_, bytes, message) => {
    expect(() => decodeDeviceConfig(bytes)).toThrow(message);
  });

  it('with groups in groups takes time in proportion', () => {
    const groups = (size: number) => new Uint8Array(size).fill(0x2b);
    const trial = new Trial(P4rtError.is);
    expect(growsInProportion(300_000, groups, (bytes) => trial.try(bytes, decodeDeviceConfig))).toBe(true);
    trial.try(groups(1_000), decodeDeviceConfig);
  });
});

describe('gNMI', () => {
  const path = "openconfig:interfaces/virtual-interface[name=a\\]b][x='y z']/config/mtu";
  const update = Notification.encode(
    Notification.fromPartial({
      prefix: parsePath('interfaces'),
      update: [
        {
          path: parsePath(path),
          val: { value: { $case: 'jsonIetfVal', value: text.encode('{"a":[1,"b"]}') } },
        },
        {
          path: parsePath('a'),
          val: {
            value: { $case: 'leaflistVal', value: { element: [{ value: { $case: 'uintVal', value: 1n } }] } },
          },
        },
      ],
    }),
  ).finish();

  faultTest(
    {
      fault: 'gNMI path, damaged',
      promise: 'elements that are written the same, or a P4rtError',
      sample: 2_000,
      unit: 'input',
    },
    ({ cases, random }) => {
      const trial = new Trial(P4rtError.is);
      for (let index = 0; index < cases; index++) {
        const parsed = trial.try(mutateText(random, path), parsePath);
        if (parsed !== undefined) expect(parsePath(formatPath(parsed))).toEqual(parsed);
      }
      return trial.measured;
    },
  );

  faultTest(
    { fault: 'gNMI notification, damaged', promise: 'values or a P4rtError', sample: 1_500, unit: 'input' },
    ({ cases, random }) => {
      const trial = new Trial(P4rtError.is);
      for (let index = 0; index < cases; index++) {
        const notification = decoded(mutateWire(random, update));
        for (const one of notification?.update ?? []) {
          trial.try(one, decodeUpdateValue);
          if (one.path !== undefined) trial.try(one.path, formatPath);
        }
      }
      return trial.measured;
    },
  );
});

/** As grpc-js hands it over; what is no message at all becomes a status there. */
function decoded(bytes: Uint8Array): Notification | undefined {
  try {
    return Notification.decode(bytes);
  } catch {
    return undefined;
  }
}
