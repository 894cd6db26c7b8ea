import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Identity, issue, STANDARD_NAMES } from './authority.js';
import { generateKey, KEY_BITS, type KeyBits } from './keys.js';
import { alternativeNames, hostNames, ROLE_FACTS, ROLES, roleOf, roleUri } from './roles.js';
import { Scratch } from './testing/scratch.js';

const DAY_MS = 86_400_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

const scratch = new Scratch();
let root: Identity;
beforeAll(async () => {
  root = await scratch.authority;
});
afterAll(() => scratch.remove());

/** What forge, which knows all extensions by their names, sees of a certificate. */
function extensions({ certificate }: Identity) {
  const parsed = forge.pki.certificateFromPem(certificate);
  return Object.fromEntries(parsed.extensions.map(({ name, ...more }) => [name, more]));
}
const days = ({ certificate }: Identity) => {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return (Date.parse(validTo) - Date.parse(validFrom)) / DAY_MS;
};
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID', message: expect.stringMatching(message) });

describe('an authority', () => {
  it('signs certificates and revocations, itself first, for ten years', async () => {
    const before = Date.now();
    const made = await createAuthority({ bits: 2048 });
    const certificate = new X509Certificate(made.certificate);
    expect(certificate.subject).toBe('C=US\nST=CA\nL=SJ\nO=IPDK\nCN=infra-server_ca');
    expect([certificate.issuer, certificate.ca]).toEqual([certificate.subject, true]);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(made.key))).toBe(true);
    expect(extensions(made)).toMatchObject({
      basicConstraints: { cA: true, critical: true },
      keyUsage: { keyCertSign: true, cRLSign: true, digitalSignature: false, critical: true },
      subjectKeyIdentifier: {},
    });
    expect(forge.pki.certificateFromPem(made.certificate).signatureOid).toBe(
      forge.pki.oids.sha384WithRSAEncryption,
    );
    expect(days(made)).toBe(3650);
    // Clocks that are five minutes behind take it, too.
    const begins = Date.parse(certificate.validFrom);
    expect(begins).toBeGreaterThan(before - 302_000);
    expect(begins).toBeLessThanOrEqual(Date.now() - 300_000);
  });

  it('has the name and the dates that are asked for', async () => {
    const [notBefore, notAfter] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-01-01T00:00:01Z')];
    const made = await createAuthority({ bits: 2048, name: 'mine', notBefore, notAfter });
    const { subject, validFrom, validTo } = new X509Certificate(made.certificate);
    expect(subject).toMatch(/\nCN=mine$/);
    expect([new Date(validFrom), new Date(validTo)]).toEqual([notBefore, notAfter]);
  });
});

describe('a certificate', () => {
  it.each(ROLES)('says that its holder is a %s, and for what it may be used', async (role) => {
    const made = await scratch.issue(role);
    const certificate = new X509Certificate(made.certificate);
    const { commonName, usage } = ROLE_FACTS[role];
    expect(certificate.subject).toBe(`C=US\nST=CA\nL=SJ\nO=IPDK\nCN=${commonName}`);
    expect(roleOf(certificate)).toBe(role);
    expect(certificate.keyUsage).toEqual([usage === 'server' ? SERVER_AUTH : CLIENT_AUTH]);
    expect(hostNames(certificate.subjectAltName)).toEqual(STANDARD_NAMES);
    expect(alternativeNames(certificate.subjectAltName).at(-1)).toBe(`URI:spiffe://infra-offload/${role}`);
    const authority = new X509Certificate(root.certificate);
    expect([certificate.ca, certificate.checkIssued(authority)]).toEqual([false, true]);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(made.key))).toBe(true);
    const found = extensions(made);
    expect(found).toMatchObject({
      basicConstraints: { cA: false, critical: true },
      keyUsage: { digitalSignature: true, keyEncipherment: true, keyAgreement: true, critical: true },
    });
    // By which verifiers find the authority among namesakes.
    expect(found.authorityKeyIdentifier?.value.slice(4)).toBe(
      forge.util.hexToBytes(extensions(root).subjectKeyIdentifier?.subjectKeyIdentifier),
    );
  });

  it('has more names, or others, each once', async () => {
    const of = async (options: Parameters<typeof issue>[2]) =>
      hostNames(new X509Certificate((await scratch.issue('target', options)).certificate).subjectAltName);
    const label = 'x'.repeat(63);
    const names = [
      '*.example.org',
      'a-1.b',
      '10.0.0.1',
      'localhost',
      label,
      `${label}.${label}.${label}.org`,
    ];
    expect(await of({ names })).toEqual([...STANDARD_NAMES, ...names.filter((name) => name !== 'localhost')]);
    expect(await of({ onlyNames: ['a.b'], names: ['2001:db8::1', 'a.b'] })).toEqual(['a.b', '2001:db8::1']);
  });

  it.each([
    'x'.repeat(64),
    `${'x.'.repeat(126)}xx`,
    'a_b',
    '-a',
    'a-',
    'a..b',
    '.a',
    'a.',
    '1',
    'a.1',
    '*',
    'a.*.b',
    '*.*.b',
    'ü',
    'a\n',
  ])('cannot have the name %j', async (name) => {
    await expect(scratch.issue('target', { names: [name] })).rejects.toThrow(
      invalid(/is neither an IP address nor a DNS name$/),
    );
  });

  it('is valid for a year, for so many days, or until a date', async () => {
    const notBefore = new Date('2027-01-01T00:00:00Z');
    const made = await Promise.all(
      [{}, { days: 1, notBefore }, { notBefore, notAfter: new Date('2027-01-03T00:00:00Z') }].map((options) =>
        scratch.issue('agent', options),
      ),
    );
    expect(made.map(days)).toEqual([365, 1, 2]);
  });

  it('ends with its authority, if that is before', async () => {
    const { validTo } = new X509Certificate(root.certificate);
    const { certificate } = await scratch.issue('agent', { days: 4000 });
    expect(new X509Certificate(certificate).validTo).toBe(validTo);
  });

  it.each<[Parameters<typeof issue>[2], RegExp]>([
    [{ days: -1 }, /^certificates are valid for a whole number of days from 1 on, not -1$/],
    [{ days: 1.5 }, /not 1\.5$/],
    [{ notBefore: new Date(-1) }, /^notBefore .* is not between 1970 and 2049$/],
    [{ notAfter: new Date('2050-01-01T00:00:00Z') }, /^notAfter .* is not between 1970 and 2049$/],
    [
      { notBefore: new Date('2030-01-01T00:00:00Z'), notAfter: new Date('2030-01-01T00:00:00Z') },
      /^notAfter 2030-01-01T00:00:00\.000Z is not after 2030-01-01T00:00:00\.000Z$/,
    ],
  ])('cannot be made with %j', async (options, message) => {
    await expect(scratch.issue('agent', options)).rejects.toThrow(invalid(message));
  });

  it('may begin in 1970 and end in 2049', async () => {
    const [notBefore, notAfter] = [new Date(0), new Date('2049-12-31T23:59:59Z')];
    const { validFrom, validTo } = new X509Certificate(
      (await scratch.issue('agent', { notBefore, notAfter })).certificate,
    );
    expect([new Date(validFrom), new Date(validTo)]).toEqual([notBefore, notAfter]);
  });
});

describe('keys', () => {
  it('have the size that is asked for', async () => {
    const { asymmetricKeyType, asymmetricKeyDetails } = await generateKey(2048);
    expect([asymmetricKeyType, asymmetricKeyDetails?.modulusLength]).toEqual(['rsa', 2048]);
    expect(KEY_BITS).toEqual([2048, 3072, 4096]);
  });

  it.each([1024, 2047, 0, Number.NaN])('do not have %d bits', async (bits) => {
    await expect(generateKey(bits as KeyBits)).rejects.toThrow(
      invalid(/^RSA keys have 2048, 3072, 4096 bits here, not /),
    );
  });

  it('of an authority are RSA', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await expect(issue({ ...root, key }, 'agent')).rejects.toThrow(
      expect.objectContaining({
        code: 'PEM',
        message: 'the authority cannot issue certificates: its key is ec, not RSA',
      }),
    );
  });
});

describe('names of a certificate', () => {
  it('are told apart by their kinds', () => {
    const text = 'DNS:a.b, IP Address:2001:DB8:0:0:0:0:0:1, IP Address:192.0.2.1, URI:x://y, email:a@b';
    expect(hostNames(text)).toEqual(['a.b', '2001:db8::1', '192.0.2.1']);
    expect([hostNames(undefined), hostNames(null), alternativeNames('')]).toEqual([[], [], []]);
    expect(alternativeNames('DNS:"a\\"b", DNS:"\\x", DNS:')).toEqual(['DNS:a"b', 'DNS:"\\x"', 'DNS:']);
  });

  it('give a role by exactly one URI of ours', () => {
    for (const role of ROLES) {
      const of = (subjectAltName: string) => roleOf({ subject: 'CN=x', subjectAltName });
      expect(of(`URI:${roleUri(role)}`)).toBe(role);
      expect(of(`URI:${roleUri(role)}x`)).toBeUndefined();
      expect(of(`DNS:${roleUri(role)}`)).toBeUndefined();
    }
    // Those of others say nothing here.
    expect(roleOf({ subject: 'CN=localhost', subjectAltName: 'URI:spiffe://other/agent' })).toBe('target');
  });
});
