import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { messageOf } from '@infra-offload/base';
import { TlsCertsError } from './errors.js';
import { printable } from './printable.js';
import { commonNameOf } from './roles.js';

/** A PEM text and the file that it is from, for messages. */
export interface PemFile {
  readonly file: string;
  readonly text: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;
/** Longest way from a certificate to its authority. */
const MAX_DEPTH = 8;
/** Of a name that is part of a message. */
const MAX_NAME = 100;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** The certificates of a PEM file, in their order; at least one. @throws TlsCertsError PEM */
export function readCertificates({ file, text }: PemFile): [X509Certificate, ...X509Certificate[]] {
  const blocks = [...text.matchAll(BLOCK)].filter(([, label = '']) =>
    /^(X509 |TRUSTED )?CERTIFICATE$/.test(label),
  );
  const certificates = blocks.map(([block]) => {
    try {
      const certificate = new X509Certificate(block);
      // Its key is decoded when it is asked for; one that cannot be would fail later, in whatever check needs it.
      if (certificate.publicKey.asymmetricKeyType === undefined)
        throw new Error('its key is of an unknown type');
      return certificate;
    } catch (error) {
      throw new TlsCertsError('PEM', `${file}: a certificate in it cannot be read: it is damaged`, {
        details: { file },
        cause: error,
      });
    }
  });
  const [first, ...others] = certificates;
  if (first === undefined)
    throw new TlsCertsError('PEM', `${file}: no certificate in PEM form in it${whatElse(text)}`, {
      details: { file },
    });
  return [first, ...others];
}

/** The private key of a PEM file. @throws TlsCertsError PEM */
export function readPrivateKey({ file, text }: PemFile): KeyObject {
  const labels = [...text.matchAll(BLOCK)]
    .map(([, label = '']) => label)
    .filter((label) => label.endsWith('PRIVATE KEY'));
  if (labels.length === 0) {
    throw new TlsCertsError('PEM', `${file}: no private key in PEM form in it${whatElse(text)}`, {
      details: { file },
    });
  }
  if (labels.includes('ENCRYPTED PRIVATE KEY') || text.includes('Proc-Type: 4,ENCRYPTED')) {
    throw new TlsCertsError(
      'PEM',
      `${file}: the private key is encrypted, and there is nobody to ask for its password`,
      { details: { file } },
    );
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new TlsCertsError('PEM', `${file}: the private key in it cannot be read: it is damaged`, {
      details: { file },
      cause: error,
    });
  }
}

/**
 * @param others the other certificates of the file
 * @throws TlsCertsError KEY_MISMATCH
 */
export function checkKey(
  certificate: X509Certificate,
  key: KeyObject,
  files: { cert: string; key: string },
  others: readonly X509Certificate[] = [],
): void {
  if (certificate.checkPrivateKey(key)) return;
  const owner = others.find((other) => other.checkPrivateKey(key));
  if (owner !== undefined) {
    const order = `${files.cert}: the first certificate is ${nameOf(certificate)}, but the private key is that of ${nameOf(owner)}: put that one first, followed by its issuers`;
    throw new TlsCertsError('KEY_MISMATCH', order, { details: { file: files.cert } });
  }
  const message = `${files.key}: the private key is not that of the certificate in ${files.cert} (${nameOf(certificate)})`;
  throw new TlsCertsError('KEY_MISMATCH', message, { details: { file: files.key } });
}

/** @throws TlsCertsError EXPIRED or NOT_YET_VALID */
export function checkDates(certificate: X509Certificate, file: string, now: Date): void {
  const { notBefore, notAfter } = datesOf(certificate);
  if (now > notAfter) {
    throw new TlsCertsError(
      'EXPIRED',
      `${file}: the certificate ${nameOf(certificate)} expired on ${stamp(notAfter)}`,
      { details: { file } },
    );
  }
  if (now < notBefore) {
    const message = `${file}: the certificate ${nameOf(certificate)} is not valid before ${stamp(notBefore)}; it is ${stamp(now)} here`;
    throw new TlsCertsError('NOT_YET_VALID', message, { details: { file } });
  }
}

/** @throws TlsCertsError USAGE if the certificate says what it may be used for, and this is not among it */
export function checkUsage(certificate: X509Certificate, file: string, usage: 'server' | 'client'): void {
  const wanted = usage === 'server' ? SERVER_AUTH : CLIENT_AUTH;
  // Undefined if there is no such extension, whatever the types of Node say: then it may be used for anything.
  const usages: readonly string[] | undefined = certificate.keyUsage;
  if (usages === undefined || usages.includes(wanted)) return;
  const message = `${file}: the certificate ${nameOf(certificate)} is not for a ${usage}: its extended key usage is ${usages.map(usageName).join(', ')}`;
  throw new TlsCertsError('USAGE', message, { details: { file } });
}

/**
 * The way from a certificate to one of the authorities: the certificates after it, the authority last.
 *
 * @param others certificates that may be in between.
 * @throws TlsCertsError CA_MISMATCH
 */
export function chainTo(
  certificate: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  files: { readonly cert: string; readonly ca: string },
): X509Certificate[] {
  const path: X509Certificate[] = [];
  for (let current = certificate; path.length < MAX_DEPTH; ) {
    if (authorities.some(({ raw }) => raw.equals(current.raw))) return path;
    const from = (candidates: readonly X509Certificate[]) =>
      candidates.find((candidate) => isIssuedBy(current, candidate));
    const trusted = from(authorities);
    if (trusted !== undefined) return [...path, trusted];
    const next = from(others.filter((other) => !path.includes(other)));
    if (next === undefined) break;
    path.push(next);
    current = next;
  }
  const isNamesake = authorities.some(({ subject }) => subject === certificate.issuer);
  const there = isNamesake
    ? 'one of the right name is there, but with another key'
    : `there: ${authorities.map((authority) => nameOf(authority)).join(', ')}`;
  const message = `${files.cert}: the certificate ${nameOf(certificate)} was not issued by an authority in ${files.ca} (${there})`;
  throw new TlsCertsError('CA_MISMATCH', message, { details: { file: files.cert } });
}

/**
 * Authorities without a way to a root in the same file: OpenSSL refuses whatever they have issued. Each with who issued it.
 */
export function rootless(
  authorities: readonly X509Certificate[],
): readonly { readonly authority: X509Certificate; readonly issuer: string }[] {
  let complete = new Set(authorities.filter(isSelfSigned));
  // Downwards from the roots, a level at a time.
  for (let before = -1; before !== complete.size; ) {
    before = complete.size;
    const above = [...complete];
    complete = new Set(
      authorities.filter(
        (authority) => complete.has(authority) || above.some((one) => isIssuedBy(authority, one)),
      ),
    );
  }
  return authorities
    .filter((authority) => !complete.has(authority))
    .map((authority) => ({ authority, issuer: issuerOf(authority) }));
}

/**
 * @param own the authority that matters, if one does more than the others
 * @throws TlsCertsError NO_ROOT
 */
export function checkRoots(
  authorities: readonly X509Certificate[],
  file: string,
  own?: X509Certificate,
): void {
  const missing = rootless(authorities);
  const found =
    missing.find(({ authority }) => own !== undefined && authority.raw.equals(own.raw)) ??
    (missing.length === authorities.length ? missing[0] : undefined);
  if (found !== undefined)
    throw new TlsCertsError('NO_ROOT', `${file}: ${describeRootless(found)}`, { details: { file } });
}

/** What is wrong with an authority without its root, and what to do. */
export function describeRootless({ authority, issuer }: ReturnType<typeof rootless>[number]): string {
  return `the authority ${nameOf(authority)} is not a root, and the certificate of its issuer ${issuer} is not in the file: add it`;
}

/** A root, or a certificate that is trusted for itself. */
function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

function issuerOf({ issuer }: X509Certificate): string {
  const [, name] = /(?:^|\n)CN=([^\n]*)/.exec(issuer) ?? [];
  return name === undefined ? issuer.replaceAll('\n', ', ') : `CN=${name}`;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export function datesOf(certificate: Pick<X509Certificate, 'validFrom' | 'validTo'>): {
  notBefore: Date;
  notAfter: Date;
} {
  return { notBefore: new Date(certificate.validFrom), notAfter: new Date(certificate.validTo) };
}

/** What a certificate is called in messages. */
export function nameOf(certificate: Pick<X509Certificate, 'subject'>): string {
  // The holder chose it.
  const name = commonNameOf(certificate);
  if (name !== undefined) return `CN=${printable(name, MAX_NAME)}`;
  // Undefined if it is empty, whatever the types of Node say.
  const subject: string | undefined = certificate.subject;
  return subject ? printable(subject.replaceAll('\n', ', '), MAX_NAME) : 'without a subject';
}

/** A time as messages have it. */
export function stamp(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function usageName(oid: string): string {
  return { [SERVER_AUTH]: 'serverAuth', [CLIENT_AUTH]: 'clientAuth' }[oid] ?? oid;
}

function whatElse(text: string): string {
  const labels = [...new Set([...text.matchAll(BLOCK)].map(([, label = '']) => label))];
  if (labels.length > 0) return `, but ${labels.join(', ')}`;
  if (text.trim() === '') return ': it is empty';
  return text.includes('-----BEGIN') ? ': a block does not end, or is damaged' : '';
}

/** A file that could not be read, as an error that names it. */
export function unreadable(file: string, error: unknown, hint = ''): TlsCertsError {
  return new TlsCertsError(
    'FILE',
    `${file} cannot be read: ${messageOf(error).replace(/, \w+ '.*'$/, '')}${hint}`,
    { details: { file }, cause: error },
  );
}
