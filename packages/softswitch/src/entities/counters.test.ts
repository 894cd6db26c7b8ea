import { insert, modify, remove } from '@infra-offload/p4rt';
import type { CounterData, Entity } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { forwardingOf, readAll, smallConfig, tryRead, tryUpdate } from '../testing/forwarding.js';

const COUNTER = 0x12000001;
const REGISTER = 0x16000001;

function counter(index: bigint | undefined, data?: CounterData, counterId = COUNTER): Entity {
  return {
    entity: {
      $case: 'counterEntry',
      value: { counterId, index: index === undefined ? undefined : { index }, data },
    },
  };
}

function register(index: bigint | undefined, ...value: number[]): Entity {
  const data = { data: { $case: 'bitstring' as const, value: Uint8Array.from(value) } };
  return {
    entity: {
      $case: 'registerEntry',
      value: { registerId: REGISTER, index: index === undefined ? undefined : { index }, data },
    },
  };
}

const count = (byteCount: bigint): CounterData => ({ byteCount, packetCount: 0n });

describe('counters', () => {
  it('C1 are modified by index and all at once, and read the same ways', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(tryUpdate(forwarding, modify(counter(undefined, count(1n))))).toBe('OK');
    expect(tryUpdate(forwarding, modify(counter(3n, count(9n))))).toBe('OK');
    expect(tryUpdate(forwarding, modify(counter(4n)))).toBe('OK');
    expect(readAll(forwarding, counter(3n))).toEqual([counter(3n, count(9n))]);
    const expected = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((i) => counter(i, count(i === 3n ? 9n : 1n)));
    expect(readAll(forwarding, counter(undefined))).toEqual(expected);
    expect(readAll(forwarding, counter(undefined, undefined, 0))).toEqual(expected);
  });

  it('C2 are never inserted or deleted; the index is checked', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(tryUpdate(forwarding, insert(counter(1n)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, remove(counter(1n)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(counter(-1n, count(1n))))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(counter(8n, count(1n))))).toBe('OUT_OF_RANGE');
    expect(tryUpdate(forwarding, modify(counter(1n, count(-1n))))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(counter(1n, count(1n), 5)))).toBe('NOT_FOUND');
    expect(tryRead(forwarding, counter(8n))).toBe('OUT_OF_RANGE');
    expect(tryRead(forwarding, counter(1n, undefined, 5))).toBe('NOT_FOUND');
  });
});

describe('registers', () => {
  it('C10 are modified and read by index and all at once', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(tryUpdate(forwarding, modify(register(undefined, 7)))).toBe('OK');
    expect(tryUpdate(forwarding, modify(register(2n, 0, 1, 2)))).toBe('OK');
    expect(readAll(forwarding, register(2n))).toEqual([register(2n, 1, 2)]);
    expect(readAll(forwarding, register(undefined))).toHaveLength(4);
  });

  it('C11 are never inserted; index and width are checked', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(tryUpdate(forwarding, insert(register(1n, 1)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(register(-1n, 1)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(register(4n, 1)))).toBe('OUT_OF_RANGE');
    expect(tryUpdate(forwarding, modify(register(1n, 1, 0, 0)))).toBe('OUT_OF_RANGE');
  });
});
