import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DeviceConfig, decodeDeviceConfig, encodeDeviceConfig } from './device-config.js';

const config: DeviceConfig = {
  name: 'k8s_dp',
  bfrtInfo: Buffer.from('{}'),
  profiles: [
    { name: 'pipe', context: Buffer.from('{"a":1}'), binary: Buffer.from('apply { }'), pipeScope: [0, 300] },
  ],
};

describe('device config', () => {
  it('has the bytes of infrap4d', () => {
    expect(Buffer.from(encodeDeviceConfig(config)).toString('hex')).toBe(
      [
        '0a06',
        Buffer.from('k8s_dp').toString('hex'),
        '1202',
        Buffer.from('{}').toString('hex'),
        '1a1f',
        '0a04',
        Buffer.from('pipe').toString('hex'),
        '1207',
        Buffer.from('{"a":1}').toString('hex'),
        '1a09',
        Buffer.from('apply { }').toString('hex'),
        '2203',
        '00ac02',
      ].join(''),
    );
  });

  it('round trips (property)', () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    const profile = fc
      .record({
        name: fc.string(),
        context: bytes,
        binary: bytes,
        scope: fc.array(fc.nat(), { maxLength: 3 }),
      })
      .map(({ scope, ...rest }) => (scope.length === 0 ? rest : { ...rest, pipeScope: scope }));
    const any = fc.record(
      {
        name: fc.string(),
        bfrtInfo: bytes,
        profiles: fc.array(profile, { minLength: 1, maxLength: 3 }),
        entries: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      },
      { requiredKeys: ['name', 'bfrtInfo', 'profiles'] },
    );
    fc.assert(
      fc.property(any, (one) => {
        expect(decodeDeviceConfig(encodeDeviceConfig(one))).toEqual(one);
      }),
    );
  });

  it('skips unknown fields and takes unpacked pipe scopes', () => {
    const writer = new BinaryWriter()
      .uint32((9 << 3) | 2)
      .string('new')
      .uint32((3 << 3) | 2)
      .fork();
    writer
      .uint32(4 << 3)
      .uint32(1)
      .uint32(4 << 3)
      .uint32(2)
      .uint32((7 << 3) | 0)
      .uint32(5)
      .join();
    expect(decodeDeviceConfig(writer.finish()).profiles[0]?.pipeScope).toEqual([1, 2]);
  });

  it.each([
    ['nothing', '', /byte 0: it has no profile/],
    ['a text', Buffer.from('not protobuf').toString('hex'), /device config, byte 0/],
    ['a field of another type', '0801', /field 1: wire type 0 where bytes or text belong/],
    ['a name that is not UTF-8', '0a01ff', /field 1/],
    ['a profile that is cut off', '1a0a0a04', /device config, field 3/],
    ['a cut inside of a profile', '1a020a04', /byte 2: profile 0, field 1/],
    ['a cut unknown field', '4a05', /field 9/],
    ['a tag of field 0', '00', /illegal tag/],
  ])('refuses %s', (_, hex, message) => {
    expect(() => decodeDeviceConfig(Buffer.from(hex, 'hex'))).toThrow(
      expect.objectContaining({ code: 'MALFORMED', message: expect.stringMatching(message) }),
    );
  });

  it('refuses or reads any bytes, but never fails otherwise (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(), (noise, cut) => {
        const whole = encodeDeviceConfig(config);
        for (const bytes of [noise, whole.subarray(0, cut % whole.length)]) {
          try {
            expect(decodeDeviceConfig(bytes).profiles.length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MALFORMED', details: { offset: expect.any(Number) } });
          }
        }
      }),
    );
  });
});
