import { ReadResponse } from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteWriter } from '../dataplane/host/wire.js';
import { forwardingOf, small, smallConfig } from '../testing/forwarding.js';
import { LearnedEncoder } from './learned-encoder.js';

const { entity } = small.table('recent').all();
const { tableId = 0 } = entity?.$case === 'tableEntry' ? entity.value : {};
const { table } = forwardingOf(smallConfig()).table(tableId);
const SEEN = 16_777_220;
const ACTIONS = [
  { name: 'elsewhere', params: [] },
  { name: 'seen', params: [4] },
];
const TIMEOUTS = [1, 120, 86_400, 0xffff_ffff];

const entries = fc.array(
  fc.record({
    source: fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }),
    type: fc.integer({ min: 0, max: 0xffff }),
    port: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 300 })),
    isSeen: fc.boolean(),
    timeout: fc.oneof(fc.integer({ min: 0, max: TIMEOUTS.length - 1 }), fc.constant(0xffff)),
    left: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
  { maxLength: 40 },
);

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
/** As P4Runtime wants it: no leading zeros. */
const isCanonical = (bytes: Uint8Array): boolean =>
  bytes.length === 1 || (bytes.length > 1 && bytes[0] !== 0);

it('learned entries are what a reader of P4Runtime takes them for', () => {
  fc.assert(
    fc.property(entries, fc.boolean(), (list, withTimes) => {
      const writer = new ByteWriter();
      for (const { source, type, port, isSeen, timeout, left } of list) {
        writer
          .integer(source, 6)
          .integer(type, 2)
          .u16(isSeen ? 1 : 0);
        if (isSeen) writer.integer(port, 4);
        writer.u16(timeout).u32(left);
      }
      const layout = { key: [6, 2], actions: ACTIONS, timeouts: TIMEOUTS };
      const piece = { count: list.length, bytes: Buffer.from(writer.view()) };
      const messages = [...new LearnedEncoder(table, layout, withTimes).encode(piece)];
      const told = messages
        .flatMap(({ bytes }) => ReadResponse.decode(bytes).entities.toReversed())
        .map(({ entity: one }) =>
          one?.$case === 'tableEntry' ? one.value : expect.unreachable('no table entry'),
        );
      expect(told.length).toBe(list.length);
      for (const [i, { source, type, port, isSeen, timeout, left }] of list.entries()) {
        const entry = told[i] ?? expect.unreachable('missing');
        const values = entry.match.map(({ fieldMatchType: one }) =>
          one?.$case === 'exact' ? one.value.value : new Uint8Array(0),
        );
        expect(entry.match.map(({ fieldId }) => fieldId)).toEqual([1, 2]);
        expect(values.map(numberOf)).toEqual([source, BigInt(type)]);
        const action = entry.action?.type?.$case === 'action' ? entry.action.type.value : undefined;
        expect(action?.actionId).toBe(isSeen ? SEEN : undefined);
        const params = action?.params ?? [];
        expect(params.map(({ paramId, value }) => [paramId, numberOf(value)])).toEqual(
          isSeen ? [[1, BigInt(port)]] : [],
        );
        for (const value of [...values, ...params.map((param) => param.value)])
          expect(isCanonical(value)).toBe(true);
        const seconds = TIMEOUTS[timeout];
        expect(entry.idleTimeoutNs).toBe(BigInt(seconds ?? 0) * 1_000_000_000n);
        const elapsed = entry.timeSinceLastHit?.elapsedNs;
        if (!withTimes || seconds === undefined) expect(elapsed).toBeUndefined();
        else expect(Number(elapsed)).toBe(Math.max(0, seconds * 1000 - left) * 1e6);
      }
    }),
  );
});
