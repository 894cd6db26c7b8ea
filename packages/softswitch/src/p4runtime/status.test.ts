import { status } from '@grpc/grpc-js';
import { encodedLength } from '@infra-offload/grpc';
import { Error as P4Error, Status } from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SoftswitchError } from '../errors.js';
import { batchFailure, type ServiceFailure } from './status.js';

/** What clients on C-core and Java take, less other headers. */
const USUAL = 7_680;

function details(failure: ServiceFailure): { code: string | undefined; message: string }[] {
  const [bytes] = failure.metadata?.get('grpc-status-details-bin') ?? [];
  if (!(bytes instanceof Buffer)) return [];
  return Status.decode(bytes).details.map(({ typeUrl, value }) => {
    expect(typeUrl.endsWith('/p4.v1.Error')).toBe(true);
    const { canonicalCode, message } = P4Error.decode(value);
    return { code: status[canonicalCode], message };
  });
}

function size({ details: text, metadata }: ServiceFailure): number {
  let sum = encodedLength(text);
  for (const [name, value] of Object.entries(metadata?.toHttp2Headers() ?? {})) {
    sum += name.length + String(value).length + 32;
  }
  return sum;
}

function failures(count: number, text: string): SoftswitchError[] {
  return Array.from({ length: count }, () => new SoftswitchError('NOT_FOUND', text));
}

describe('batchFailure', () => {
  it('fits what the client takes, with all codes at their places or none (property)', () => {
    const result = fc.option(
      fc
        .tuple(
          fc.constantFrom('NOT_FOUND', 'INVALID_ARGUMENT'),
          fc.string({ maxLength: 400, unit: 'grapheme' }),
        )
        .map(([code, text]) => new SoftswitchError(code, text)),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        fc.array(result, { minLength: 1, maxLength: 400 }),
        fc.integer({ min: 0, max: 60_000 }),
        (results, room) => {
          const failure = batchFailure('updates', results, room);
          expect(failure.code).toBe(status.UNKNOWN);
          expect(size(failure)).toBeLessThanOrEqual(room);
          const told = details(failure);
          if (told.length > 0) {
            expect(told.map(({ code }) => code)).toEqual(results.map((error) => error?.code ?? 'OK'));
          }
        },
      ),
    );
  });

  it('tells texts whole where there is room', () => {
    const failure = batchFailure('updates', [undefined, ...failures(1, 'no such entry')], USUAL);
    expect(details(failure)).toEqual([
      { code: 'OK', message: '' },
      { code: 'NOT_FOUND', message: 'no such entry' },
    ]);
    expect(failure.details).toBe('1 of 2 updates failed; #1: NOT_FOUND: no such entry');
  });

  it('shortens texts first', () => {
    const told = details(batchFailure('updates', failures(60, 'x'.repeat(240)), USUAL));
    expect(told).toHaveLength(60);
    expect(told.every(({ message }) => /^x{20,}…$/.test(message))).toBe(true);
  });

  it('keeps the codes when there is no room for texts', () => {
    const told = details(batchFailure('updates', failures(200, 'x'.repeat(240)), USUAL));
    expect(told).toHaveLength(200);
    expect(new Set(told.map(({ code, message }) => `${code} ${message}`))).toEqual(new Set(['NOT_FOUND ']));
  });

  it('says in the end that details are left out, and what to do', () => {
    const failure = batchFailure('updates', failures(500, 'x'.repeat(240)), USUAL);
    expect(failure.metadata).toBeUndefined();
    expect(failure.details).toMatch(
      /^500 of 500 updates failed; the status of each does not fit the 7680 bytes .*: send smaller batches; first failures: #0 NOT_FOUND, #1/,
    );
  });
});
