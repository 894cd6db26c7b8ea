import { beforeEach, expect, it } from 'vitest';
import { Events } from './events.js';

let failed: string[];
let events: Events<{ a: [number]; b: [] }>;
let heard: string[];
beforeEach(() => {
  failed = [];
  heard = [];
  events = new Events((error, event) => void failed.push(`${String(event)}: ${String(error)}`));
});

it('each listener hears of its own event, until it is taken away', () => {
  const off = events.on('a', (n) => heard.push(`first ${n}`));
  events.on('a', (n) => heard.push(`second ${n}`));
  events.on('b', () => heard.push('b'));
  events.emit('a', 1);
  off();
  off();
  events.emit('a', 2);
  expect(heard).toEqual(['first 1', 'second 1', 'second 2']);
});

it('what is under way is heard by all that listened when it began', () => {
  const off: () => void = events.on('a', () => off());
  events.on('a', (n) => {
    heard.push(`second ${n}`);
    events.on('a', () => heard.push('late'));
  });
  events.emit('a', 1);
  expect(heard).toEqual(['second 1']);
});

it('nobody hears anything after the end', () => {
  events.on('a', () => heard.push('a'));
  expect([events.has('a'), events.has('b')]).toEqual([true, false]);
  events.clear();
  events.emit('a', 1);
  expect([heard, events.has('a')]).toEqual([[], false]);
});

it('a listener that fails, now or later, does not keep others from it', async () => {
  events.on('a', () => {
    throw new Error('now');
  });
  events.on('a', async () => {
    throw new Error('later');
  });
  events.on('a', (n) => heard.push(`last ${n}`));
  events.emit('a', 1);
  expect([heard, failed]).toEqual([['last 1'], ['a: Error: now']]);
  await Promise.resolve();
  expect(failed).toEqual(['a: Error: now', 'a: Error: later']);
});
