import { expect, it } from 'vitest';
import { Listeners } from './listeners.js';

it('calls all who listen, until they do not any more', () => {
  const heard: string[] = [];
  const listeners = new Listeners<[what: string, times: number]>();
  const end = listeners.add((what, times) => heard.push(`a ${what} ${times}`));
  listeners.add((what) => heard.push(`b ${what}`));
  listeners.emit('x', 2);
  end();
  end();
  listeners.emit('y', 1);
  expect(heard).toEqual(['a x 2', 'b x', 'b y']);
  expect(listeners.size).toBe(1);
  listeners.clear();
  listeners.emit('z', 1);
  expect(heard).toHaveLength(3);
});
