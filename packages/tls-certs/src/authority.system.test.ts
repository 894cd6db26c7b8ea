import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { issue } from './authority.js';
import { ROLE_FACTS, ROLES } from './roles.js';
import { Scratch } from './testing/scratch.js';

const scratch = new Scratch();
afterAll(() => scratch.remove());

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('openssl verifies', () => {
  it.each(ROLES)('the certificate of a %s, and its purpose', async (role) => {
    const files = await scratch.put(await scratch.issue(role, { names: ['10.10.0.2', 'manager.example'] }));
    const { usage, commonName } = ROLE_FACTS[role];
    const verify = (purpose: string) =>
      openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', files.ca, files.cert);
    expect(verify(usage === 'server' ? 'sslserver' : 'sslclient')).toMatch(/: OK/);
    expect(() => verify(usage === 'server' ? 'sslclient' : 'sslserver')).toThrow(/purpose/);
    if (usage === 'server') {
      for (const args of [
        ['-verify_hostname', 'localhost.localdomain'],
        ['-verify_hostname', 'manager.example'],
        ['-verify_ip', '10.10.0.2'],
        ['-verify_ip', 'fe80::1'],
      ]) {
        expect(openssl('verify', ...args, '-CAfile', files.ca, files.cert)).toMatch(/: OK/);
      }
    }
    expect(openssl('x509', '-in', files.cert, '-noout', '-subject')).toContain(
      `O = IPDK, CN = ${commonName}`,
    );
    const publicKey = openssl('x509', '-in', files.cert, '-noout', '-pubkey');
    expect(openssl('pkey', '-in', files.key, '-pubout')).toBe(publicKey);
  });

  it('nothing that another authority of the same name issued', async () => {
    const files = await scratch.put(await scratch.issue('agent', {}, scratch.other));
    expect(() => openssl('verify', '-CAfile', files.ca, files.cert)).toThrow(/verification failed/);
  });

  it('what an authority made by openssl issued', async () => {
    const [certificate, key] = ['foreign.crt', 'foreign.key'].map((name) => join(scratch.directory, name));
    if (certificate === undefined || key === undefined) throw new Error('unreachable');
    const subject = '/C=US/ST=CA/O=Prüfer GmbH/CN=Foreign, "quoted" CA';
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-utf8',
      '-addext',
      'keyUsage=critical,keyCertSign',
      '-subj',
      subject,
      '-days',
      '30',
      '-keyout',
      key,
      '-out',
      certificate,
    );
    const foreign = {
      certificate: readFileSync(certificate, 'utf8'),
      key: readFileSync(key, 'utf8'),
    };
    const leaf = await issue(foreign, 'agent', { bits: 2048 });
    const file = join(scratch.directory, 'foreign-leaf.crt');
    writeFileSync(file, leaf.certificate);
    expect(openssl('verify', '-x509_strict', '-CAfile', certificate, file)).toMatch(/: OK/);
    // It ends with its authority, not after it.
    expect(Date.parse(new X509Certificate(leaf.certificate).validTo)).toBe(
      Date.parse(new X509Certificate(foreign.certificate).validTo),
    );
  });
});
