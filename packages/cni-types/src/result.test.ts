import { describe, expect, it } from 'vitest';
import { CniError, formatResult, parseAddressPrefix, parseResult, SUPPORTED_VERSIONS } from './index.js';

const newest = {
  cniVersion: '1.1.0',
  interfaces: [
    { name: 'P4TAP_3', mac: '02:00:00:00:00:03', mtu: 1500 },
    { name: 'eth0', mac: '02:00:00:00:00:03', mtu: 1500, sandbox: '/run/netns/a', pciID: '0000:3b:01.2' },
  ],
  ips: [
    { address: '10.244.0.3/32', gateway: '169.254.1.1', interface: 1 },
    { address: 'fd00::3/128', interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1400, priority: 5, scope: 0 }, { dst: 'fd00::/8' }],
  dns: { nameservers: ['10.96.0.10'], search: ['svc.cluster.local'] },
};

describe('results', () => {
  it('come back as they were in the newest version', () => {
    expect(formatResult(parseResult(newest), '1.1.0')).toEqual(newest);
  });

  it('lose in 1.0.0 what is new in 1.1.0', () => {
    expect(formatResult(parseResult(newest), '1.0.0')).toEqual({
      ...newest,
      cniVersion: '1.0.0',
      interfaces: [
        { name: 'P4TAP_3', mac: '02:00:00:00:00:03' },
        { name: 'eth0', mac: '02:00:00:00:00:03', sandbox: '/run/netns/a' },
      ],
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }, { dst: 'fd00::/8' }],
    });
  });

  it.each(['0.3.0', '0.3.1', '0.4.0'] as const)('name the IP version in %s', (version) => {
    expect(formatResult(parseResult(newest), version).ips).toEqual([
      { version: '4', address: '10.244.0.3/32', gateway: '169.254.1.1', interface: 1 },
      { version: '6', address: 'fd00::3/128', interface: 1 },
    ]);
  });

  it.each(SUPPORTED_VERSIONS)('of version %s are read again', (version) => {
    const formatted = formatResult(parseResult(newest), version);
    expect(formatResult(parseResult(formatted), version)).toEqual(formatted);
  });

  it('of IPAM plugins name no interfaces, and Go writes empty lists as null', () => {
    expect(
      parseResult({ cniVersion: '1.0.0', interfaces: null, routes: null, ips: [{ address: '10.0.0.1/8' }] }),
    ).toEqual({
      interfaces: [],
      ips: [{ address: '10.0.0.1/8' }],
      routes: [],
      dns: {},
    });
  });

  it.each([
    [7, 6, /^answer: /],
    [{}, 6, /cniVersion: /],
    [{ cniVersion: '0.2.0' }, 1, /'0.2.0' is not supported/],
    [
      { cniVersion: '1.0.0', ips: [{ address: '10.0.0.1' }] },
      6,
      /ips\[0\]\.address: is not an IP address with/,
    ],
    [{ cniVersion: '1.0.0', ips: [{ address: '10.0.0.1/33' }] }, 6, /ips\[0\]\.address/],
    [{ cniVersion: '1.0.0', ips: [{ address: '10.0.0.1/8', gateway: 'x' }] }, 6, /ips\[0\]\.gateway/],
    [{ cniVersion: '0.4.0', ips: [{ version: '6', address: '10.0.0.1/8' }] }, 6, /not of IP version 6/],
    [
      { cniVersion: '1.0.0', interfaces: [{ name: 'a' }], ips: [{ address: '10.0.0.1/8', interface: 1 }] },
      6,
      /beyond/,
    ],
    [{ cniVersion: '1.0.0', ips: [{ address: '10.0.0.1/8', interface: -1 }] }, 6, /interface: /],
    [{ cniVersion: '1.0.0', routes: [{ dst: '0.0.0.0' }] }, 6, /routes\[0\]\.dst/],
  ])('%j is refused with code %i', (value, code, message) => {
    expect(() => parseResult(value, 'answer')).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('parseAddressPrefix', () => {
  it.each([
    ['10.1.2.3/24', 4],
    ['0.0.0.0/0', 4],
    ['::/0', 6],
    ['fd00::1/128', 6],
    ['10.1.2.3', undefined],
    ['10.1.2.3/033', undefined],
    ['10.1.2/8', undefined],
    ['fe80::1%eth0/64', undefined],
    ['/8', undefined],
    ['::1/129', undefined],
  ])('%s: %s', (text, family) => {
    expect(parseAddressPrefix(text)?.family).toBe(family);
  });
});

describe('CniError', () => {
  it('serialises as the specification wants', () => {
    expect(JSON.stringify(new CniError(7, 'no', { details: 'because' }).toResult('0.4.0'))).toBe(
      '{"cniVersion":"0.4.0","code":7,"msg":"no","details":"because"}',
    );
    expect(JSON.stringify(new CniError(11, 'later').toResult())).toBe(
      '{"cniVersion":"1.1.0","code":11,"msg":"later"}',
    );
  });

  it("reads other plugins' errors", () => {
    expect(CniError.parse({ code: 1, msg: 'old', details: '' })).toMatchObject({
      code: 1,
      message: 'old',
      details: undefined,
    });
    expect(CniError.parse({ code: '1' })).toBeUndefined();
    expect(CniError.parse(null)).toBeUndefined();
  });

  it('takes over other errors and keeps the cause', () => {
    const cause = new RangeError('bang');
    expect(CniError.from(cause)).toMatchObject({ code: 999, message: 'bang', cause });
    const own = new CniError(5, 'x');
    expect(CniError.from(own, 7)).toBe(own);
    expect(CniError.is(Object.assign(new Error('x'), { name: 'CniError', code: 7 }))).toBe(true);
    expect(CniError.is(cause)).toBe(false);
  });
});
