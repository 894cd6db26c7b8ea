import { expect, it } from 'vitest';
import { Action_Param, FieldMatch_Exact } from './proto.js';

it('fields of bytes that are not set share one array: tables take several times as long to decode otherwise', () => {
  const { value } = Action_Param.decode(new Uint8Array(0));
  expect(value).toEqual(new Uint8Array(0));
  expect(FieldMatch_Exact.decode(new Uint8Array(0)).value).toBe(value);
});
