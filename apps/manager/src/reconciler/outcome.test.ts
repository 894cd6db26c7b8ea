import type { WriteFailure } from '@infra-offload/p4rt';
import type { Operation } from '@infra-offload/reconciler';
import type { ToyRow } from '@infra-offload/reconciler/testing';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './outcome.js';

type Code = WriteFailure['code'];
type Kind = Operation<ToyRow>['kind'];

function outcome(code: Code, kind: Kind = 'insert', sent = true) {
  const update = { type: 1, entity: undefined };
  const failure: WriteFailure = { index: 0, update, code, message: 'why', sent, entry: 'leaf 1' };
  const operation = { kind, row: { table: 'leaf', id: 1, value: 1 } } as Operation<ToyRow>;
  const { outcome: found, suspicion } = outcomeOf(failure, operation);
  return [found.kind, 'reason' in found ? found.reason : undefined, suspicion];
}

describe('the failure of an update', () => {
  it.each<[Code, Kind, ReturnType<typeof outcome>]>([
    ['ALREADY_EXISTS', 'insert', ['exists', undefined, 'none']],
    ['ALREADY_EXISTS', 'modify', ['refused', 'WriteFailed', 'none']],
    ['NOT_FOUND', 'insert', ['refused', 'WriteFailed', 'none']],
    ['NOT_FOUND', 'modify', ['absent', undefined, 'none']],
    ['NOT_FOUND', 'delete', ['absent', undefined, 'none']],
    ['RESOURCE_EXHAUSTED', 'insert', ['refused', 'TableFull', 'none']],
    ['DEADLINE_EXCEEDED', 'insert', ['unknown', 'WriteTimeout', 'none']],
    ['UNKNOWN', 'insert', ['unknown', 'WriteFailed', 'none']],
    ['INTERNAL', 'insert', ['unknown', 'WriteFailed', 'none']],
    ['UNAVAILABLE', 'insert', ['unknown', 'TargetUnavailable', 'disconnected']],
    ['CANCELLED', 'insert', ['unknown', 'TargetUnavailable', 'disconnected']],
    ['PERMISSION_DENIED', 'insert', ['unsent', undefined, 'not-primary']],
    ['UNAUTHENTICATED', 'insert', ['unsent', undefined, 'not-primary']],
    ['FAILED_PRECONDITION', 'insert', ['refused', 'WriteFailed', 'pipeline']],
    ['INVALID_ARGUMENT', 'insert', ['refused', 'WriteFailed', 'none']],
    ['OUT_OF_RANGE', 'insert', ['refused', 'WriteFailed', 'none']],
    ['UNIMPLEMENTED', 'insert', ['refused', 'WriteFailed', 'none']],
    ['ABORTED', 'insert', ['refused', 'WriteFailed', 'none']],
    ['DATA_LOSS', 'insert', ['refused', 'WriteFailed', 'none']],
  ])('%s of an %s', (code, kind, expected) => expect(outcome(code, kind)).toEqual(expected));

  it.each<Code>(['DEADLINE_EXCEEDED', 'UNKNOWN', 'INTERNAL', 'UNAVAILABLE', 'CANCELLED'])(
    '%s says that nothing was done, if the update was never sent',
    (code) => expect(outcome(code, 'insert', false)[0]).toBe('unsent'),
  );

  it('says which entry, and why if the device told', () => {
    const failure = {
      index: 0,
      update: { type: 1, entity: undefined },
      sent: true,
      entry: 'leaf 1',
    } as const;
    const operation = { kind: 'insert', row: { table: 'leaf', id: 1, value: 1 } } as Operation<ToyRow>;
    const said = (message: string) => outcomeOf({ ...failure, code: 'ABORTED', message }, operation).outcome;
    expect(said('why')).toMatchObject({ message: 'leaf 1: ABORTED: why' });
    expect(said('')).toMatchObject({ message: 'leaf 1: ABORTED' });
  });
});
