import { status } from '@grpc/grpc-js';
import { callRaw, trailersSize } from '@infra-offload/faults';
import { AddPodRequest, OffloadService, SyncRequest } from '@infra-offload/infra-api';
import { beforeEach, expect, it } from 'vitest';
import type { Manager } from '../manager.js';
import { startReady, world, worldForEachTest } from '../testing/world.js';

/** What clients on C-core and Java take. */
const LIMIT = 8_192;

let manager: Manager;

worldForEachTest();
beforeEach(async () => {
  ({ manager } = await startReady(world));
});

const long = 'é% '.repeat(50_000);
const badPod = AddPodRequest.encode(
  AddPodRequest.fromPartial({ pod: { attachmentId: long, addresses: [long] } }),
);
const badChange = SyncRequest.encode(
  SyncRequest.fromPartial({
    changes: [{ revision: 1n, change: { $case: 'remove', value: { kind: 2, name: long } } }],
  }),
);

it.each([
  ['AddPod', OffloadService.addPod.path, badPod.finish()],
  ['Sync', OffloadService.sync.path, badChange.finish()],
])(
  '%s refuses what is wrong in a status that every client takes, however long names are',
  async (_, path, message) => {
    const trailers = await callRaw(manager.address, path, { maxHeaderListSize: LIMIT, message });
    expect(trailers['grpc-status']).toBe(String(status.INVALID_ARGUMENT));
    expect(trailersSize(trailers)).toBeLessThanOrEqual(LIMIT);
    expect(() => decodeURIComponent(String(trailers['grpc-message']))).not.toThrow();
  },
);
