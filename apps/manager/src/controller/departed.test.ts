import { type IPv4, ipv4 } from '@infra-offload/net';
import { describe, expect, it } from 'vitest';
import { DepartedAddresses } from './departed.js';

const KEEP_MS = 100;
const [A, B, C] = [ipv4('10.0.0.1'), ipv4('10.0.0.2'), ipv4('10.0.0.3')];

function addresses() {
  const stored = new Map<IPv4, number>();
  const clock = { now: 1_000 };
  const departed = new DepartedAddresses(
    {
      departAddress: (address, at) => void stored.set(address, at),
      returnAddress: (address) => void stored.delete(address),
    },
    KEEP_MS,
    () => clock.now,
  );
  return { departed, stored, clock };
}

describe('the address of a pod', () => {
  it('has departed with its last pod, for as long as drains last', () => {
    const { departed, stored, clock } = addresses();
    departed.arrive(A);
    departed.arrive(A);
    expect(departed.depart(A)).toBe(false);
    expect(departed.has(A)).toBe(false);
    expect(departed.depart(A)).toBe(true);
    expect(departed.has(A)).toBe(true);
    expect([...stored]).toEqual([[A, 1_000]]);
    clock.now += KEEP_MS - 1;
    expect(departed.has(A)).toBe(true);
    clock.now += 1;
    expect(departed.has(A)).toBe(false);
  });

  it('is back with the next pod', () => {
    const { departed, stored } = addresses();
    departed.arrive(A);
    departed.depart(A);
    departed.arrive(A);
    expect(departed.has(A)).toBe(false);
    expect([...stored]).toEqual([]);
    expect(departed.depart(A)).toBe(true);
  });

  it('departs even if nobody knew of its pod, and anew each time', () => {
    const { departed, stored, clock } = addresses();
    expect(departed.depart(B)).toBe(true);
    clock.now += 60;
    expect(departed.depart(B)).toBe(true);
    clock.now += 60;
    expect(departed.has(B)).toBe(true);
    expect([...stored]).toEqual([[B, 1_060]]);
  });

  it('is forgotten when its time is over and another departs', () => {
    const { departed, stored, clock } = addresses();
    departed.depart(A);
    clock.now += 50;
    departed.depart(B);
    clock.now += 50;
    departed.depart(C);
    expect([...stored.keys()]).toEqual([B, C]);
  });

  it('is taken up as it was stored, as far as its time is not over', () => {
    const { departed, stored, clock } = addresses();
    for (const [address, at] of [
      [A, 900],
      [B, 950],
    ] as const)
      stored.set(address, at);
    departed.restore([...stored]);
    expect([departed.has(A), departed.has(B)]).toEqual([false, true]);
    expect([...stored.keys()]).toEqual([B]);
    clock.now = 1_050;
    expect(departed.has(B)).toBe(false);
  });
});
