import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createAuthority, issue } from './authority.js';
import { alternativeNames, hostNames, ROLES, roleOf } from './roles.js';
import { expired, Scratch } from './testing/scratch.js';

const scratch = new Scratch();
afterAll(() => scratch.remove());

describe('issue', () => {
  it('gives every certificate a serial number of its own', async () => {
    const identities = await Promise.all([1, 2, 3].map(() => scratch.issue('agent')));
    const serials = identities.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
    expect(new Set(serials).size).toBe(3);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it('takes dates as parameters', async () => {
    const { certificate } = await scratch.issue('agent', expired);
    const { validFrom, validTo } = new X509Certificate(certificate);
    expect([validFrom, validTo].map((date) => Math.floor(Date.parse(date) / 1000))).toEqual(
      [expired.notBefore, expired.notAfter].map((date) => Math.floor(date.getTime() / 1000)),
    );
  });

  it.each([
    [{ names: ['a b'] }, /'a b' is neither an IP address nor a DNS name/],
    [{ names: ['10.0.0.256'] }, /neither an IP address nor a DNS name/],
    [{ names: ['fe80::1%eth0'] }, /neither an IP address nor a DNS name/],
    [{ names: [''] }, /'' is neither/],
    [{ days: 0 }, /whole number of days from 1 on, not 0/],
    [{ notBefore: expired.notAfter, notAfter: expired.notBefore }, /is not after/],
    [{ notAfter: new Date(Number.NaN) }, /notAfter Invalid Date is not between/],
  ])('refuses %j', async (options, message) => {
    await expect(scratch.issue('manager', options)).rejects.toThrow(
      expect.objectContaining({
        name: 'TlsCertsError',
        code: 'INVALID',
        message: expect.stringMatching(message),
      }),
    );
  });

  it('refuses authorities that are none', async () => {
    const leaf = await scratch.issue('agent');
    await expect(issue(leaf, 'agent')).rejects.toThrow(/is not that of an authority/);
    const [one, other] = [await scratch.authority, await createAuthority({ bits: 2048 })];
    await expect(issue({ ...one, key: other.key }, 'agent')).rejects.toThrow(/key does not belong/);
    await expect(issue({ certificate: 'x', key: 'y' }, 'agent')).rejects.toThrow(
      expect.objectContaining({ code: 'PEM' }),
    );
  });
});

describe('roleOf', () => {
  const role = (subject: string, subjectAltName?: string) => roleOf({ subject, subjectAltName });

  it('takes the URI first, then the common names of IPDK', () => {
    expect(role('CN=whatever', 'DNS:x, URI:spiffe://infra-offload/agent')).toBe('agent');
    expect(role('C=US\nO=IPDK\nCN=infraagent-client', 'DNS:localhost')).toBe('agent');
    expect(role('CN=inframanager-server')).toBe('manager');
    expect(role('CN=stratum-client')).toBe('controller');
    expect(role('CN=localhost')).toBe('target');
  });

  it('gives none where anything is unclear', () => {
    expect(role('CN=infraagent-client\nCN=stratum-client')).toBeUndefined();
    expect(
      role('CN=stratum-client', 'URI:spiffe://infra-offload/agent, URI:spiffe://infra-offload/controller'),
    ).toBeUndefined();
    expect(role('CN=stratum-client', 'URI:spiffe://infra-offload/emperor')).toBeUndefined();
    expect(role('O=CN=stratum-client')).toBeUndefined();
    expect(role('')).toBeUndefined();
  });

  it('is not taken in by names with commas', () => {
    const text = 'DNS:"a, URI:spiffe://infra-offload/controller", DNS:b';
    expect(alternativeNames(text)).toEqual(['DNS:a, URI:spiffe://infra-offload/controller', 'DNS:b']);
    expect(role('CN=x', text)).toBeUndefined();
  });

  it('never fails, whatever a certificate says', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (subject, names) => {
        const found = role(subject, names);
        expect(found === undefined || ROLES.includes(found)).toBe(true);
        hostNames(names);
      }),
    );
  });
});
