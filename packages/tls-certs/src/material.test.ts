import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Identity } from './authority.js';
import {
  chainTo,
  checkDates,
  checkKey,
  checkRoots,
  checkUsage,
  datesOf,
  nameOf,
  readCertificates,
  readPrivateKey,
  rootless,
  unreadable,
} from './material.js';
import { Scratch } from './testing/scratch.js';

const scratch = new Scratch();
let root: Identity;
let other: Identity;
let server: Identity;
let client: Identity;
beforeAll(async () => {
  root = await scratch.authority;
  other = await scratch.other;
  server = await scratch.issue('manager');
  client = await scratch.issue('agent');
});
afterAll(() => scratch.remove());

const parse = ({ certificate }: Identity) => new X509Certificate(certificate);
const certificatesIn = (text: string) => readCertificates({ file: 'x.crt', text });
const keyIn = (text: string) => readPrivateKey({ file: 'x.key', text });
const refusal = (code: string, message: string | RegExp, file?: string) =>
  expect.objectContaining({
    name: 'TlsCertsError',
    code,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
    ...(file !== undefined && { details: { file } }),
  });

describe('certificates of a PEM file', () => {
  it('come in their order, whatever they are called and whatever is around them', () => {
    const renamed = (label: string) => client.certificate.replaceAll('CERTIFICATE', label);
    const text = `hello\n${server.certificate}${client.key}${renamed('X509 CERTIFICATE')}`;
    expect(certificatesIn(text).map(nameOf)).toEqual(['CN=inframanager-server', 'CN=infraagent-client']);
    expect(() => certificatesIn(renamed('CERTIFICATE REQUEST'))).toThrow(
      refusal('PEM', 'x.crt: no certificate in PEM form in it, but CERTIFICATE REQUEST', 'x.crt'),
    );
  });

  it.each<[string, () => string, RegExp]>([
    ['nothing', () => ' \n', /^x\.crt: no certificate in PEM form in it: it is empty$/],
    ['a key, twice', () => client.key + client.key, /in it, but PRIVATE KEY$/],
    ['half a block', () => client.certificate.slice(0, 300), /: a block does not end, or is damaged$/],
    ['other text', () => 'hello', /^x\.crt: no certificate in PEM form in it$/],
    [
      'a damaged block',
      () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /^x\.crt: a certificate in it cannot be read: it is damaged$/,
    ],
  ])('are refused for %s', (_, text, message) => {
    expect(() => certificatesIn(text())).toThrow(refusal('PEM', message, 'x.crt'));
  });
});

describe('the private key of a PEM file', () => {
  it('is any that OpenSSL reads, with certificates around it', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
    expect(keyIn(sec1).asymmetricKeyType).toBe('ec');
    expect(keyIn(client.key + client.certificate).asymmetricKeyType).toBe('rsa');
  });

  it.each<[string, () => string, RegExp]>([
    ['nothing', () => '', /^x\.key: no private key in PEM form in it: it is empty$/],
    [
      'a certificate',
      () => client.certificate,
      /^x\.key: no private key in PEM form in it, but CERTIFICATE$/,
    ],
    [
      'a damaged one',
      () => '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
      /^x\.key: the private key in it cannot be read: it is damaged$/,
    ],
    [
      'one with a password',
      () =>
        createPrivateKey(client.key)
          .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
          .toString(),
      /^x\.key: the private key is encrypted, and there is nobody to ask for its password$/,
    ],
    [
      'one with a password in the old form',
      () =>
        createPrivateKey(client.key)
          .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
          .toString(),
      /^x\.key: /,
    ],
  ])('is refused for %s', (_, text, message) => {
    expect(() => keyIn(text())).toThrow(refusal('PEM', message, 'x.key'));
  });
});

describe('checks of a certificate', () => {
  const files = { cert: 'x.crt', key: 'x.key', ca: 'ca.crt' };

  it('its key is its own; one of another certificate in the file says what to do', () => {
    const [own, key] = [parse(client), keyIn(client.key)];
    expect(() => checkKey(own, key, files)).not.toThrow();
    expect(() => checkKey(parse(server), key, files)).toThrow(
      refusal(
        'KEY_MISMATCH',
        'x.key: the private key is not that of the certificate in x.crt (CN=inframanager-server)',
        'x.key',
      ),
    );
    expect(() => checkKey(parse(root), key, files, [parse(server), own])).toThrow(
      refusal(
        'KEY_MISMATCH',
        'x.crt: the first certificate is CN=infra-server_ca, but the private key is that of CN=infraagent-client: put that one first, followed by its issuers',
        'x.crt',
      ),
    );
  });

  it('it is valid from its first second to its last', () => {
    const { notBefore, notAfter } = datesOf(parse(client));
    const at = (ms: number) => () => checkDates(parse(client), 'x.crt', new Date(ms));
    expect(at(notBefore.getTime())).not.toThrow();
    expect(at(notAfter.getTime())).not.toThrow();
    const stamp = (date: Date) => date.toISOString().replace('.000', '');
    expect(at(notAfter.getTime() + 1)).toThrow(
      refusal(
        'EXPIRED',
        `x.crt: the certificate CN=infraagent-client expired on ${stamp(notAfter)}`,
        'x.crt',
      ),
    );
    expect(at(notBefore.getTime() - 1000)).toThrow(
      refusal(
        'NOT_YET_VALID',
        `x.crt: the certificate CN=infraagent-client is not valid before ${stamp(notBefore)}; it is ${stamp(
          new Date(notBefore.getTime() - 1000),
        )} here`,
        'x.crt',
      ),
    );
  });

  it('it is for what it is used for, if it says anything on that', () => {
    const use = (identity: Identity, usage: 'server' | 'client') => () =>
      checkUsage(parse(identity), 'x.crt', usage);
    expect(use(server, 'server')).not.toThrow();
    expect(use(client, 'client')).not.toThrow();
    expect(use(root, 'client')).not.toThrow();
    expect(use(server, 'client')).toThrow(
      refusal(
        'USAGE',
        'x.crt: the certificate CN=inframanager-server is not for a client: its extended key usage is serverAuth',
        'x.crt',
      ),
    );
    expect(use(client, 'server')).toThrow(
      refusal('USAGE', /is not for a server: .* is clientAuth$/, 'x.crt'),
    );
  });

  it('an authority has issued it, or it is trusted itself', () => {
    const [own, authority, namesake] = [parse(client), parse(root), parse(other)];
    expect(chainTo(own, [], [namesake, authority], files)).toEqual([authority]);
    expect(chainTo(own, [], [own], files)).toEqual([]);
    // What comes with it does not make itself trusted.
    expect(() => chainTo(own, [authority], [namesake], files)).toThrow(
      refusal(
        'CA_MISMATCH',
        'x.crt: the certificate CN=infraagent-client was not issued by an authority in ca.crt (one of the right name is there, but with another key)',
        'x.crt',
      ),
    );
    expect(() => chainTo(own, [], [parse(server)], files)).toThrow(
      refusal('CA_MISMATCH', /in ca\.crt \(there: CN=inframanager-server\)$/, 'x.crt'),
    );
    expect(() => chainTo(own, [], [parse(server), parse(server)], files)).toThrow(
      refusal('CA_MISMATCH', /\(there: CN=inframanager-server, CN=inframanager-server\)$/, 'x.crt'),
    );
  });
});

describe('authorities', () => {
  it('that are roots are complete', () => {
    expect(rootless([parse(root), parse(other)])).toEqual([]);
    expect(() => checkRoots([parse(root)], 'ca.crt')).not.toThrow();
    expect(() => checkRoots([], 'ca.crt')).not.toThrow();
  });

  it('that another one has issued need that one in the file', () => {
    const [lone, authority] = [parse(client), parse(root)];
    expect(rootless([lone]).map(({ issuer }) => issuer)).toEqual(['CN=infra-server_ca']);
    expect(rootless([lone, authority])).toEqual([]);
    expect(rootless([lone, parse(other)]).map(({ authority: one }) => one)).toEqual([lone]);
    const message =
      'ca.crt: the authority CN=infraagent-client is not a root, and the certificate of its issuer CN=infra-server_ca is not in the file: add it';
    expect(() => checkRoots([lone], 'ca.crt')).toThrow(refusal('NO_ROOT', message, 'ca.crt'));
    // Others in the file do not matter, unless it is the one that does more than the others.
    expect(() => checkRoots([lone, parse(other)], 'ca.crt')).not.toThrow();
    expect(() => checkRoots([parse(other), lone], 'ca.crt', parse(other))).not.toThrow();
    expect(() => checkRoots([parse(other), lone], 'ca.crt', lone)).toThrow(refusal('NO_ROOT', message));
  });
});

describe('names in messages', () => {
  it.each([
    ['C=US\nCN=a', 'CN=a'],
    ['C=US\nO=b', 'C=US, O=b'],
    ['CN=a\nCN=b', 'CN=a, CN=b'],
    ['', 'without a subject'],
  ])('%j is %s', (subject, name) => expect(nameOf({ subject })).toBe(name));

  it('are cut, and printable', () => {
    expect(nameOf({ subject: `CN=${'x'.repeat(101)}` })).toBe(`CN=${'x'.repeat(100)}… (101 characters)`);
    expect(nameOf({ subject: 'CN=a\u001b[31m' })).not.toContain('\u001b');
  });
});

it('a file that cannot be read is named once, with what to do', () => {
  const error = Object.assign(new Error("ENOENT: no such file or directory, open 'x.crt'"), {
    code: 'ENOENT',
  });
  expect(unreadable('x.crt', error, '; make it')).toEqual(
    refusal('FILE', 'x.crt cannot be read: ENOENT: no such file or directory; make it', 'x.crt'),
  );
});
