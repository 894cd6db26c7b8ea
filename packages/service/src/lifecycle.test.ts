import { describe, expect, it } from 'vitest';
import { assemble, Lifecycle } from './lifecycle.js';

describe('Lifecycle', () => {
  it('stops in the opposite order, one after the other, once', async () => {
    const lifecycle = new Lifecycle();
    const seen: string[] = [];
    const part = (name: string) => async () => {
      seen.push(`start ${name}`);
      return async () => {
        await Promise.resolve();
        seen.push(`stop ${name}`);
      };
    };
    await lifecycle.start(part('a'));
    await lifecycle.start(part('b'));
    lifecycle.add(() => seen.push('stop c'));
    expect(lifecycle.isStopping).toBe(false);
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    expect(lifecycle.isStopping).toBe(true);
    expect(seen).toEqual(['start a', 'start b', 'stop c', 'stop b', 'stop a']);
  });

  it('stops what is below something that cannot be stopped, and says so', async () => {
    const seen: string[] = [];
    const lifecycle = new Lifecycle();
    lifecycle.add(() => seen.push('a'));
    lifecycle.add(() => Promise.reject(new Error('b fails')));
    await expect(lifecycle.stop()).rejects.toThrow('b fails');
    expect(seen).toEqual(['a']);
    const two = new Lifecycle();
    for (const name of ['a', 'b']) two.add(() => Promise.reject(new Error(name)));
    await expect(two.stop()).rejects.toMatchObject({ errors: [{ message: 'b' }, { message: 'a' }] });
  });

  it('stops what is added late, too', async () => {
    const lifecycle = new Lifecycle();
    const seen: string[] = [];
    lifecycle.add(() => seen.push('first'));
    lifecycle.add(() => lifecycle.start(() => () => seen.push('added while it stops')));
    await lifecycle.stop();
    lifecycle.add(() => seen.push('added after that'));
    expect(seen).toEqual(['added while it stops', 'first', 'added after that']);
  });

  it('has nothing on its stack that did not start', async () => {
    const lifecycle = new Lifecycle();
    await expect(lifecycle.start(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await lifecycle.stop();
  });
});

describe('assemble', () => {
  it('gives what was made', async () => {
    expect(await assemble(async () => 'whole')).toBe('whole');
  });

  it('stops the parts of what cannot be made', async () => {
    const seen: string[] = [];
    const making = assemble(async (lifecycle) => {
      lifecycle.add(() => Promise.reject(new Error('and does not stop')));
      lifecycle.add(() => seen.push('stopped'));
      throw new Error('does not start');
    });
    await expect(making).rejects.toThrow('does not start');
    expect(seen).toEqual(['stopped']);
  });
});
