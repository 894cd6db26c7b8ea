import { describe, expect, it, vi } from 'vitest';
import { Guard } from './guard.js';

describe('Guard', () => {
  it('tells what handlers throw, and what they are rejected with', async () => {
    const faults: unknown[] = [];
    const guard = new Guard((error) => faults.push(error));
    guard.handler(() => {
      throw 'thrown';
    })();
    guard.handler(async () => {
      throw 'rejected';
    })();
    await expect.poll(() => faults).toEqual(['thrown', 'rejected']);
  });

  it('passes arguments on, and returns nothing', () => {
    const handle = vi.fn(() => 'result');
    const handler: (...args: [number, string]) => void = new Guard(() => {}).handler(handle);
    expect(handler(1, 'two')).toBeUndefined();
    expect(handle).toHaveBeenCalledWith(1, 'two');
  });

  it('does soon, once, what is asked for several times, and again when it is asked for later', async () => {
    const faults: unknown[] = [];
    let turns = 0;
    const soon = new Guard((error) => faults.push(error)).soon(() => {
      turns++;
      if (turns === 1) soon();
      throw turns;
    });
    soon();
    soon();
    expect(turns).toBe(0);
    await Promise.resolve();
    expect(turns).toBe(1);
    await Promise.resolve();
    expect(turns).toBe(2);
    soon();
    await Promise.resolve();
    expect(faults).toEqual([1, 2, 3]);
  });

  it('makes a fault of the one who is told a warning', async () => {
    const warned = new Promise((resolve) => process.once('warning', resolve));
    const guard = new Guard(() => {
      throw new Error('the log is full');
    });
    guard.run(() => {
      throw new Error('first');
    });
    expect(await warned).toMatchObject({ message: 'the log is full' });
  });
});
