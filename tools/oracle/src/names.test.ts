import { describe, expect, it } from 'vitest';
import { Names } from './names.js';

describe('Names', () => {
  it('calls the endpoint that was chosen first by the first name', () => {
    const names = new Names();
    names.choose('web-2', ['web-1', 'web-2']);
    expect(names.nameOf('web-2')).toBe('web-1');
    expect(names.pod('web-1')).toBe('web-2');
    expect(names.nameOf('web-1')).toBe('web-2');
    expect(names.meant('client')).toBe('client');
    expect(names.meant('outside')).toBe('outside');
  });

  it('keeps the names that have been given', () => {
    const names = new Names();
    names.choose('web-1', ['web-1', 'web-2']);
    names.choose('web-2', ['web-1', 'web-2']);
    expect(names.nameOf('web-2')).toBe('web-2');
  });

  it('takes no name from who is the only one', () => {
    const names = new Names();
    names.choose('web-2', ['web-2']);
    names.choose('web-2', ['web-1', 'web-2']);
    expect(names.nameOf('web-2')).toBe('web-1');
  });
});
