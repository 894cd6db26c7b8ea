/**
 * Build and encode table entries of k8s_dp, on one core: through the typed builders, and by hand from ts-proto
 * messages, in turns within one run. Prints entries per second and the ratio.
 */
import { encode } from '@infra-offload/p4info';
import { insert } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type, WriteRequest } from '@infra-offload/p4rt/proto';
import { k8sDp, k8sDpDescriptor } from '@infra-offload/p4src';

const ENTRIES = 50_000;
const BATCH = 250;
const ROUNDS = 9;

const { service, endpoint } = k8sDp.tables;
const NO_BYTES = new Uint8Array(0);

function handMade(tableId: number, match: Uint8Array[], actionId: number, params: Uint8Array[]): Entity {
  return {
    entity: {
      $case: 'tableEntry',
      value: {
        tableId,
        match: match.map((value, i) => ({
          fieldId: i + 1,
          fieldMatchType: { $case: 'exact', value: { value } },
        })),
        action: {
          type: {
            $case: 'action',
            value: { actionId, params: params.map((value, i) => ({ paramId: i + 1, value })) },
          },
        },
        priority: 0,
        controllerMetadata: 0n,
        meterConfig: undefined,
        counterData: undefined,
        meterCounterData: undefined,
        isDefaultAction: false,
        idleTimeoutNs: 0n,
        timeSinceLastHit: undefined,
        metadata: NO_BYTES,
        isConst: false,
      },
    },
  };
}

const serviceIds = {
  table: k8sDpDescriptor.tables.service.id,
  action: k8sDpDescriptor.tables.service.actions.set_service.id,
};
const endpointIds = {
  table: k8sDpDescriptor.tables.endpoint.id,
  action: k8sDpDescriptor.tables.endpoint.actions.set_endpoint.id,
};

const VARIANTS = {
  service: {
    typed: (i: number) =>
      insert(
        service.entry(
          { dst_ip: 0x0a60_0000 + i, protocol: 6, dst_port: 80 },
          service.actions.set_service({
            group_id: i,
            endpoint_base: i * 256,
            service_id: i,
            flags: 0,
            affinity_profile: 0,
          }),
        ),
      ),
    handMade: (i: number): Update => ({
      type: Update_Type.INSERT,
      entity: handMade(
        serviceIds.table,
        [encode(32, 0x0a60_0000 + i), encode(8, 6), encode(16, 80)],
        serviceIds.action,
        [encode(32, i), encode(32, i * 256), encode(32, i), encode(8, 0), encode(8, 0)],
      ),
    }),
  },
  endpoint: {
    typed: (i: number) =>
      insert(
        endpoint.entry(
          { endpoint_id: i + 1 },
          endpoint.actions.set_endpoint({ ip: 0x0a00_0000 + i, port: 8080, flags: 0 }),
        ),
      ),
    handMade: (i: number): Update => ({
      type: Update_Type.INSERT,
      entity: handMade(endpointIds.table, [encode(32, i + 1)], endpointIds.action, [
        encode(32, 0x0a00_0000 + i),
        encode(16, 8080),
      ]),
    }),
  },
};

function encodeBatch(make: (i: number) => Update, start: number): Uint8Array {
  const updates: Update[] = [];
  for (let i = start; i < start + BATCH; i++) updates.push(make(i));
  return WriteRequest.encode({
    deviceId: 1n,
    roleId: 0n,
    role: '',
    electionId: { high: 0n, low: 1n },
    updates,
    atomicity: 0,
  }).finish();
}

/** Entries per second of one round. */
function round(make: (i: number) => Update): number {
  const start = performance.now();
  let bytes = 0;
  for (let i = 0; i < ENTRIES; i += BATCH) bytes += encodeBatch(make, i).length;
  if (bytes === 0) throw new Error('nothing was encoded');
  return (ENTRIES / (performance.now() - start)) * 1000;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

for (const [table, { typed, handMade: plain }] of Object.entries(VARIANTS)) {
  if (Buffer.compare(encodeBatch(typed, 7), encodeBatch(plain, 7)) !== 0)
    throw new Error(`${table}: bytes differ`);
  const rates = { typed: [] as number[], plain: [] as number[] };
  for (let i = 0; i < ROUNDS; i++) {
    rates.typed.push(round(typed));
    rates.plain.push(round(plain));
  }
  const [ours, theirs] = [median(rates.typed), median(rates.plain)];
  const k = (rate: number) => `${Math.round(rate / 1000)}k/s`;
  console.log(
    `p4rt build+encode ${table.padEnd(8)} typed ${k(ours).padStart(7)}  hand-made ${k(theirs).padStart(7)}  ratio ${(ours / theirs).toFixed(2)}`,
  );
}
