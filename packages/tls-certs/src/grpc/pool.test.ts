import { describe, expect, it } from 'vitest';
import { Pool } from './pool.js';

describe('Pool', () => {
  it('has the oldest of the address with most go', () => {
    const pool = new Pool<string>(3);
    expect([pool.add('a', 'a1'), pool.add('a', 'a2'), pool.add('b', 'b1')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(pool.add('c', 'c1')).toBe('a1');
    expect(pool.items()).toEqual(['a2', 'b1', 'c1']);
  });

  it('refuses the new one if no other may go', () => {
    const busy = new Set(['a1', 'a2']);
    const pool = new Pool<string>(10, (item) => !busy.has(item), 2);
    pool.add('a', 'a1');
    pool.add('a', 'a2');
    expect(pool.add('a', 'a3')).toBe('a3');
    busy.delete('a2');
    expect(pool.add('a', 'a3')).toBe('a2');
    expect([...pool.of('a')]).toEqual(['a1', 'a3']);
    expect(pool.add('b', 'b1')).toBeUndefined();
  });

  it('forgets what is deleted', () => {
    const pool = new Pool<string>(1);
    pool.add('a', 'a1');
    expect([pool.delete('a1'), pool.delete('a1'), pool.size, [...pool]]).toEqual([true, false, 0, []]);
  });
});
