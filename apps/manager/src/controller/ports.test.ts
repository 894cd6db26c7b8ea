import { describe, expect, it } from 'vitest';
import type { PortLookup } from '../drivers/driver.js';
import { PortDirectory } from './ports.js';

const known = (port: number): PortLookup => ({ kind: 'known', port });
const missing = (message: string): PortLookup => ({ kind: 'missing', message });

describe('a directory of ports', () => {
  it('tells what it was told, and that which is news', () => {
    const ports = new PortDirectory();
    expect(ports.lookup('a')).toEqual({ kind: 'unknown' });
    const told: readonly (readonly [PortLookup, boolean])[] = [
      [{ kind: 'unknown' }, false],
      [known(1), true],
      [known(1), false],
      [known(2), true],
      [missing('gone'), true],
      [missing('gone'), false],
      [missing('gone for good'), true],
      [known(2), true],
    ];
    for (const [found, isNews] of told) {
      expect(ports.set('a', found), JSON.stringify(found)).toBe(isNews);
      expect(ports.lookup('a')).toEqual(found);
    }
  });

  it('knows who names an interface, and forgets one that nobody names', () => {
    const ports = new PortDirectory();
    expect(ports.use('pod/a', ['x', 'y'])).toEqual(['x', 'y']);
    ports.set('x', known(1));
    ports.set('y', missing('gone'));
    expect(ports.use('pod/b', ['x', 'y'])).toEqual(['y']);
    expect(ports.users('x')).toEqual(['pod/a', 'pod/b']);
    expect(ports.interfaces()).toEqual(['x', 'y']);
    expect(ports.use('pod/a', ['y'])).toEqual(['y']);
    expect(ports.users('x')).toEqual(['pod/b']);
    expect(ports.lookup('x')).toEqual(known(1));
    ports.use('pod/b', []);
    expect(ports.users('x')).toEqual([]);
    expect(ports.interfaces()).toEqual(['y']);
    expect(ports.lookup('x')).toEqual({ kind: 'unknown' });
    expect(ports.users('y')).toEqual(['pod/a']);
    ports.use('pod/b', ['y']);
    expect(ports.users('y')).toEqual(['pod/a', 'pod/b']);
  });

  it('has the ports that are known for the store', () => {
    const ports = new PortDirectory();
    ports.set('x', known(1));
    ports.set('y', missing('gone'));
    ports.set('z', known(3));
    expect(ports.portsOf(['x', 'y', 'z', 'w'])).toEqual({ x: 1, z: 3 });
    expect(ports.portsOf(['y', 'w'])).toBeUndefined();
    expect(ports.portsOf([])).toBeUndefined();
  });
});
