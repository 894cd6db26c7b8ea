import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Identity } from './authority.js';
import { CertificateSource } from './grpc/source.js';
import { inspectTree } from './inspect.js';
import type { IdentityFiles } from './layout.js';
import { Scratch } from './testing/scratch.js';

const scratch = new Scratch();
afterAll(() => scratch.remove());

/** An authority that the scratch's root issued. */
async function intermediate(): Promise<Identity> {
  const root = await scratch.put(await scratch.authority);
  const directory = dirname(root.cert);
  const [key, cert] = [join(directory, 'between.key'), join(directory, 'between.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=between'],
      ...['-CA', root.cert, '-CAkey', root.key, '-keyout', key, '-out', cert],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'],
    ],
    { stdio: 'ignore' },
  );
  return { certificate: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

async function leafOfIntermediate(): Promise<{ files: IdentityFiles; between: Identity }> {
  const between = await intermediate();
  const files = await scratch.put(await scratch.issue('agent', {}, Promise.resolve(between)));
  return { files, between };
}

const open = (files: Partial<IdentityFiles>) => CertificateSource.open({ files, usage: 'client' }).close();
const LACKS_ROOT =
  /ca\.crt: the authority CN=between is not a root, and the certificate of its issuer CN=.* is not in the file: add it$/;

describe('a file of authorities', () => {
  it('that lacks the root is refused, for then every handshake would fail', async () => {
    const { files, between } = await leafOfIntermediate();
    writeFileSync(files.ca, between.certificate);
    expect(() => open(files)).toThrow(
      expect.objectContaining({ code: 'NO_ROOT', message: expect.stringMatching(LACKS_ROOT) }),
    );
    expect(() => open({ ca: files.ca })).toThrow(expect.objectContaining({ code: 'NO_ROOT' }));
    const [authority] = inspectTree(dirname(files.ca));
    expect(authority?.problems).toEqual([expect.stringMatching(/^the authority CN=between is not a root/)]);
  });

  it.each(['before', 'behind'])('may have the root %s what it issued', async (place) => {
    const { files, between } = await leafOfIntermediate();
    const root = (await scratch.authority).certificate;
    writeFileSync(files.ca, place === 'before' ? root + between.certificate : between.certificate + root);
    expect(() => open(files)).not.toThrow();
    expect(inspectTree(dirname(files.ca)).flatMap(({ problems }) => problems)).toEqual([]);
  });

  it('needs the root alone if the certificate brings what is in between', async () => {
    const { files, between } = await leafOfIntermediate();
    appendFileSync(files.cert, between.certificate);
    expect(() => open(files)).not.toThrow();
  });
});

it('a file in which the own certificate does not stand first is refused with what to do', async () => {
  const { files, between } = await leafOfIntermediate();
  writeFileSync(files.cert, between.certificate + readFileSync(files.cert, 'utf8'));
  expect(() => open(files)).toThrow(
    /tls\.crt: the first certificate is CN=between, but the private key is that of CN=.*: put that one first, followed by its issuers$/,
  );
});

it('a file without end is refused', async () => {
  const files = await scratch.put(await scratch.issue('agent'));
  expect(() => open({ ...files, ca: '/dev/zero' })).toThrow(
    /^\/dev\/zero cannot be read: has more than 1 MiB$/,
  );
});
