import { expect, it } from 'vitest';
import { addressSchema, splitAddress } from './address.js';

it.each([
  ['127.0.0.1:1', true],
  ['localhost:65535', true],
  ['[::1]:50002', true],
  ['a-b.example:80', true],
  ['127.0.0.1', false],
  ['127.0.0.1:0', false],
  ['127.0.0.1:65536', false],
  [':80', false],
  ['::1:80', false],
  ['a b:80', false],
])('%j is an address: %s', (text, is) => {
  expect(addressSchema(1).safeParse(text).success).toBe(is);
});

it('takes port 0 where one listens', () => {
  expect(addressSchema(0).safeParse('127.0.0.1:0').success).toBe(true);
});

it('splits addresses', () => {
  expect(splitAddress('[::1]:80')).toEqual({ host: '::1', port: 80 });
  expect(splitAddress('localhost:0')).toEqual({ host: 'localhost', port: 0 });
});
