import { POD_GATEWAY_MAC } from '@infra-offload/net';
import { P4rtError } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { dpdkDriver } from '../drivers/dpdk/driver.js';
import type { PodShare } from '../drivers/dpdk/shares.js';
import { createLoggers } from '../log.js';
import type { Device } from '../reconciler/reconciler.js';
import { ensureSettings } from './settings.js';

const logger = createLoggers({ level: 'silent', modules: {} }).target;
const settingsOf = (podShare?: PodShare) =>
  dpdkDriver({
    gatewayMac: POD_GATEWAY_MAC,
    endsDeniedFlows: true,
    ...(podShare === undefined ? {} : { podShare }),
  }).settings ?? [];
const DETAILS = { address: 'x', method: 'Read', grpcCode: 2, serverMessage: '' };
type Refusal = 'UNIMPLEMENTED' | 'INVALID_ARGUMENT' | 'NOT_FOUND' | 'UNAVAILABLE';
const SHARE: PodShare = { newFlowsPerSecond: 20_000, unansweredFlowsPerSecond: 500 };

/** A device with one meter for all, which fails with `refusal` if there is one. */
function device(refusal?: Refusal) {
  let [config, writes] = [undefined as Meter['config'], 0];
  const fail = () => {
    if (refusal !== undefined) throw new P4rtError(refusal, 'said the target', { details: DETAILS });
  };
  const session: Device = {
    async *read(all: readonly Entity[]) {
      fail();
      const { value } = meterOf(all[0]);
      expect(value.index).toEqual({ index: 0n });
      yield { entity: { $case: 'meterEntry', value: { ...value, config } } };
    },
    async write(updates) {
      fail();
      const { value } = meterOf(updates[0]?.entity);
      expect(value.index).toBeUndefined();
      config = value.config;
      writes++;
    },
  };
  return { session, config: () => config, writes: () => writes };
}

type Meter = ReturnType<typeof meterOf>['value'];

function meterOf(entity: Entity | undefined) {
  if (entity?.entity?.$case !== 'meterEntry') throw new Error('that is no meter');
  return entity.entity;
}

describe('the share of pods', () => {
  it('is written for all ports, once', async () => {
    const { session, config, writes } = device();
    for (let i = 0; i < 3; i++) expect(await ensureSettings(session, settingsOf(SHARE), logger)).toEqual([]);
    expect(writes()).toBe(1);
    expect(config()).toEqual({ cir: 500n, cburst: 16_000n, pir: 20_000n, pburst: 20_000n, eburst: 0n });
  });

  it('can be changed, and taken away', async () => {
    const { session, config } = device();
    await ensureSettings(session, settingsOf(SHARE), logger);
    await ensureSettings(session, settingsOf({ ...SHARE, newFlowsPerSecond: 100 }), logger);
    expect(config()).toMatchObject({ cir: 100n, cburst: 100n, pir: 100n, pburst: 100n });
    await ensureSettings(session, settingsOf({ ...SHARE, newFlowsPerSecond: 0 }), logger);
    expect(config()).toBeUndefined();
  });

  it.each<Refusal>(['UNIMPLEMENTED', 'INVALID_ARGUMENT', 'NOT_FOUND'])(
    'is missing, and that is told, where the target says %s',
    async (code) => {
      expect(await ensureSettings(device(code).session, settingsOf(SHARE), logger)).toEqual([
        expect.stringMatching(/^no shares of flows: /),
      ]);
      expect(await ensureSettings(device(code).session, settingsOf(), logger)).toEqual([]);
    },
  );

  it('is tried again where the target is away', async () => {
    await expect(
      ensureSettings(device('UNAVAILABLE').session, settingsOf(SHARE), logger),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
