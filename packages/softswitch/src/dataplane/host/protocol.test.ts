import { expect, it } from 'vitest';
import { type Description, readDescription, writeDescription } from './protocol.js';
import { ByteReader } from './wire.js';

const DESCRIPTION: Description = {
  actions: [{ name: 'send', params: [4, 6] }],
  tables: [
    {
      name: 't',
      exact: true,
      keyless: false,
      defaultIsConst: true,
      size: 16,
      fields: [4],
      actions: [0],
      timeouts: 0,
    },
  ],
  learners: [],
  selectors: [{ name: 's', groups: 4, slots: 8 }],
  registers: [{ name: 'r', size: 9 }],
  meters: [{ name: 'm', size: 3 }],
};
const read = (bytes: Uint8Array) => readDescription(new ByteReader(Buffer.from(bytes)));

it('a description is read as it was written, and that of a host from before there were meters, too', () => {
  const bytes = writeDescription(DESCRIPTION);
  expect(read(bytes)).toEqual(DESCRIPTION);
  const without = writeDescription({ ...DESCRIPTION, meters: [] });
  expect(read(without.subarray(0, -2))).toEqual({ ...DESCRIPTION, meters: [] });
});
