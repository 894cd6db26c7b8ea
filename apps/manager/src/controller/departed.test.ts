import { describe, expect, it } from 'vitest';
import { DepartedAddresses } from './departed.js';

const KEEP_MS = 100;

function addresses() {
  const stored = new Map<number, number>();
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
    departed.arrive(7);
    departed.arrive(7);
    expect(departed.depart(7)).toBe(false);
    expect(departed.has(7)).toBe(false);
    expect(departed.depart(7)).toBe(true);
    expect(departed.has(7)).toBe(true);
    expect([...stored]).toEqual([[7, 1_000]]);
    clock.now += KEEP_MS - 1;
    expect(departed.has(7)).toBe(true);
    clock.now += 1;
    expect(departed.has(7)).toBe(false);
  });

  it('is back with the next pod', () => {
    const { departed, stored } = addresses();
    departed.arrive(7);
    departed.depart(7);
    departed.arrive(7);
    expect(departed.has(7)).toBe(false);
    expect([...stored]).toEqual([]);
    expect(departed.depart(7)).toBe(true);
  });

  it('departs even if nobody knew of its pod, and anew each time', () => {
    const { departed, stored, clock } = addresses();
    expect(departed.depart(8)).toBe(true);
    clock.now += 60;
    expect(departed.depart(8)).toBe(true);
    clock.now += 60;
    expect(departed.has(8)).toBe(true);
    expect([...stored]).toEqual([[8, 1_060]]);
  });

  it('is forgotten when its time is over and another departs', () => {
    const { departed, stored, clock } = addresses();
    departed.depart(1);
    clock.now += 50;
    departed.depart(2);
    clock.now += 50;
    departed.depart(3);
    expect([...stored.keys()]).toEqual([2, 3]);
  });

  it('is taken up as it was stored, as far as its time is not over', () => {
    const { departed, stored, clock } = addresses();
    for (const [address, at] of [
      [1, 900],
      [2, 950],
    ] as const)
      stored.set(address, at);
    departed.restore([...stored]);
    expect([departed.has(1), departed.has(2)]).toEqual([false, true]);
    expect([...stored.keys()]).toEqual([2]);
    clock.now = 1_050;
    expect(departed.has(2)).toBe(false);
  });
});
