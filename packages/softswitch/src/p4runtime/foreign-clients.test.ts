import { callRaw, trailersSize } from '@infra-offload/faults';
import { remove } from '@infra-offload/p4rt';
import { gnmi, Error as P4Error, Status, WriteRequest } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness, uint128 } from '../testing/harness.js';

/** What clients on C-core announce, in older and newer versions, and those of Java. */
const ANNOUNCED = [8_192, 16_384];

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.withPipeline();
});

afterEach(() => harness.stop());

/** Removes so many entries that are not there. */
function write(count: number): Uint8Array {
  const { pod_forward } = k8sDp.tables;
  const action = pod_forward.actions.forward({ port: 1, dst_mac: 2, src_mac: 3, since: 0 });
  const updates = Array.from({ length: count }, (_, n) => remove(pod_forward.entry({ pod_ip: n }, action)));
  return WriteRequest.encode({
    deviceId: 1n,
    roleId: 0n,
    role: '',
    electionId: uint128(1n),
    updates,
    atomicity: 0,
  }).finish();
}

describe.each(ANNOUNCED)('a client that announces %s bytes of metadata', (maxHeaderListSize) => {
  it.each([1, 20, 100, 250])('is told the code of each of %s updates that fail', async (count) => {
    const message = write(count);
    const address = harness.softswitch.p4runtimeAddress;
    const trailers = await callRaw(address, '/p4.v1.P4Runtime/Write', { maxHeaderListSize, message });
    expect(trailers['grpc-status']).toBe('2');
    expect(trailersSize(trailers)).toBeLessThanOrEqual(8_192);
    const { details } = Status.decode(Buffer.from(String(trailers['grpc-status-details-bin']), 'base64'));
    expect(details.map(({ value }) => P4Error.decode(value).canonicalCode)).toEqual(Array(count).fill(5));
  });

  it('is told of 1,000 that fail that it should send fewer', async () => {
    const message = write(1_000);
    const address = harness.softswitch.p4runtimeAddress;
    const trailers = await callRaw(address, '/p4.v1.P4Runtime/Write', { maxHeaderListSize, message });
    expect(trailersSize(trailers)).toBeLessThanOrEqual(8_192);
    expect(decodeURI(String(trailers['grpc-message']))).toContain('send smaller batches');
  });

  it('is told by gNMI what is wrong, however long its path is', async () => {
    const elem = Array.from({ length: 50 }, () => ({ name: 'é%'.repeat(1_000), key: {} }));
    const message = gnmi.GetRequest.encode({
      ...gnmi.GetRequest.fromPartial({}),
      path: [{ origin: '', elem, element: [], target: '' }],
    }).finish();
    const trailers = await callRaw(harness.softswitch.gnmiAddress, '/gnmi.gNMI/Get', {
      maxHeaderListSize,
      message,
    });
    expect(trailers['grpc-status']).not.toBe('0');
    expect(trailersSize(trailers)).toBeLessThanOrEqual(8_192);
    expect(decodeURI(String(trailers['grpc-message']))).toContain('é%');
  });
});
