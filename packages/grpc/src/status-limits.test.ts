import { connect } from 'node:http2';
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { callRaw, trailersSize } from '@infra-offload/faults';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_STATUS_BYTES, roomOf, statusBytes, statusLimits } from './status-limits.js';

const bytes = (value: Buffer) => value;
const service = {
  fail: {
    path: '/test/Fail',
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
};

let server: Server;
let address: string;
let details: string;
let metadata: Metadata;
let room: number | undefined;

beforeEach(async () => {
  details = 'refused';
  metadata = new Metadata();
  server = new Server({ interceptors: [statusLimits] });
  server.addService(service, {
    fail: (
      call: { metadata: Metadata },
      callback: (error: { code: status; details: string; metadata: Metadata }) => void,
    ) => {
      room = statusBytes(call);
      callback({ code: status.ABORTED, details, metadata });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  address = `127.0.0.1:${port}`;
});

afterEach(() => server.forceShutdown());

describe('statusLimits', () => {
  it.each([
    [8_192, 7_680],
    [16_384, 7_680],
    [4_096, 3_584],
    [32_768, 25_702],
    [undefined, 56_832],
    [100, 0],
  ])('takes what a client announces as its limit: %s', async (maxHeaderListSize, expected) => {
    details = 'é'.repeat(50_000);
    metadata.set('details-bin', Buffer.alloc(30_000));
    const trailers = await callRaw(address, '/test/Fail', { maxHeaderListSize });
    expect(room).toBe(expected);
    expect(trailers['grpc-status']).toBe(String(status.ABORTED));
    expect(trailersSize(trailers)).toBeLessThanOrEqual(Math.max(maxHeaderListSize ?? 57_344, 512));
  });

  it('leaves alone what fits', async () => {
    metadata.set('details-bin', Buffer.alloc(5_000));
    const trailers = await callRaw(address, '/test/Fail', { maxHeaderListSize: 8_192 });
    expect(trailers).toMatchObject({ 'grpc-message': 'refused' });
    expect(String(trailers['details-bin'])).toHaveLength(6_668);
  });

  it('leaves metadata out that does not fit, and says so', async () => {
    metadata.set('details-bin', Buffer.alloc(6_000));
    const trailers = await callRaw(address, '/test/Fail', { maxHeaderListSize: 8_192 });
    expect(trailers['details-bin']).toBeUndefined();
    expect(decodeURI(String(trailers['grpc-message']))).toBe(
      '8043 bytes of metadata left out, more than the client takes: refused',
    );
  });

  it('sends texts that are no well-formed UTF-16, which would end the process otherwise', async () => {
    details = 'the name \udfff';
    const trailers = await callRaw(address, '/test/Fail', {});
    expect(decodeURI(String(trailers['grpc-message']))).toBe('the name \ufffd');
  });

  it('serves a client that is gone before it is answered', async () => {
    const session = connect(`http://${address}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/test/Fail',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.end(Buffer.alloc(5));
    stream.close();
    await new Promise<void>((resolve) => session.close(resolve));
    expect(await callRaw(address, '/test/Fail', {})).toMatchObject({ 'grpc-message': 'refused' });
  });
});

describe('roomOf', () => {
  it('assumes little of a client that is not known', () => {
    expect(roomOf(undefined)).toBe(DEFAULT_STATUS_BYTES);
  });
});
