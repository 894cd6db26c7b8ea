import { readFileSync } from 'node:fs';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { P4InfoWarning } from './errors.js';
import { p4InfoTypes, parseP4Info } from './parse.js';
import { P4Info } from './proto.js';
import { pickFrom, randomMessage } from './text/testing/printer.js';
import { writeP4Info } from './write.js';

const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('writeP4Info', () => {
  it.each(['p4src/dpdk/k8s_dp.p4info.txtpb', 'p4src/es2k/k8s_dp.p4info.txtpb'])(
    'writes %s as p4c does',
    (path) => {
      expect(writeP4Info(parseP4Info(file(path)))).toBe(file(path));
    },
  );

  it('writes what parseP4Info reads as the same message', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const p4info = P4Info.decode(randomMessage(p4InfoTypes().type, pickFrom(seed)));
        expect(parseP4Info(writeP4Info(p4info))).toEqual(p4info);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps fields of newer versions, at every level', () => {
    const writer = new BinaryWriter();
    writer.tag(900, WireType.Varint).uint64(2n ** 64n - 1n);
    writer.tag(901, WireType.Bit32).fixed32(7);
    writer.tag(902, WireType.Bit64).fixed64(2n ** 63n);
    writer
      .tag(903, WireType.LengthDelimited)
      .bytes(Uint8Array.of(0, 255, 34))
      .tag(903, WireType.LengthDelimited)
      .string('é');
    const newer = writer.finish();
    const pkgInfo = new BinaryWriter().raw(newer).tag(5, WireType.LengthDelimited).string('pna').finish();
    const wire = new BinaryWriter().raw(newer).tag(1, WireType.LengthDelimited).bytes(pkgInfo);
    const p4info = parseP4Info(wire.finish());
    const text = writeP4Info(p4info);
    expect(text).toContain(String.raw`  900: 18446744073709551615
  901: 0x00000007
  902: 0x8000000000000000
  903: "\000\377\""
  903: "\303\251"
`);
    const warnings: P4InfoWarning[] = [];
    expect(parseP4Info(text, { onWarning: (warning) => warnings.push(warning) })).toEqual(p4info);
    expect(warnings).toHaveLength(10);
    expect(warnings[0]?.message).toBe('field 900 of p4.config.v1.PkgInfo is not known; it is kept as it is');
  });

  it('expands an Any only if it reads back as the same bytes', () => {
    const any = (typeUrl: string, value: Uint8Array) =>
      P4Info.fromPartial({
        externs: [{ instances: [{ preamble: { id: 1, name: 'e' }, info: { typeUrl, value } }] }],
      });
    const known = 'type.googleapis.com/p4.config.v1.P4NamedType';
    for (const [info, text] of [
      [
        any(known, Uint8Array.of(0x0a, 1, 0x61)),
        `info {\n      [${known}] {\n        name: "a"\n      }\n    }`,
      ],
      // A length in two bytes is not how it would be written.
      [any(known, Uint8Array.of(0x0a, 0x81, 0, 0x61)), String.raw`value: "\n\201\000a"`],
      [any(known, Uint8Array.of(0x0a)), String.raw`value: "\n"`],
      [any('a/b.C', Uint8Array.of(1)), String.raw`value: "\001"`],
    ] as const) {
      expect(writeP4Info(info)).toContain(text);
      expect(parseP4Info(writeP4Info(info))).toEqual(info);
    }
  });

  it('writes an empty one', () => {
    expect(parseP4Info(writeP4Info(P4Info.fromPartial({})))).toEqual(P4Info.fromPartial({}));
  });
});
