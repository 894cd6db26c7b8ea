import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { safeParse } from './safe-parse.js';

const schema = z.object({ name: z.string().max(3) });

describe('safeParse', () => {
  it('gives what the schema makes of a value', () => {
    expect(safeParse(schema, { name: 'web' })).toEqual({ success: true, data: { name: 'web' } });
    expect(safeParse(schema, { name: 'webs' }).error?.issues).toMatchObject([{ path: ['name'] }]);
  });

  it.each([
    { length: { toString: 1 } },
    { length: JSON.parse('{"valueOf": {}, "toString": {}}') },
    { length: Object.create(null) },
  ])('refuses %j', (name) => {
    expect(() => schema.safeParse({ name })).toThrow(TypeError);
    expect(safeParse(schema, { name }).error?.issues).toMatchObject([
      { message: expect.stringMatching(/length/) },
    ]);
  });

  it('passes on what is thrown for another reason', () => {
    const broken = z.string().transform(() => {
      throw new RangeError('broken');
    });
    expect(() => safeParse(broken, '')).toThrow('broken');
  });
});
