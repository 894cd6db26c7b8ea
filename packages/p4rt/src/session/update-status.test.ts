import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { Status } from '../gen/google/rpc/status.js';
import { Error as UpdateError } from '../gen/p4/v1/p4runtime.js';
import { updateStatuses } from './update-status.js';

type Any = Status['details'][number];

const one = (canonicalCode: number, more: { space?: string; code?: number } = {}): Any => ({
  typeUrl: 'type.googleapis.com/p4.v1.Error',
  value: UpdateError.encode({
    canonicalCode,
    message: canonicalCode === 0 ? '' : 'why',
    space: '',
    code: 0,
    details: undefined,
    ...more,
  }).finish(),
});

function failure(details: readonly Any[] | Buffer | undefined): ServiceError {
  const metadata = new Metadata();
  if (Buffer.isBuffer(details)) metadata.set('grpc-status-details-bin', details);
  else if (details !== undefined) {
    const bytes = Status.encode({ code: status.UNKNOWN, message: '', details: [...details] }).finish();
    metadata.set('grpc-status-details-bin', Buffer.from(bytes));
  }
  return Object.assign(new Error('failed'), { code: status.UNKNOWN, details: 'failed', metadata });
}

it('each update has the status in its place', () => {
  expect(updateStatuses(failure([one(0), one(status.NOT_FOUND)]), 2)).toEqual([
    { kind: 'ok' },
    { kind: 'failed', code: 'NOT_FOUND', message: 'why' },
  ]);
});

it.each([
  [
    { space: 'asic', code: 7 },
    { space: 'asic', code: 7 },
  ],
  [{ space: 'asic' }, { space: 'asic', code: 0 }],
  [{ code: 7 }, { space: '', code: 7 }],
])('the code of the target is told if there is one: %j', (more, target) => {
  expect(updateStatuses(failure([one(status.INTERNAL, more)]), 1)).toEqual([
    { kind: 'failed', code: 'INTERNAL', message: 'why', target },
  ]);
});

it('a status that is missing, of another type, or damaged is unknown', () => {
  const refused = one(status.NOT_FOUND);
  const other = { ...refused, typeUrl: 'type.googleapis.com/google.rpc.BadRequest' };
  const damaged = { ...refused, value: Uint8Array.of(0xff, 0xff) };
  expect(updateStatuses(failure([other, damaged, refused]), 4)?.map(({ kind }) => kind)).toEqual([
    'unknown',
    'unknown',
    'failed',
    'unknown',
  ]);
});

it.each<[string, readonly Any[] | Buffer | undefined]>([
  ['no details', undefined],
  ['an empty list', []],
  ['nothing but success, which contradicts the failure', [one(0), one(0)]],
  ['what is no Status', Buffer.of(0xff, 0xff, 0xff)],
])('%s says nothing', (_, details) => expect(updateStatuses(failure(details), 2)).toBeUndefined());

it('an error that comes from no server says nothing', () => {
  const { metadata: _, ...rest } = failure([one(status.NOT_FOUND)]);
  expect(updateStatuses(rest as ServiceError, 1)).toBeUndefined();
});
