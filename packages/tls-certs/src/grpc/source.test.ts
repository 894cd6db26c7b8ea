import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Identity } from '../authority.js';
import type { IdentityFiles } from '../layout.js';
import { expired, future, Scratch } from '../testing/scratch.js';
import { availableCipherSuites, cipherOptions } from './cipher-suites.js';
import { CertificateSource } from './source.js';

const scratch = new Scratch();
const sources: CertificateSource[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const source of sources.splice(0)) source.close();
});
afterAll(() => scratch.remove());

function open(files: Partial<IdentityFiles>, usage: 'server' | 'client' = 'client'): CertificateSource {
  const source = CertificateSource.open({ files, usage });
  sources.push(source);
  return source;
}

function write(files: IdentityFiles, { certificate, key }: Identity): void {
  writeFileSync(files.key, key);
  writeFileSync(files.cert, certificate);
}

describe('CertificateSource.open', () => {
  it.each<[string, string, (files: IdentityFiles) => unknown, RegExp]>([
    [
      'a missing file',
      'FILE',
      ({ key }) => rmSync(key),
      /tls\.key cannot be read: ENOENT.*; 'tls-certs create' makes certificates/,
    ],
    [
      'an empty file',
      'PEM',
      ({ cert }) => writeFileSync(cert, '\n'),
      /tls\.crt: no certificate in PEM form in it: it is empty$/,
    ],
    [
      'files that are exchanged',
      'PEM',
      ({ cert, key }) => copyFileSync(key, cert),
      /tls\.crt: no certificate in PEM form in it, but PRIVATE KEY$/,
    ],
    [
      'a certificate for a key',
      'PEM',
      ({ cert, key }) => copyFileSync(cert, key),
      /tls\.key: no private key in PEM form in it, but CERTIFICATE$/,
    ],
    [
      'DER',
      'PEM',
      ({ cert }) => writeFileSync(cert, Buffer.from([0x30, 0x82, 0x03, 0x01])),
      /tls\.crt: no certificate in PEM form in it$/,
    ],
    [
      'a cut file',
      'PEM',
      ({ cert }) => writeFileSync(cert, readFileSync(cert, 'utf8').slice(0, 500)),
      /a block does not end, or is damaged$/,
    ],
    [
      'an encrypted key',
      'PEM',
      ({ key }) =>
        writeFileSync(key, readFileSync(key, 'utf8').replaceAll('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY')),
      /the private key is encrypted/,
    ],
  ])('refuses %s', async (_, code, damage, message) => {
    const files = await scratch.put(await scratch.issue('agent'));
    damage(files);
    expect(() => open(files)).toThrow(
      expect.objectContaining({ name: 'TlsCertsError', code, message: expect.stringMatching(message) }),
    );
  });

  it('refuses what is expired, not valid yet, for another purpose, or of an authority that has ended', async () => {
    const files = await scratch.put(await scratch.issue('agent', expired));
    expect(() => open(files)).toThrow(expect.objectContaining({ code: 'EXPIRED' }));
    write(files, await scratch.issue('agent', future));
    expect(() => open(files)).toThrow(expect.objectContaining({ code: 'NOT_YET_VALID' }));
    write(files, await scratch.issue('agent'));
    expect(() => open(files, 'server')).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringMatching(/is not for a server: its extended key usage is clientAuth$/),
      }),
    );
  });

  it('takes bundles of authorities, and certificates with text around them', async () => {
    const { certificate, key } = await scratch.issue('agent');
    const files = await scratch.put({ certificate: `subject=whatever\n${certificate}`, key });
    writeFileSync(
      files.ca,
      `${(await scratch.other).certificate}# ours:\n${(await scratch.authority).certificate}`,
    );
    expect(open(files).problem).toBeUndefined();
    expect(open({ ca: files.ca }).certificate).toBeUndefined();
  });
});

describe('CertificateSource.refresh', () => {
  it('takes new certificates, tells listeners, and keeps the last good ones otherwise', async () => {
    const files = await scratch.put(await scratch.issue('agent'));
    const source = open(files);
    const changes: unknown[] = [];
    source.onChange((options) => changes.push(options));
    const serial = () => source.certificate?.serialNumber;
    const first = serial();
    await source.refresh();
    expect([serial(), changes.length]).toEqual([first, 0]);

    const next = await scratch.issue('agent');
    writeFileSync(files.key, next.key);
    await source.refresh();
    // In the middle of a change: nothing to complain of yet.
    expect([serial(), source.problem]).toEqual([first, undefined]);
    writeFileSync(files.cert, next.certificate);
    await source.refresh();
    expect(source.problem).toBeUndefined();
    expect([serial() === first, changes.length]).toEqual([false, 1]);

    const second = serial();
    rmSync(files.cert);
    await source.refresh();
    await source.refresh();
    expect(source.problem).toMatch(
      /tls\.crt cannot be read: ENOENT.*; the last good certificate stays in use$/,
    );
    expect(serial()).toBe(second);
    writeFileSync(files.cert, next.certificate);
    await source.refresh();
    expect(source.problem).toBeUndefined();
  });

  it('tells nobody any more when it is closed', async () => {
    const files = await scratch.put(await scratch.issue('agent'));
    const source = open(files);
    const changes: unknown[] = [];
    source.onChange((options) => changes.push(options));
    source.close();
    write(files, await scratch.issue('agent'));
    await source.refresh();
    expect(changes).toEqual([]);
  });

  it('looks by itself, and says when what is in use ends', async () => {
    const files = await scratch.put(await scratch.issue('agent'));
    const source = open(files);
    const first = source.certificate?.serialNumber;
    write(files, await scratch.issue('agent'));
    await expect.poll(() => source.certificate?.serialNumber).not.toBe(first);
    vi.useFakeTimers({ toFake: ['Date'], now: source.notAfter.getTime() + 1000 });
    expect(source.problem).toMatch(/tls\.crt: the certificate in use expired on 20/);
    expect(source.isValid).toBe(false);
    vi.setSystemTime(new Date('2001-01-01T00:00:00Z'));
    expect(source.problem).toMatch(/the certificate in use is not valid before 20.*; it is 2001-01-01/);
    expect(source.isValid).toBe(false);
  });
});

describe('cipherOptions', () => {
  it('maps IANA names, and leaves a version off that no suite is for', () => {
    expect(cipherOptions(['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'])).toEqual({
      ciphers: 'ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384',
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
    });
    expect(cipherOptions(['TLS_AES_128_GCM_SHA256'])).toMatchObject({ minVersion: 'TLSv1.3' });
    expect(cipherOptions(['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'])).toMatchObject({ maxVersion: 'TLSv1.2' });
    expect(availableCipherSuites()).toContain('TLS_CHACHA20_POLY1305_SHA256');
  });

  it.each(['TLS_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES256-GCM-SHA384', 'tls_aes_128_gcm_sha256', ''])(
    'refuses %j and names the valid ones',
    (suite) => {
      expect(() => cipherOptions([suite])).toThrow(
        /cannot be used; valid here: TLS_AES_128_GCM_SHA256, .*ECDHE/,
      );
    },
  );
});
